"""From a command line to what it says: the part of POSIX sh that a miner's busybox is asked for. Nothing is run here.

Lists (`;`, `&`, newline), `&&`, `||`, `!`, pipes, subshells, groups, redirections, quotes, `$name`, `${name}`, `$?`,
`$$`. What is left out (substitution of commands, here-documents, control structures, functions) is a syntax error and
never taken for something else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from simulators.devices.shell_words import Part, ShellSyntaxError, Token, Word, tokens

MAX_DEPTH = 40

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
RESERVED = frozenset(
    {"if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "in", "function", "[["}
)


@dataclass(frozen=True, slots=True)
class Redirect:
    """`fd` goes to, or comes from, `target`; with `>&` the target is the number of another."""

    fd: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """One command with its words."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A list in braces or, in a shell of its own, in parentheses."""

    body: "Script"
    redirects: tuple[Redirect, ...]
    subshell: bool


Command = Simple | Group


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each with the output of the one before as its input."""

    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines joined by `&&` and `||`; `rest` has the operator before each."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class Script:
    """One after another; each with whether the next begins without waiting for it."""

    items: tuple[tuple[AndOr, bool], ...]


def parse(line: str) -> Script:
    """Return what a line says; raises ShellSyntaxError."""
    if "\0" in line:
        raise ShellSyntaxError("syntax error: NUL in command")
    return _Parser(list(tokens(line))).script(end=None, depth=0)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def script(self, *, end: str | None, depth: int) -> Script:
        """Return the list up to the word or operator that closes it, which is taken; None: up to the last token."""
        if depth > MAX_DEPTH:
            raise ShellSyntaxError("syntax error: nested too deeply")
        items: list[tuple[AndOr, bool]] = []
        while True:
            while self._is_operator("\n"):
                self._at += 1
            if self._is_end(end):
                break
            and_or = self._and_or(depth)
            background = self._is_operator("&")
            if background or self._is_operator(";") or self._is_operator("\n"):
                self._at += 1
            elif not self._is_end(end):
                raise self._unexpected()
            items.append((and_or, background))
        if end is not None:
            self._at += 1
            if not items:
                raise ShellSyntaxError(f'syntax error: unexpected "{end}"')
        return Script(tuple(items))

    def _is_end(self, end: str | None) -> bool:
        token = self._peek()
        if token is None:
            if end is not None:
                raise ShellSyntaxError(f'syntax error: unexpected end of file (expecting "{end}")')
            return True
        return end is not None and (token.operator == end if end == ")" else token.bare == end)

    def _and_or(self, depth: int) -> AndOr:
        first = self._pipeline(depth)
        rest: list[tuple[str, Pipeline]] = []
        while self._is_operator("&&") or self._is_operator("||"):
            operator = self._take().operator
            while self._is_operator("\n"):
                self._at += 1
            rest.append((operator, self._pipeline(depth)))
        return AndOr(first, tuple(rest))

    def _pipeline(self, depth: int) -> Pipeline:
        token = self._peek()
        negated = token is not None and token.bare == "!"
        if negated:
            self._at += 1
        commands = [self._command(depth)]
        while self._is_operator("|"):
            self._at += 1
            while self._is_operator("\n"):
                self._at += 1
            commands.append(self._command(depth))
        return Pipeline(tuple(commands), negated)

    def _command(self, depth: int) -> Command:
        token = self._peek()
        if token is None:
            raise ShellSyntaxError("syntax error: unexpected end of file")
        if token.operator == "(":
            self._at += 1
            body = self.script(end=")", depth=depth + 1)
            return Group(body, tuple(self._redirects()), subshell=True)
        if token.bare == "{":
            self._at += 1
            body = self.script(end="}", depth=depth + 1)
            return Group(body, tuple(self._redirects()), subshell=False)
        if token.bare in RESERVED or token.bare == "}":
            raise ShellSyntaxError(f'syntax error: unexpected "{token.bare}"')
        return self._simple()

    def _simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while (token := self._peek()) is not None:
            if self._is_redirect():
                redirects.append(self._redirect())
            elif token.operator:
                break
            else:
                self._at += 1
                assignment = None if words else _assignment(token.parts)
                if assignment is not None:
                    assignments.append(assignment)
                else:
                    words.append(tuple(token.parts))
        if not (assignments or words or redirects):
            raise self._unexpected()
        if self._is_operator("("):
            raise ShellSyntaxError('syntax error: unexpected "("')
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    def _redirects(self) -> Iterator[Redirect]:
        while self._is_redirect():
            yield self._redirect()

    def _is_redirect(self) -> bool:
        token = self._peek()
        if token is None:
            return False
        if token.operator:
            return token.operator[0] in "<>"
        after = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None
        bare = token.bare
        return (
            after is not None
            and after.glued
            and after.operator[:1] in {"<", ">"}
            and bare is not None
            and bare.isascii()
            and bare.isdigit()
            and len(bare) == 1
        )

    def _redirect(self) -> Redirect:
        token = self._take()
        fd: int | None = None
        if not token.operator:
            fd = int(token.bare or "0")
            token = self._take()
        operator = token.operator
        target = self._peek()
        if target is None or target.operator:
            raise self._unexpected()
        self._at += 1
        return Redirect((0 if operator[0] == "<" else 1) if fd is None else fd, operator, tuple(target.parts))

    def _is_operator(self, operator: str) -> bool:
        token = self._peek()
        return token is not None and token.operator == operator

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _unexpected(self) -> ShellSyntaxError:
        token = self._peek()
        if token is None:
            return ShellSyntaxError("syntax error: unexpected end of file")
        shown = {"\n": "newline", "": "word"}.get(token.operator, token.operator)
        return ShellSyntaxError(f'syntax error: unexpected "{shown}"')


def _assignment(parts: list[Part]) -> tuple[str, Word] | None:
    """Return name and value where the word is an assignment."""
    if not parts or parts[0].quoted or parts[0].variable:
        return None
    match = _ASSIGNMENT.match(parts[0].text)
    return None if match is None else (match[1], (Part(parts[0].text[match.end() :]), *parts[1:]))
