"""What else one miner's symptom might have been, and what spoke for and against each: from the evidence alone. Pure.

What several miners share is weighed by likelihood (agent.triage.cover). One miner's trouble is told apart by what is
seen from outside it: what its outlets give, whether its host or its port says anything, how its process began.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from agent.model.incident import Category, Evidence, Reason
from agent.report.text import duration

DARK_W = 3.0
"""Less than any supply's standby."""

WORK_SHARE = 0.8
"""Of its nominal power: who draws so much works (facts "detection", section 7, D5)."""

IDLE_W = 100.0
"""What a board with power and no work draws at most (facts "detection", section 1.3)."""

LONG_S = 3600.0
"""A process that ran for so long does not begin again and again."""

HOST_ANSWERS = frozenset({"answered", "faulty", "errored", "refused"})
"""How a last poll ended that something at the miner's address has answered."""

_WATTS = re.compile(r" (on|off|unknown) (?:(\d+) W|unmetered)")


class Rival(msgspec.Struct, frozen=True):
    """One cause, and what was seen for and against it.

    Attributes:
        chosen: it is what the incident was taken for.
    """

    cause: str
    chosen: bool
    supports: tuple[str, ...]
    opposes: tuple[str, ...]


Sign = Callable[[Evidence], str | None]
"""What a part of the evidence says, in words; None where it says nothing."""


@dataclass(frozen=True, slots=True)
class _Cause:
    """A cause, with its names in incidents and the signs for and against it."""

    name: str
    reasons: frozenset[Reason]
    supports: tuple[Sign, ...]
    opposes: tuple[Sign, ...]


def rivals(category: Category, cause: Reason, seen: Evidence) -> tuple[Rival, ...]:
    """Return what one miner's symptom was told apart from, the chosen first; nothing for classes without rivals."""
    if category not in _TOLD_APART or not seen:
        return ()
    found = [
        Rival(one.name, cause in one.reasons, tuple(_said(one.supports, seen)), tuple(_said(one.opposes, seen)))
        for one in _CAUSES
    ]
    return tuple(sorted(found, key=lambda rival: not rival.chosen))


def _said(signs: tuple[Sign, ...], seen: Evidence) -> Iterator[str]:
    return (words for sign in signs if (words := sign(seen)) is not None)


def _number(seen: Evidence, key: str) -> float | None:
    """Return a measured number; None where there is none."""
    value = seen.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _draw_w(seen: Evidence) -> float | None:
    """Return what its outlets give together; None where that was not measured."""
    drawn_w = _number(seen, "draw_w")
    if drawn_w is not None:
        return drawn_w
    watts = [watts for _, watts in _WATTS.findall(str(seen.get("outlets") or ""))]
    return float(sum(map(int, watts))) if watts and all(watts) else None


def _dark(seen: Evidence) -> str | None:
    draw_w = _draw_w(seen)
    return f"its outlets give {draw_w:.0f} W" if draw_w is not None and draw_w < DARK_W else None


def _draws(seen: Evidence) -> str | None:
    draw_w = _draw_w(seen)
    return f"it draws {draw_w:.0f} W" if draw_w is not None and draw_w >= DARK_W else None


def _outlet_off(seen: Evidence) -> str | None:
    states = [state for state, _ in _WATTS.findall(str(seen.get("outlets") or ""))]
    return "its outlet is off" if states and all(state == "off" for state in states) else None


def _share(seen: Evidence) -> float | None:
    draw_w, nominal_w = _draw_w(seen), _number(seen, "nominal_w")
    return None if draw_w is None or nominal_w is None or nominal_w <= 0.0 else draw_w / nominal_w


def _works(seen: Evidence) -> str | None:
    share = _share(seen)
    return f"it draws {share:.0%} of its power: it works" if share is not None and share >= WORK_SHARE else None


def _idles(seen: Evidence) -> str | None:
    share, draw_w = _share(seen), _draw_w(seen)
    if share is not None and draw_w is not None and draw_w >= DARK_W and share < WORK_SHARE:
        return f"it draws {share:.0%} of its power"
    idles = share is None and draw_w is not None and DARK_W <= draw_w <= IDLE_W
    return f"it draws {draw_w:.0f} W, as a board that does nothing" if idles else None


def _silent(seen: Evidence) -> str | None:
    return "nothing answers at its address" if seen.get("reach") == "silent" else None


def _host_answers(seen: Evidence) -> str | None:
    return f"its address answers ({seen['reach']})" if seen.get("reach") in HOST_ANSWERS else None


def _api_gone(seen: Evidence) -> str | None:
    is_gone = seen.get("reach") in ("refused", "errored")
    return "its host is up, and the mining process behind it is not" if is_gone else None


def _idle(seen: Evidence) -> str | None:
    rate_th, aim_th = _number(seen, "hashrate_th"), _number(seen, "expected_th")
    if seen.get("reach") != "answered" or rate_th is None or aim_th is None or rate_th >= aim_th:
        return None
    return f"it answers, at {rate_th:g} of {aim_th:g} TH/s"


def _no_link(seen: Evidence) -> str | None:
    return "its port has no link" if seen.get("port_up") is False else None


def _link(seen: Evidence) -> str | None:
    return "its port has a link" if seen.get("port_up") is True else None


def _restarts(seen: Evidence) -> str | None:
    times = seen.get("restarts")
    return f"its process began anew {times} times" if isinstance(times, int) and times > 0 else None


def _codes(seen: Evidence) -> str | None:
    return f"it says so itself: {seen['codes']}" if seen.get("codes") else None


def _ran_long(seen: Evidence) -> str | None:
    age_s = _number(seen, "process_age_s")
    return f"its process had run for {duration(age_s)}" if age_s is not None and age_s >= LONG_S else None


def _expected_to_run(_: Evidence) -> str | None:
    return "no window had it, and it did not say that it was told to sleep"


def _left_alone(_: Evidence) -> str | None:
    return "nothing of the agent's was under way on it, nor just over"


_TOLD_APART = frozenset({Category.STUCK, Category.NETWORK, Category.FIRMWARE})
"""Classes of miners that are silent, or answer and do not hash."""

_CAUSES = (
    _Cause(
        "its board or process hangs",
        frozenset({Reason.UNRESPONSIVE, Reason.NOT_HASHING}),
        (_silent, _api_gone, _idle, _idles),
        (_dark, _no_link, _works),
    ),
    _Cause("cut off from the network", frozenset({Reason.CUT_OFF}), (_works, _no_link), (_host_answers, _dark, _idles)),
    _Cause(
        "its firmware crashes",
        frozenset({Reason.CRASHED, Reason.BOOT_LOOP}),
        (_restarts, _codes, _api_gone),
        (_silent, _ran_long),
    ),
    _Cause("without power", frozenset({Reason.POWER_LOST}), (_dark, _outlet_off), (_draws, _host_answers, _link)),
    _Cause("told to sleep", frozenset({Reason.CURTAILED}), (), (_expected_to_run,)),
    _Cause("the agent's own doing", frozenset(), (), (_left_alone,)),
)
"""In the order in which they are told. The last two are ruled out before a detector looks: see docs/detectors.md."""
