"""Spoilt replies: the ways in which real miners break their own JSON, selectable by name.

Pure functions from a good reply to a bad one. Who spoils a reply, and when, is decided by the fault on the simulated
miner; who sends it is the API server. Source of the list: facts "miners", section 3.1.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

HUGE_BYTES = 10_000_000
_FILLER = b'{"Msg":"' + b"x" * 4080 + b'"},'


class Defect(StrEnum):
    """One way of being garbage. `HUGE` and `ENDLESS` are bounded by the sender, the others by the reply itself."""

    MISSING_COMMA = "missing_comma"
    """`}{` between two objects of a list, as stock bmminer's stats did for years."""
    NO_NUL = "no_nul"
    """The closing NUL byte is missing; the JSON is whole."""
    TRUNCATED = "truncated"
    """The send buffer was too small: the reply stops in the middle."""
    NAN = "nan"
    """Rates that are not numbers: a bare nan."""
    EMPTY_STRINGS = "empty_strings"
    """A dead board reports empty strings in place of its rate and temperatures."""
    LATIN1 = "latin1"
    """A pool user with a byte that is not UTF-8."""
    HUGE = "huge"
    """A reply of 10 MB."""
    ENDLESS = "endless"
    """A reply that never ends and never closes."""


def spoil(body: bytes, defect: Defect) -> bytes:
    """Return the NUL-terminated reply `body` with that defect; for `ENDLESS` only its beginning."""
    return _SPOILERS[defect](body)


def filler() -> bytes:
    """Return the next 4 KiB of an endless reply."""
    return _FILLER


def _missing_comma(body: bytes) -> bytes:
    spoilt = body.replace(b"},{", b"}{", 1)
    return spoilt if spoilt != body else body.replace(b',"', b'"', 1)


def _no_nul(body: bytes) -> bytes:
    return body.rstrip(b"\0")


def _truncated(body: bytes) -> bytes:
    return body[: len(body) * 2 // 3]


def _nan(body: bytes) -> bytes:
    return re.sub(rb'("(?:GHS|MHS|rate|HS|total rate)[^"]*":)-?[0-9][0-9.eE+-]*', rb"\1nan", body)


def _empty_strings(body: bytes) -> bytes:
    """Blank the second board: its rate and temperatures, or in a list of boards every number of the second one."""
    stats = re.sub(rb'("(?:chain_rate|temp_chip|temp_pcb|temp_pic|chain_acs)2":)"[^"]*"', rb'\1""', body)
    if stats != body:
        return stats
    board = body.find(b'{"ASC":1,')
    if board < 0:
        return re.sub(rb'("(?:GHS|MHS) [^"]*":)-?[0-9][0-9.eE+-]*', rb'\1""', body)
    end = body.find(b"}", board)
    blanked = re.sub(rb'("(?:MHS|Chip Temp|Temperature)[^"]*":)-?[0-9][0-9.eE+-]*', rb'\1""', body[board:end])
    return body[:board] + blanked + body[end:]


def _latin1(body: bytes) -> bytes:
    spoilt = body.replace(b'"User":"', b'"User":"caf\xe9-')
    return spoilt if spoilt != body else body.replace(b'"Description":"', b'"Description":"\xb0', 1)


def _huge(body: bytes) -> bytes:
    opening = b'{"JUNK":['
    return opening + _FILLER * ((HUGE_BYTES - len(opening) - len(body)) // len(_FILLER)) + body


def _endless(body: bytes) -> bytes:
    return b'{"JUNK":[' + body.rstrip(b"\0") + b","


_SPOILERS: Mapping[Defect, Callable[[bytes], bytes]] = {
    Defect.MISSING_COMMA: _missing_comma,
    Defect.NO_NUL: _no_nul,
    Defect.TRUNCATED: _truncated,
    Defect.NAN: _nan,
    Defect.EMPTY_STRINGS: _empty_strings,
    Defect.LATIN1: _latin1,
    Defect.HUGE: _huge,
    Defect.ENDLESS: _endless,
}
