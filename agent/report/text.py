"""Words for figures: times, durations, rates. Whatever prints, prints them alike."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

MOST_NAMED = 12
"""So many miners are named; whoever wants all of thousands asks for JSON."""

MILLISECOND_S = 0.001
"""What is stamped in the ledger is stamped to the millisecond, and so may seem to precede what is not."""

BEYOND = "(no date)"
"""What stands for a time that no calendar has: what is told may come from a stranger's archive."""

NOTHING = "-"
"""What stands where there is no figure."""


def instant(at: float | None) -> str:
    """Return UTC seconds as `2026-03-01 12:00:00Z`."""
    if at is None:
        return NOTHING
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return BEYOND


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units, `3 h 05 min`, or one where that is exact; a short one as `4.2 s`."""
    if seconds is None:
        return NOTHING
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, odd_s = divmod(round(seconds), 60)
    hours, odd_min = divmod(minutes, 60)
    days, odd_h = divmod(hours, 24)
    if days:
        return f"{days} d {odd_h:02} h" if odd_h else f"{days} d"
    if hours:
        return f"{hours} h {odd_min:02} min" if odd_min else f"{hours} h"
    return f"{minutes} min {odd_s:02} s" if odd_s else f"{minutes} min"


def later(seconds: float) -> str:
    """Return how long after something, as `+2 min 26 s`; less than a millisecond before it is just then."""
    return duration(seconds) if seconds < -MILLISECOND_S else f"+{duration(max(seconds, 0.0))}"


def percent(share: float | None) -> str:
    """Return a share (0 to 1) in per cent, one decimal."""
    return NOTHING if share is None else f"{share * 100:.1f} %"


def interval(bounds: tuple[float, float] | None) -> str:
    """Return the bounds of an interval of shares, such as `88.2..91.9 %`."""
    return NOTHING if bounds is None else f"{bounds[0] * 100:.1f}..{bounds[1] * 100:.1f} %"


def named(names: Sequence[str]) -> str:
    """Return names in a row, the first MOST_NAMED of many and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def pairs(evidence: Mapping[str, object]) -> str:
    """Return evidence as `key=value` in the order of its keys, numbers short, booleans and None in JSON's words."""
    return " ".join(f"{key}={spelt(evidence[key])}" for key in sorted(evidence))


def listed(evidence: Mapping[str, object]) -> str:
    """Return evidence as `key value` in its own order, for those who read it rather than look something up in it."""
    return " · ".join(f"{key} {spelt(value)}" for key, value in evidence.items())


def spelt(value: object) -> str:
    """Return one value of evidence: numbers short, booleans and None in JSON's words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)
