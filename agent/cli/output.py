"""Where commands write: files, refused before anything is done where they cannot be and put in place whole; nowhere."""

import io
import os
from pathlib import Path

import click


def check_place(option: str, path: Path) -> None:
    """Refuse, before anything is done, a place where no file can be written; `option` is what named it."""
    if not path.parent.is_dir():
        raise click.UsageError(f"{option} {path}: there is no folder {path.parent}; make it, or name a file elsewhere")
    if path.exists() and not path.is_file():
        raise click.UsageError(f"{option} {path}: expected a file or a new name, got something else; name another")
    if not os.access(path.parent, os.W_OK):
        raise click.UsageError(f"{option} {path}: {path.parent} cannot be written to; name a file elsewhere")


def write_whole(path: Path, content: str | bytes) -> None:
    """Put a file in place whole: whoever opens it meanwhile sees the old one, or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Nowhere(io.StringIO):
    """Takes a log and keeps nothing of it; never closed, for what is left of a run may have a last word."""

    def write(self, text: str) -> int:
        """Return how much came."""
        return len(text)
