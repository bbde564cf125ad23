"""Cross checks of firmware images and SSH entries: files that are what they say, entries that mean somebody."""

import errno
import hashlib
import os
import stat
from pathlib import Path

from agent.config.findings import Findings
from agent.config.schema_devices import ImageSection, SshSection
from agent.config.topology import Figures
from agent.config.wording import closest
from agent.model.topology import FAMILY_TRAITS, Family, Transport, same_model

MAX_IMAGE_BYTES = 256 * 1024 * 1024
"""Larger than any miner's flash memory."""

_CHUNK_BYTES = 1024 * 1024


def check_firmware(f: Findings, figures: list[Figures | None], folder: Path) -> None:
    """Check images and SSH entries.

    Args:
        f: where to note what is found.
        figures: each miner's figures, None where they are not known.
        folder: what the files' paths are relative to.
    """
    families = [None if known is None else known.family for known in figures]
    first: dict[str, int] = {}
    for index, image in enumerate(f.config.images):
        before = first.setdefault(image.sha256, index)
        if before != index:
            got = f"the image of {f.place('images', before, 'sha256')} again"
            remedy = "write one entry with all its models and control boards"
            f.refuse("images", index, "sha256", expected="each image once", got=got, remedy=remedy)
            continue
        _check_file(f, index, folder / image.file, image.sha256)
        _check_image(f, index, image, families)
    _check_ssh(f)
    _check_reach(f, families)


def _check_file(f: Findings, index: int, path: Path, sha256: str) -> None:
    try:
        found = _sha256(path)
    except OSError as error:
        got = (error.strerror or type(error).__name__).lower()
        remedy = "correct the path, relative to this file, or put the image there"
        f.refuse("images", index, "file", expected="a file that can be read", got=got, remedy=remedy)
        return
    if found != sha256:
        remedy = "find out which of the two is right before you correct either; the wrong image bricks a miner"
        f.refuse(
            "images", index, "sha256", expected="the SHA-256 of its file", got=f"that of {found[:12]}…", remedy=remedy
        )


def _sha256(path: Path) -> str:
    """Return a regular file's SHA-256 in hex, at most MAX_IMAGE_BYTES of it; raises OSError for everything else."""
    digest = hashlib.sha256()
    with open(path, "rb", opener=_opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            if file.tell() > MAX_IMAGE_BYTES:
                raise OSError(errno.EFBIG, f"more than {MAX_IMAGE_BYTES} bytes")
    return digest.hexdigest()


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _check_image(f: Findings, index: int, image: ImageSection, families: list[Family | None]) -> None:
    transport = FAMILY_TRAITS[image.family].transport
    if image.transport is not None and image.transport is not transport:
        want = f"{transport}, the way into {image.family}" if transport else "an image of a family with a way in"
        f.refuse("images", index, "transport", expected=want, got=image.transport, remedy="correct it, or leave it out")
    for place, model in enumerate(image.models):
        there = any(
            family is image.family and same_model(miner.model, model)
            for miner, family in zip(f.config.inventory, families, strict=True)
        )
        if not there and not f.problems:
            want, remedy = f"a model of the inventory that runs {image.family}", "correct it, or remove it"
            f.warn("images", index, "models", place, expected=want, got=f"{model!r}", remedy=remedy)


def _check_ssh(f: Findings) -> None:
    ids = {miner.id for miner in f.config.inventory}
    first: dict[str, int] = {}
    for index, entry in enumerate(f.config.ssh):
        if (entry.miner is None) == (entry.family is None):
            got = "neither" if entry.miner is None else "both"
            remedy = "write miner for one host, family for all of a family without an entry of their own"
            f.refuse("ssh", index, expected="miner or family", got=got, remedy=remedy)
            continue
        if entry.miner is not None and entry.miner not in ids:
            close = closest(entry.miner, ids)
            remedy = f"did you mean {close!r}?" if close else "correct it, or remove the entry"
            want = "a miner of the inventory"
            f.refuse("ssh", index, "miner", expected=want, got=f"{entry.miner!r}", remedy=remedy)
        before = first.setdefault(_whom(entry), index)
        if before != index:
            got = f"{_whom(entry)} again, after {f.place('ssh', before)}"
            f.refuse("ssh", index, expected="one entry for each", got=got, remedy="merge the two")


def _whom(entry: SshSection) -> str:
    return f"miner {entry.miner}" if entry.miner is not None else f"family {entry.family}"


def _check_reach(f: Findings, families: list[Family | None]) -> None:
    """Warn of an image that has a miner to go into and no way to get there."""
    entries = {entry.miner for entry in f.config.ssh} | {entry.family for entry in f.config.ssh}
    for index, image in enumerate(f.config.images):
        if FAMILY_TRAITS[image.family].transport is not Transport.SSH or image.family in entries or f.problems:
            continue
        without = [
            miner.id
            for miner, family in zip(f.config.inventory, families, strict=True)
            if family is image.family
            and any(same_model(miner.model, m) for m in image.models)
            and miner.id not in entries
        ]
        if without:
            got = f"none for {without[0]}" + (f" and {len(without) - 1} more" if len(without) > 1 else "")
            remedy = "add an entry under ssh; a person is asked instead of flashing them"
            f.warn("images", index, expected="a way to log in to its miners", got=got, remedy=remedy)
