"""A control board's files as its shell sees them: read-only ones that tell what it is, and `/tmp`, which is memory.

Nothing here ever touches a file of the machine that the simulation runs on.
"""

import posixpath
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase

TMP = "/tmp"  # noqa: S108 -- the board's, not ours
TMP_KIB = 122_880
"""Half of 240 MiB, as tmpfs takes it."""
MAX_PATH = 1024
MAX_FILES = 1000


class FileError(Exception):
    """A file operation that failed; the message is the system's."""


class BoardFiles:
    """One boot's files.

    Args:
        fixed: read-only files of one line by absolute path, each with what reads it.
        room_kib: how much `/tmp` holds.
    """

    def __init__(self, fixed: Mapping[str, Callable[[], str]], *, room_kib: int = TMP_KIB) -> None:
        self._fixed = fixed
        self._room = room_kib * 1024
        self._files: dict[str, bytearray] = {}
        self._dirs = {"/", TMP, "/dev"}
        for path in fixed:
            folders = path.split("/")[1:-1]
            self._dirs |= {"/" + "/".join(folders[:k]) for k in range(1, len(folders) + 1)}

    # -- looking -----------------------------------------------------------------------------------------------------

    def is_dir(self, path: str) -> bool:
        """Whether it is a directory."""
        return path in self._dirs

    def is_file(self, path: str) -> bool:
        """Whether it is a file or a device."""
        return path in self._files or path in self._fixed or path == "/dev/null"

    def exists(self, path: str) -> bool:
        """Whether there is anything."""
        return self.is_dir(path) or self.is_file(path)

    def read(self, path: str) -> bytes:
        """Return a file's bytes."""
        if path == "/dev/null":
            return b""
        if path in self._fixed:
            return f"{self._fixed[path]()}\n".encode()
        if path in self._files:
            return bytes(self._files[path])
        raise FileError("Is a directory" if self.is_dir(path) else "No such file or directory")

    def size(self, path: str) -> int:
        """Return a file's size in bytes, 0 for a directory."""
        return len(self._files[path]) if path in self._files else 0 if self.is_dir(path) else len(self.read(path))

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted."""
        if not self.is_dir(path):
            raise FileError("Not a directory" if self.is_file(path) else "No such file or directory")
        return tuple(sorted(posixpath.basename(p) for p in self._all() if p != "/" and posixpath.dirname(p) == path))

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Return the paths that a pattern with an absolute path means, sorted; hidden ones must be named."""
        parts = pattern.strip("/").split("/")
        found = []
        for path in self._all():
            have = path.strip("/").split("/")
            fits = len(have) == len(parts) and all(map(fnmatchcase, have, parts))
            if fits and not any(h.startswith(".") > p.startswith(".") for h, p in zip(have, parts, strict=True)):
                found.append(path)
        return tuple(sorted(found))

    @property
    def used_kib(self) -> int:
        """How much of `/tmp` is taken, in KiB, rounded up to pages."""
        return sum(-(-len(data) // 4096) * 4 for data in self._files.values())

    @property
    def room_kib(self) -> int:
        """How much `/tmp` holds, in KiB."""
        return self._room // 1024

    # -- changing ----------------------------------------------------------------------------------------------------

    def open(self, path: str, *, append: bool = False) -> None:
        """Have a file to write to, empty unless it is appended to."""
        if path == "/dev/null":
            return
        if self.is_dir(path):
            raise FileError("Is a directory")
        if path in self._fixed or not path.startswith(f"{TMP}/"):
            raise FileError("Read-only file system")
        self._expect_dir(posixpath.dirname(path))
        if len(self._files) >= MAX_FILES:
            raise FileError("No space left on device")
        if not append or path not in self._files:
            self._files[path] = bytearray()

    def write(self, path: str, data: bytes, at: int | None = None) -> None:
        """Write at the end of an opened file, or at a place in it; what is gone by now takes nothing."""
        held = self._files.get(path)
        if held is None:
            return
        place = len(held) if at is None else at
        grows = max(0, place + len(data) - len(held))
        if self.used_kib * 1024 + grows > self._room:
            raise FileError("No space left on device")
        held[len(held) :] = bytes(max(0, place - len(held)))
        held[place : place + len(data)] = data

    def make_dir(self, path: str) -> None:
        """Make a directory, which is one step: it was not there, or this fails."""
        if self.exists(path):
            raise FileError("File exists")
        if not path.startswith(f"{TMP}/"):
            raise FileError("Read-only file system")
        self._expect_dir(posixpath.dirname(path))
        if len(self._dirs) >= MAX_FILES:
            raise FileError("No space left on device")
        self._dirs.add(path)

    def remove_dir(self, path: str) -> None:
        """Remove an empty directory."""
        if not self.is_dir(path):
            raise FileError("Not a directory" if self.is_file(path) else "No such file or directory")
        if self.names(path):
            raise FileError("Directory not empty")
        if not path.startswith(f"{TMP}/"):
            raise FileError("Read-only file system")
        self._dirs.discard(path)

    def remove(self, path: str) -> None:
        """Remove a file."""
        if self.is_dir(path):
            raise FileError("Is a directory")
        if path not in self._files:
            raise FileError("Read-only file system" if self.is_file(path) else "No such file or directory")
        del self._files[path]

    def _expect_dir(self, path: str) -> None:
        if not self.is_dir(path):
            raise FileError("Not a directory" if self.is_file(path) else "No such file or directory")

    def _all(self) -> Iterator[str]:
        yield from self._dirs
        yield from self._files
        yield from self._fixed


def absolute(path: str, folder: str) -> str:
    """Return a path without dots, from `folder` where it is relative; FileError for one that is too long."""
    if len(path) > MAX_PATH:
        raise FileError("File name too long")
    joined = posixpath.normpath(posixpath.join(folder, path))
    return "/" + joined.lstrip("/")
