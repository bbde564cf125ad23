"""Runs what a command line says, on a simulated control board: words filled in, commands found, input and output led.

Commands themselves live in `shell_commands`; the board's files in `board_files`. A pipe hands on what one command wrote
once it has ended, which no command here can tell.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from simulators.devices.board_files import BoardFiles, FileError, absolute
from simulators.devices.shell_parse import AndOr, Command, Group, Pipeline, Redirect, Script, Simple, parse
from simulators.devices.shell_words import ShellSyntaxError, Word

NOT_FOUND = 127
BAD_SYNTAX = 2
HOME = "/tmp"  # noqa: S108 -- the board's: its root user has no other writable place
_BLANKS = re.compile(r"[ \t\n]+")
_PATTERN = re.compile(r"[*?\[]")


@runtime_checkable
class Input(Protocol):
    """Where a command reads from."""

    async def read(self) -> bytes:
        """Return what comes next; nothing at the end."""
        ...


@runtime_checkable
class Output(Protocol):
    """Where a command writes to."""

    async def write(self, data: bytes) -> None:
        """Write; raises FileError where there is no room."""
        ...


class Held:
    """Bytes that are there already, as an input, or that pile up, as an output."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)

    async def read(self) -> bytes:
        """Return all that is there."""
        taken = bytes(self.data)
        self.data.clear()
        return taken

    async def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


class Sink:
    """Takes everything and keeps nothing."""

    async def write(self, data: bytes) -> None:
        """Forget it."""


class _ToFile:
    def __init__(self, files: BoardFiles, path: str) -> None:
        self._files = files
        self._path = path

    async def write(self, data: bytes) -> None:
        """Append to the file."""
        self._files.write(self._path, data)


@dataclass(frozen=True, slots=True)
class Streams:
    """A command's standard input, output and errors."""

    stdin: Input
    stdout: Output
    stderr: Output

    async def say(self, line: str) -> None:
        """Write a line."""
        await self.stdout.write(line.encode() + b"\n")

    async def complain(self, line: str) -> None:
        """Write a line among the errors."""
        await self.stderr.write(line.encode() + b"\n")


class ExitRequest(Exception):  # noqa: N818 -- `exit` is no error
    """The shell was told to exit."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


CommandBody = Callable[["Shell", Sequence[str], Streams], Awaitable[int]]
"""A command: the shell that calls it, its arguments without its name, its streams. Returns its exit status."""


@dataclass(slots=True)
class Shell:
    """One shell.

    Attributes:
        files: the board's. commands: what can be called, by name.
        detach: has a coroutine run beside everything else for as long as the board is up.
        folder: the working directory. status: of the last command. variables: by name.
    """

    files: BoardFiles
    commands: Mapping[str, CommandBody]
    detach: Callable[[Coroutine[object, object, int]], object]
    folder: str = HOME
    status: int = 0
    variables: dict[str, str] = field(default_factory=lambda: {"HOME": HOME, "USER": "root", "PATH": "/usr/sbin:/bin"})

    async def run(self, line: str, streams: Streams) -> int:
        """Run a whole line; return its exit status."""
        try:
            script = parse(line)
        except (ShellSyntaxError, RecursionError) as bad:
            await streams.complain(f"sh: {bad}")
            return BAD_SYNTAX
        try:
            return await self._script(script, streams)
        except ExitRequest as exited:
            return exited.status

    def path(self, name: str) -> str:
        """Return a file's absolute path."""
        return absolute(name, self.folder)

    def child(self) -> "Shell":
        """Return a shell of its own, with what this one knows."""
        return replace(self, variables=dict(self.variables))

    # -- structure ---------------------------------------------------------------------------------------------------

    async def _script(self, script: Script, streams: Streams) -> int:
        for and_or, background in script.items:
            if background:
                own = replace(streams, stdin=Held())
                self.detach(self.child()._alone(and_or, own))  # noqa: SLF001 -- a shell of the same kind
                self.status = 0
            else:
                self.status = await self._and_or(and_or, streams)
        return self.status

    async def _alone(self, and_or: AndOr, streams: Streams) -> int:
        """Run something in a shell of its own, which `exit` ends."""
        try:
            return await self._and_or(and_or, streams)
        except ExitRequest as exited:
            return exited.status

    async def _and_or(self, and_or: AndOr, streams: Streams) -> int:
        self.status = await self._pipeline(and_or.first, streams)
        for operator, pipeline in and_or.rest:
            if (operator == "&&") is (self.status == 0):
                self.status = await self._pipeline(pipeline, streams)
        return self.status

    async def _pipeline(self, pipeline: Pipeline, streams: Streams) -> int:
        source, status = streams.stdin, 0
        for command in pipeline.commands[:-1]:
            pipe = Held()
            await self.child()._ends(command, replace(streams, stdin=source, stdout=pipe))  # noqa: SLF001 -- as above
            source = pipe
        last = replace(streams, stdin=source)
        shell = self if len(pipeline.commands) == 1 else self.child()
        run = shell._command if shell is self else shell._ends  # noqa: SLF001 -- as above
        status = await run(pipeline.commands[-1], last)
        return int(not status) if pipeline.negated else status

    async def _ends(self, command: Command, streams: Streams) -> int:
        try:
            return await self._command(command, streams)
        except ExitRequest as exited:
            return exited.status

    async def _command(self, command: Command, streams: Streams) -> int:
        try:
            led = self._led(command.redirects, streams)
        except FileError as error:
            await streams.complain(f"sh: {error}")
            return 1
        if isinstance(command, Simple):
            return await self._simple(command, led)
        return await self._group(command, led)

    async def _group(self, group: Group, streams: Streams) -> int:
        if not group.subshell:
            return await self._script(group.body, streams)
        try:
            return await self.child()._script(group.body, streams)  # noqa: SLF001 -- a shell of the same kind
        except ExitRequest as exited:
            return exited.status

    async def _simple(self, command: Simple, streams: Streams) -> int:
        words = [filled for word in command.words for filled in self._filled(word)]
        given = {name: "".join(self._text(word)) for name, word in command.assignments}
        if not words:
            self.variables |= given
            return 0
        name, *arguments = words
        body = self.commands.get(name.rpartition("/")[2] if name.startswith("/") else name)
        if body is None:
            await streams.complain(f"sh: {name}: not found")
            return NOT_FOUND
        try:
            return await body(self, arguments, streams)
        except FileError as error:
            await streams.complain(f"{name}: {error}")
            return 1

    # -- words and redirections --------------------------------------------------------------------------------------

    def _led(self, redirects: Sequence[Redirect], streams: Streams) -> Streams:
        """Return the streams as redirections lead them, one after another."""
        to: dict[int, Input | Output] = {0: streams.stdin, 1: streams.stdout, 2: streams.stderr}
        for redirect in redirects:
            target = "".join(self._text(redirect.target))
            if redirect.operator in {">&", "<&"}:
                if target == "-":
                    to[redirect.fd] = Held() if redirect.fd == 0 else Sink()
                elif target.isdecimal() and int(target) in to:
                    to[redirect.fd] = to[int(target)]
                else:
                    raise FileError(f"{target}: Bad file descriptor")
                continue
            to[redirect.fd] = self._opened(redirect.operator, target)
        stdin, stdout, stderr = to[0], to[1], to[2]
        return Streams(
            stdin if isinstance(stdin, Input) else Held(),
            stdout if isinstance(stdout, Output) else Sink(),
            stderr if isinstance(stderr, Output) else Sink(),
        )

    def _opened(self, operator: str, name: str) -> Input | Output:
        try:
            path = self.path(name)
            if operator == "<":
                return Held(self.files.read(path))
            self.files.open(path, append=operator == ">>")
        except FileError as error:
            verb = "open" if operator == "<" else "create"
            raise FileError(f"can't {verb} {name}: {error}") from None
        return Sink() if path == "/dev/null" else _ToFile(self.files, path)

    def _text(self, word: Word) -> list[str]:
        """Return a word's pieces with variables filled in."""
        return [self._value(part.text) if part.variable else part.text for part in word]

    def _value(self, name: str) -> str:
        if name == "?":
            return str(self.status)
        if name == "$":
            return "1207"
        return "0" if name == "#" else self.variables.get(name, "")

    def _filled(self, word: Word) -> list[str]:
        """Return the words that one becomes: variables filled in and split, patterns matched with files."""
        made = [""]
        plain = [True]
        is_quoted = False
        for part, text in zip(word, self._text(word), strict=True):
            is_quoted |= part.quoted
            pieces = _BLANKS.split(text) if part.variable and not part.quoted else [text]
            made[-1] += pieces[0]
            plain[-1] &= not (part.quoted and _PATTERN.search(text))
            for piece in pieces[1:]:
                made.append(piece)
                plain.append(True)
        words: list[str] = []
        for text, may_match in zip(made, plain, strict=True):
            if not text and not is_quoted:
                continue
            found = self._matches(text) if may_match and _PATTERN.search(text) else ()
            words += found or [text]
        return words

    def _matches(self, pattern: str) -> list[str]:
        if pattern.startswith("/"):
            return list(self.files.matching(pattern))
        return [path[len(self.folder) :].lstrip("/") for path in self.files.matching(f"{self.folder}/{pattern}")]
