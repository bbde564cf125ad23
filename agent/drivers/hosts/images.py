"""The bytes of firmware images, and logs made fit for the ledger. No device is touched here."""

import hashlib
import os
import re
import stat
from collections.abc import Sequence

from agent.model.errors import PolicyError
from agent.model.topology import Image

LOG_BYTES = 65_536
"""What is kept of one source of logs."""

_CONTROL = re.compile(r"[^\t\n\x20-\x7e\xa0-\U0010ffff]")
_TELLING = re.compile(
    r"""(?i)(["']?(?:pass(?:word|wd|phrase)?|pwd|secret|token)["']?\s*[:=]\s*)["']?[^\s"',;}]+["']?"""
)
MASKED = "***"


def read_image(image: Image) -> bytes:
    """Return the image's bytes; raises PolicyError where the file is not, any more, what the configuration says."""
    try:
        with open(image.file, "rb", opener=_opened) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PolicyError(f"{image.file}: expected a regular file")
            data = file.read()
    except OSError as error:
        raise PolicyError(f"{image.file}: expected the image {image.sha256[:12]}…; {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise PolicyError(f"{image.file}: expected the bytes that the configuration lists, it has others")
    return data


def readable(name: str, data: bytes, secrets: Sequence[str] = ()) -> str:
    """Return the end of a log as printable text under its name, without those secrets and what looks like one."""
    text = _CONTROL.sub("", data[-LOG_BYTES:].decode(errors="replace"))
    for secret in filter(None, secrets):
        text = text.replace(secret, MASKED)
    masked = _TELLING.sub(rf"\1{MASKED}", text).strip()
    return f"== {name} ==\n{masked}\n"


def name_of(image: Image) -> str:
    """Return a file name for the image that no shell and no form has to escape."""
    return f"terrahash-{image.sha256[:12]}.img"


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
