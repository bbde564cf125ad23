"""A command line cut into words and operators, as POSIX sh does it: quotes, backslashes, variables, comments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

OPERATORS = ("&&", "||", ">>", ";", "&", "|", "(", ")", "\n", "<", ">")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[^\s;&|()<>'\"\\$`]+")
_SPECIAL = frozenset("\n \t;&|()<>")


class ShellSyntaxError(Exception):
    """The line says nothing that this shell understands. The message is what the shell prints."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word: text, or a variable to be put in. Quoted pieces are neither split nor matched with files."""

    text: str
    quoted: bool = False
    variable: bool = False


Word = tuple[Part, ...]


@dataclass(slots=True)
class Token:
    """A word, or an operator where it has one; `glued`: nothing stands between it and the word before."""

    operator: str = ""
    parts: list[Part] = field(default_factory=list)
    glued: bool = False

    @property
    def bare(self) -> str | None:
        """The word as it was written, where nothing in it is quoted or a variable."""
        if self.operator or any(part.quoted or part.variable for part in self.parts):
            return None
        return "".join(part.text for part in self.parts)


def tokens(line: str) -> Iterator[Token]:
    """Yield the words and operators of a line; raises ShellSyntaxError."""
    at, glued = 0, False
    while at < len(line):
        if line[at] in " \t":
            at, glued = at + 1, False
        elif line.startswith("\\\n", at):
            at += 2
        elif line[at] == "#" and not glued:
            end = line.find("\n", at)
            at = len(line) if end < 0 else end
        elif (operator := next((op for op in OPERATORS if line.startswith(op, at)), "")) != "":
            if line.startswith("<<", at):
                raise ShellSyntaxError("syntax error: here-documents are not supported")
            if operator in {"<", ">"} and line.startswith("&", at + 1):
                operator += "&"
            yield Token(operator, glued=glued)
            at, glued = at + len(operator), False
        else:
            parts, at = _word(line, at)
            yield Token(parts=parts, glued=glued)
            glued = True


def _word(line: str, at: int) -> tuple[list[Part], int]:
    parts: list[Part] = []
    while at < len(line) and line[at] not in _SPECIAL:
        char = line[at]
        if char == "'":
            end = line.find("'", at + 1)
            if end < 0:
                raise ShellSyntaxError("syntax error: unterminated quoted string")
            parts.append(Part(line[at + 1 : end], quoted=True))
            at = end + 1
        elif char == '"':
            at = _double_quoted(line, at + 1, parts)
        elif char == "\\":
            if at + 1 >= len(line):
                parts.append(Part("\\", quoted=True))
                at += 1
            elif line[at + 1] == "\n":
                at += 2
            else:
                parts.append(Part(line[at + 1], quoted=True))
                at += 2
        elif char == "$":
            at = _variable(line, at, parts, quoted=False)
        elif char == "`":
            raise ShellSyntaxError("syntax error: command substitution is not supported")
        else:
            plain = _PLAIN.match(line, at)
            parts.append(Part(plain[0] if plain else char))
            at = plain.end() if plain else at + 1
    return parts, at


def _double_quoted(line: str, at: int, parts: list[Part]) -> int:
    parts.append(Part("", quoted=True))
    while at < len(line) and line[at] != '"':
        char = line[at]
        if char == "\\" and at + 1 < len(line) and line[at + 1] in '"\\$`\n':
            parts.append(Part("" if line[at + 1] == "\n" else line[at + 1], quoted=True))
            at += 2
        elif char == "$":
            at = _variable(line, at, parts, quoted=True)
        elif char == "`":
            raise ShellSyntaxError("syntax error: command substitution is not supported")
        else:
            parts.append(Part(char, quoted=True))
            at += 1
    if at >= len(line):
        raise ShellSyntaxError("syntax error: unterminated quoted string")
    return at + 1


def _variable(line: str, at: int, parts: list[Part], *, quoted: bool) -> int:
    rest = line[at + 1 :]
    if rest[:1] in {"?", "$", "#"}:
        parts.append(Part(rest[0], quoted=quoted, variable=True))
        return at + 2
    if rest.startswith("("):
        raise ShellSyntaxError("syntax error: command substitution is not supported")
    braced = rest.startswith("{")
    match = _NAME.match(rest, 1 if braced else 0)
    if braced and (match is None or not rest.startswith("}", match.end())):
        raise ShellSyntaxError("syntax error: bad substitution")
    if match is None:
        parts.append(Part("$", quoted=quoted))
        return at + 1
    parts.append(Part(match[0], quoted=quoted, variable=True))
    return at + 1 + match.end() + (1 if braced else 0)
