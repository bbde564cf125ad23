"""What tells one silent or idle miner's causes apart: what its outlets give, whether anything at its address answers.

What several silent miners share is weighed by likelihood (agent.triage.cover). Pure.
"""

import re

from agent.model.incident import Category, Evidence, Reason
from agent.report.signs import Cause, number, share
from agent.report.text import duration

DARK_W = 3.0
"""Less than any supply's standby."""

WORK_SHARE = 0.8
"""Of its nominal power: who draws so much works (facts "detection", section 7, D5)."""

IDLE_W = 100.0
"""What a board with power and no work draws at most (facts "detection", section 1.3)."""

QUIET_S = 20.0
"""A port that was heard so lately has a board behind it that speaks, if not to the agent (section 7, D5)."""

LONG_S = 3600.0
"""A process that ran for so long does not begin again and again."""

HOST_ANSWERS = frozenset({"answered", "faulty", "errored", "refused"})
"""How a last poll ended that something at the miner's address has answered."""

_WATTS = re.compile(r" (on|off|unknown) (?:(\d+) W|unmetered)")


def _draw_w(seen: Evidence) -> float | None:
    """Return what its outlets give together; None where that was not measured."""
    drawn_w = number(seen, "draw_w")
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


def _power_share(seen: Evidence) -> float | None:
    return share({**seen, "draw_w": _draw_w(seen)}, "draw_w", "nominal_w")


def _works(seen: Evidence) -> str | None:
    part = _power_share(seen)
    return f"it draws {part:.0%} of its power: it works" if part is not None and part >= WORK_SHARE else None


def _idles(seen: Evidence) -> str | None:
    part, draw_w = _power_share(seen), _draw_w(seen)
    if part is not None and draw_w is not None and draw_w >= DARK_W and part < WORK_SHARE:
        return f"it draws {part:.0%} of its power"
    idles = part is None and draw_w is not None and DARK_W <= draw_w <= IDLE_W
    return f"it draws {draw_w:.0f} W, as a board that does nothing" if idles else None


def _silent(seen: Evidence) -> str | None:
    return "nothing answers at its address" if seen.get("reach") == "silent" else None


def _host_answers(seen: Evidence) -> str | None:
    return f"its address answers ({seen['reach']})" if seen.get("reach") in HOST_ANSWERS else None


def _api_gone(seen: Evidence) -> str | None:
    is_gone = seen.get("reach") in ("refused", "errored")
    return "its host is up, and the mining process behind it is not" if is_gone else None


def _idle(seen: Evidence) -> str | None:
    rate_th, aim_th = number(seen, "hashrate_th"), number(seen, "expected_th")
    if seen.get("reach") != "answered" or rate_th is None or aim_th is None or rate_th >= aim_th:
        return None
    return f"it answers, at {rate_th:g} of {aim_th:g} TH/s"


def _no_link(seen: Evidence) -> str | None:
    return "its port has no link" if seen.get("port_up") is False else None


def _link(seen: Evidence) -> str | None:
    return "its port has a link" if seen.get("port_up") is True else None


def _hears(seen: Evidence) -> str | None:
    quiet_s = number(seen, "port_quiet_s")
    heard = quiet_s is not None and quiet_s < QUIET_S
    return f"its port heard it {duration(quiet_s)} before" if heard else None


def _hears_nothing(seen: Evidence) -> str | None:
    quiet_s = number(seen, "port_quiet_s")
    mute = quiet_s is not None and quiet_s >= QUIET_S
    return f"its port has heard nothing of it for {duration(quiet_s)}" if mute else None


def _other_vlan(seen: Evidence) -> str | None:
    now, before = seen.get("port_pvid"), seen.get("usual_pvid")
    return f"its port is in VLAN {now}, and was in {before}" if None not in (now, before) and now != before else None


def _damaged(seen: Evidence) -> str | None:
    rate = number(seen, "port_errors_per_s")
    return f"its port receives {rate:g} damaged frames a second" if rate else None


def _restarts(seen: Evidence) -> str | None:
    times = seen.get("restarts")
    return f"its process began anew {times} times" if isinstance(times, int) and times > 0 else None


def _codes(seen: Evidence) -> str | None:
    return f"it says so itself: {seen['codes']}" if seen.get("codes") else None


def _ran_long(seen: Evidence) -> str | None:
    age_s = number(seen, "process_age_s")
    return f"its process had run for {duration(age_s)}" if age_s is not None and age_s >= LONG_S else None


def _expected_to_run(_: Evidence) -> str | None:
    return "no window had it, and it did not say that it was told to sleep"


def _left_alone(_: Evidence) -> str | None:
    return "nothing of the agent's was under way on it, nor just over"


CATEGORIES = frozenset({Category.STUCK, Category.NETWORK, Category.FIRMWARE})
"""Classes of miners that are silent, or answer and do not hash."""

CAUSES = (
    Cause(
        "its board or process hangs",
        frozenset({Reason.UNRESPONSIVE, Reason.NOT_HASHING}),
        (_silent, _api_gone, _idle, _idles, _hears_nothing),
        (_dark, _no_link, _works, _hears),
    ),
    Cause(
        "cut off from the network",
        frozenset({Reason.CUT_OFF}),
        (_works, _no_link, _hears, _other_vlan, _damaged),
        (_host_answers, _dark, _idles, _hears_nothing),
    ),
    Cause(
        "its firmware crashes",
        frozenset({Reason.CRASHED, Reason.BOOT_LOOP}),
        (_restarts, _codes, _api_gone),
        (_silent, _ran_long),
    ),
    Cause("without power", frozenset({Reason.POWER_LOST}), (_dark, _outlet_off), (_draws, _host_answers, _link)),
    Cause("told to sleep", frozenset({Reason.CURTAILED}), (), (_expected_to_run,)),
    Cause("the agent's own doing", frozenset(), (), (_left_alone,)),
)
"""In the order in which they are told. The last two are ruled out before a detector looks: see docs/detectors.md."""
