"""Where the API's socket is, and who owns it: a file of mode 0600 beside the ledger of the process that serves it."""

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from agent.model.errors import PolicyError

MAX_PATH_BYTES = 107
"""What the system takes for a Unix socket's path."""


def socket_beside(ledger: Path) -> Path:
    """Return the path of the socket of whoever keeps that ledger."""
    return ledger.with_suffix(".sock")


def bound(path: Path) -> socket.socket:
    """Return a socket bound to `path` that only this user can open; one left over by a process that died is replaced.

    Raises:
        PolicyError: the path is too long, no socket can be made there, or somebody serves it already.
    """
    require_short(path)
    if path.exists() or path.is_symlink():
        _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise PolicyError(f"{path}: expected a directory that takes a socket; {error.strerror}") from error
    finally:
        os.umask(before)
    return listener


def require_short(path: Path) -> None:
    """Raise PolicyError for a path that no Unix socket can have."""
    if (length := len(os.fsencode(path))) > MAX_PATH_BYTES:
        raise PolicyError(
            f"{path}: expected a socket's path of at most {MAX_PATH_BYTES} bytes, got {length}: keep the ledger in a "
            "folder with a shorter name"
        )


def _clear(path: Path) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise PolicyError(f"{path}: expected a socket or nothing, found a file: move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                raise PolicyError(f"{path}: {error.strerror}: see who serves it") from error
        else:
            raise PolicyError(f"{path}: another process serves it: stop that one, or keep another ledger")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
