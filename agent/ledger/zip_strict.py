"""Members of a zip file that may come from a stranger: few, plain, named beforehand, bounded, and nothing beside them.

`zipfile` reads what can be read; an archive that is sent around must be exactly what it says. So what the format allows
and this project never writes is refused: comments, gaps, overlaps, encryption, links, streams of unknown size.
"""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping

from agent.model.errors import PolicyError

MOST_BYTES = 64 * 1024 * 1024
"""What the file may take."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
_WAYS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DRIVE = re.compile(r"[A-Za-z]:")


class ArchiveError(PolicyError):
    """An archive that is refused, and why; nothing of it was used."""


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return members as a zip file; the same members give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content, compresslevel=9)
    return file.getvalue()


def unzipped(data: bytes, most: Mapping[str, int]) -> dict[str, bytes]:
    """Return the members of a zip file.

    Args:
        data: the file.
        most: which members there may be, and how many bytes each may have.

    Raises:
        ArchiveError: it is anything else than `zipped` writes, or breaks a bound. No more than that was unpacked.
    """
    if len(data) > MOST_BYTES:
        raise ArchiveError(f"expected an archive of {MOST_BYTES} bytes at most; got {len(data)}: it is no incident's")
    _require_nothing_beside(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _require_known(infos, most)
            _require_in_a_row(data, infos, archive.start_dir)
            return {info.filename: _content(archive, info) for info in infos}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, struct.error) as error:
        raise ArchiveError(f"expected a zip file; got a damaged one ({error}): fetch or export it again") from error


def _require_nothing_beside(data: bytes) -> None:
    """Raise ArchiveError where the file does not begin with its first member and end with its directory."""
    if not data.startswith(b"PK\x03\x04"):
        raise ArchiveError("expected an incident's archive, a zip file; got something else: name another file")
    if len(data) < _END.size:
        raise ArchiveError("expected a whole zip file; got its beginning: fetch or export it again")
    mark, disk, start_disk, _, _, size, offset, comment = _END.unpack(data[-_END.size :])
    if mark != b"PK\x05\x06" or comment or disk or start_disk:
        raise ArchiveError(
            "expected a zip file that ends with its directory; got one that was cut, or has data behind it:"
            " fetch or export it again"
        )
    if offset + size != len(data) - _END.size:
        raise ArchiveError("expected nothing between a zip file's members and its end; got data there: do not trust it")


def _require_known(infos: list[zipfile.ZipInfo], most: Mapping[str, int]) -> None:
    if len(infos) > len(most):
        raise ArchiveError(f"expected {len(most)} members at most; got {len(infos)}: do not trust it")
    seen = set()
    for info in infos:
        name = info.orig_filename
        shown = ascii(name[:80])
        parts = re.split(r"[/\\]", name)
        if parts[0] == "" or ".." in parts or _DRIVE.match(name) or "\0" in name:
            raise ArchiveError(f"expected plain names; got {shown}, which leads elsewhere: do not trust it")
        if name in seen:
            raise ArchiveError(f"expected each member once; got {shown} twice: do not trust it")
        seen.add(name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise ArchiveError(f"expected files; got {shown}, which is a link, a folder or a device: do not trust it")
        if name not in most:
            raise ArchiveError(f"expected {', '.join(most)}; got a member {shown}: it is no incident's archive")
        if info.flag_bits or info.compress_type not in _WAYS or info.extra or info.comment:
            raise ArchiveError(f"expected members plainly packed; got {shown} packed another way: export it again")
        if info.file_size > most[name]:
            raise ArchiveError(f"expected {most[name]} bytes of {name} at most; got {info.file_size}: do not trust it")


def _require_in_a_row(data: bytes, infos: list[zipfile.ZipInfo], directory: int) -> None:
    """Raise ArchiveError where members overlap or leave gaps, or their own heads say other than the directory."""
    place = 0
    for info in infos:
        head = data[place : place + _LOCAL.size]
        if info.header_offset != place or len(head) < _LOCAL.size:
            raise ArchiveError("expected a zip file's members one behind the other; got others: do not trust it")
        mark, _, flags, way, _, _, crc, packed, size, name_length, extra = _LOCAL.unpack(head)
        name = data[place + _LOCAL.size : place + _LOCAL.size + name_length]
        own = (mark, flags, way, crc, packed, size, name, extra)
        told = (
            b"PK\x03\x04",
            info.flag_bits,
            info.compress_type,
            info.CRC,
            info.compress_size,
            info.file_size,
            info.orig_filename.encode("ascii", "replace"),
            0,
        )
        if own != told:
            raise ArchiveError(f"expected {info.orig_filename!a} as the directory has it; got another: do not trust it")
        place += _LOCAL.size + name_length + packed
    if place != directory:
        raise ArchiveError("expected nothing between a zip file's members; got data there: do not trust it")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return a member, of which no more is unpacked than it says that it has; the checksum was looked at."""
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise ArchiveError(f"expected {info.file_size} bytes of {info.filename}; got {len(content)}: export it again")
    return content
