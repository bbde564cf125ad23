"""Bounded reading of the files an operator names: never a pipe or a device, never more than a stated size."""

import errno
import os
import stat
from pathlib import Path


def read_bounded(path: Path, limit_bytes: int) -> tuple[bytes, int]:
    """Return a regular file's bytes, at most `limit_bytes`, and its mode; raises OSError for everything else."""
    try:
        # A pipe or a device would block or never end, so it is not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:
        raise OSError(errno.EINVAL, "an impossible name") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit_bytes + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit_bytes:
        raise OSError(errno.EFBIG, f"more than {limit_bytes} bytes")
    return data, mode
