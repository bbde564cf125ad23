"""The commands that a control board's busybox has, few and honest. What they ask of the board is in `board_box`."""

import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence

from simulators.devices.board_files import TMP, FileError
from simulators.devices.shell import CommandBody, ExitRequest, Shell, Streams

USAGE = 1


def options(arguments: Sequence[str], known: str) -> tuple[set[str], list[str]]:
    """Return the one-letter options among the arguments, all of which must be `known`, and the rest.

    Raises:
        FileError: an option that is not known.
    """
    given: set[str] = set()
    rest = list(arguments)
    while rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        for letter in word[1:]:
            if letter not in known:
                raise FileError(f"invalid option -- '{letter}'")
            given.add(letter)
    return given, rest


async def each(names: Sequence[str], streams: Streams, command: str, do: Callable[[str], None]) -> int:
    """Do something to every name; what fails is told and does not stop the others."""
    status = 0
    for name in names:
        try:
            do(name)
        except FileError as error:
            status = 1
            await streams.complain(f"{command}: {name}: {error}")
    return status


async def cat(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Copy files, or the input, to the output."""
    _, names = options(arguments, "u")
    status = 0
    for name in names or ["-"]:
        if name == "-":
            while data := await streams.stdin.read():
                await streams.stdout.write(data)
            continue
        try:
            await streams.stdout.write(shell.files.read(shell.path(name)))
        except FileError as error:
            await streams.complain(f"cat: can't open '{name}': {error}")
            status = 1
    return status


async def sha256sum(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Print the SHA-256 of files, or of the input."""
    _, names = options(arguments, "b")
    status = 0
    for name in names or ["-"]:
        try:
            data = await _all(streams) if name == "-" else shell.files.read(shell.path(name))
        except FileError as error:
            await streams.complain(f"sha256sum: can't open '{name}': {error}")
            status = 1
            continue
        await streams.say(f"{hashlib.sha256(data).hexdigest()}  {name}")
    return status


async def df(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Print how much room there is, in KiB."""
    _, names = options(arguments, "k")
    files = shell.files
    used, room = files.used_kib, files.room_kib
    rows = {
        "/": ("overlay", 12_288, 9_216),
        TMP: ("tmpfs", room, used),
    }
    points = list(rows)
    if names:
        points = []
        for name in names:
            path = shell.path(name)
            if not files.exists(path):
                await streams.complain(f"df: {name}: can't find mount point")
                return 1
            points.append(TMP if path == TMP or path.startswith(f"{TMP}/") else "/")
    await streams.say("Filesystem           1K-blocks      Used Available Use% Mounted on")
    for point in points:
        name, blocks, taken = rows[point]
        share = -(-taken * 100 // blocks)
        await streams.say(f"{name:<20} {blocks:>9} {taken:>9} {blocks - taken:>9} {share:>3}% {point}")
    return 0


async def mkdir(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Make directories."""
    given, names = options(arguments, "p")
    if not names:
        await streams.complain("Usage: mkdir [-p] DIRECTORY...")
        return USAGE

    def make(name: str) -> None:
        path = shell.path(name)
        if "p" not in given:
            shell.files.make_dir(path)
            return
        parts = path.split("/")
        for end in range(2, len(parts) + 1):
            if not shell.files.is_dir("/".join(parts[:end])):
                shell.files.make_dir("/".join(parts[:end]))

    status = 0
    for name in names:
        try:
            make(name)
        except FileError as error:
            await streams.complain(f"mkdir: can't create directory '{name}': {error}")
            status = 1
    return status


async def rmdir(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Remove empty directories."""
    _, names = options(arguments, "")
    return await each(names, streams, "rmdir", lambda name: shell.files.remove_dir(shell.path(name)))


async def rm(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Remove files, with `-r` directories and what is in them."""
    given, names = options(arguments, "rRf")
    files = shell.files

    def remove(path: str) -> None:
        if files.is_dir(path) and given & {"r", "R"}:
            for inside in files.names(path):
                remove(posixpath.join(path, inside))
            files.remove_dir(path)
        else:
            files.remove(path)

    def one(name: str) -> None:
        path = shell.path(name)
        if "f" not in given or files.exists(path):
            remove(path)

    return await each(names, streams, "rm", one)


async def ls(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """List directories and files, one a line."""
    given, names = options(arguments, "1al")
    files = shell.files
    status = 0
    for name in names or ["."]:
        path = shell.path(name)
        if not files.exists(path):
            await streams.complain(f"ls: {name}: No such file or directory")
            status = 1
            continue
        inside = files.names(path) if files.is_dir(path) else (name,)
        for entry in inside:
            if entry.startswith(".") and "a" not in given and files.is_dir(path):
                continue
            whole = posixpath.join(path, entry) if files.is_dir(path) else path
            kind = "drwxr-xr-x" if files.is_dir(whole) else "-rw-r--r--"
            head = f"{kind}    1 root     root     {files.size(whole):>9} " if "l" in given else ""
            await streams.say(head + entry)
    return status


async def tail(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Print the last lines (`-n 10`) or bytes (`-c 100`) of a file or of the input."""
    return await _part(shell, arguments, streams, "tail")


async def head(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Print the first lines or bytes."""
    return await _part(shell, arguments, streams, "head")


async def _part(shell: Shell, arguments: Sequence[str], streams: Streams, name: str) -> int:
    rest, unit, count = list(arguments), "n", 10
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        word = rest.pop(0)
        figure = word[2:] if word[:2] in {"-n", "-c"} else word[1:]
        if not figure and rest:
            figure = rest.pop(0)
        if not (figure.isascii() and figure.isdecimal() and len(figure) <= 9):
            await streams.complain(f"{name}: invalid number '{figure}'")
            return USAGE
        unit, count = ("c" if word[:2] == "-c" else "n"), int(figure)
    if rest and not shell.files.is_file(shell.path(rest[0])):
        await streams.complain(f"{name}: {rest[0]}: No such file or directory")
        return 1
    data = shell.files.read(shell.path(rest[0])) if rest else await _all(streams)
    lines = data.splitlines(keepends=True)
    total = len(lines) if unit == "n" else len(data)
    kept = slice(max(0, total - count), None) if name == "tail" else slice(0, count)
    await streams.stdout.write(b"".join(lines[kept]) if unit == "n" else data[kept])
    return 0


async def echo(_: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Print the arguments."""
    words = list(arguments)
    end = "\n"
    if words and words[0] == "-n":
        words, end = words[1:], ""
    await streams.stdout.write((" ".join(words) + end).encode())
    return 0


async def test(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Tell whether a file is there (-e, -f, -d, -s), a text is empty (-z, -n) or two are the same (=, !=)."""
    words = list(arguments)
    if words[:1] == ["!"]:
        return int(not await test(shell, words[1:], streams))
    if len(words) < 2:
        return int(not any(words))
    if len(words) == 2 and words[0] in _ONE:
        return int(not _ONE[words[0]](shell, words[1]))
    if len(words) == 3 and words[1] in {"=", "!="}:
        return int((words[0] == words[2]) is not (words[1] == "="))
    await streams.complain("sh: syntax error")
    return 2


def _is_filled(shell: Shell, name: str) -> bool:
    path = shell.path(name)
    return shell.files.exists(path) and shell.files.size(path) > 0


_ONE: Mapping[str, Callable[[Shell, str], bool]] = {
    "-e": lambda shell, name: shell.files.exists(shell.path(name)),
    "-f": lambda shell, name: shell.files.is_file(shell.path(name)),
    "-d": lambda shell, name: shell.files.is_dir(shell.path(name)),
    "-s": _is_filled,
    "-z": lambda _, text: not text,
    "-n": lambda _, text: bool(text),
}


async def bracket(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Do as `test`, with a bracket at the end."""
    if not arguments or arguments[-1] != "]":
        await streams.complain("sh: missing ]")
        return 2
    return await test(shell, arguments[:-1], streams)


async def sh(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Run another shell: `-c LINE`, or what comes on the input."""
    if arguments[:1] == ["-c"]:
        if len(arguments) < 2:
            await streams.complain("sh: -c requires an argument")
            return 2
        return await shell.child().run(arguments[1], streams)
    data = shell.files.read(shell.path(arguments[0])) if arguments else await _all(streams)
    return await shell.child().run(data.decode(errors="replace"), streams)


async def cd(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    """Change the working directory."""
    path = shell.path(arguments[0] if arguments else shell.variables["HOME"])
    if not shell.files.is_dir(path):
        await streams.complain(f"sh: cd: can't cd to {arguments[0]}")
        return 1
    shell.folder = path
    return 0


async def pwd(shell: Shell, _: Sequence[str], streams: Streams) -> int:
    """Print the working directory."""
    await streams.say(shell.folder)
    return 0


async def exit_(shell: Shell, arguments: Sequence[str], _: Streams) -> int:
    """End the shell."""
    status = arguments[0] if arguments else str(shell.status)
    raise ExitRequest(int(status) % 256 if status.isascii() and status.isdecimal() else 2)


async def true(_: Shell, _arguments: Sequence[str], _streams: Streams) -> int:
    """Do nothing, well."""
    return 0


async def false(_: Shell, _arguments: Sequence[str], _streams: Streams) -> int:
    """Do nothing, and fail."""
    return 1


async def _all(streams: Streams) -> bytes:
    data = bytearray()
    while more := await streams.stdin.read():
        data += more
    return bytes(data)


COMMANDS: Mapping[str, CommandBody] = {
    "[": bracket,
    "cat": cat,
    "cd": cd,
    "df": df,
    "echo": echo,
    "exit": exit_,
    "false": false,
    "head": head,
    "ls": ls,
    "mkdir": mkdir,
    "pwd": pwd,
    "rm": rm,
    "rmdir": rmdir,
    "sh": sh,
    "sha256sum": sha256sum,
    "sync": true,
    "tail": tail,
    "test": test,
    "true": true,
    ":": true,
}
"""Those that need nothing but files."""
