"""Reads `history`: how lively the surroundings of a simulated site are over days and months."""

import re
from dataclasses import dataclass

from agent.config.scenario.entry import UNITS_S, Entry
from agent.config.wording import number_text, shown

SHIFTS = ("night", "day", "evening")
"""Eight hours each, from site time 0 on."""

WEATHERS = ("mild", "summer", "heat_wave", "winter")

KEYS = ("blocks", "lost_polls", "difficulty_changes", "shifts", "weather")
PERIODS_S = {"hour": UNITS_S["h"], "day": UNITS_S["d"], "week": UNITS_S["w"]}
OFTENEST_S = 60.0
"""Least mean time between two changes of one worker's difficulty; pools wait for a minute of shares at the least."""

_FREQUENCY = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)\s*/\s*([a-z]+)")


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """What the surroundings do. The defaults are those of a site of which the scenario says nothing.

    Attributes:
        blocks: blocks are found, and shares go stale after each; without, they go stale evenly.
        lost_polls: share of polls that are lost in an average shift.
        difficulty_mean_s: mean s between two changes of one worker's share difficulty; None for never.
        lost_by_shift: factors on `lost_polls` by night, by day and in the evening.
        weather: one of WEATHERS.
    """

    blocks: bool = True
    lost_polls: float = 0.0
    difficulty_mean_s: float | None = 12 * 3600.0
    lost_by_shift: tuple[float, float, float] = (0.5, 1.5, 1.0)
    weather: str = WEATHERS[0]


def read_history(top: Entry) -> HistoryPlan:
    """Return the plan; what is left out or was refused is as by default."""
    usual = HistoryPlan()
    entry = top.mapping("history")
    if entry is None:
        return usual
    entry.check_keys(KEYS)
    blocks = usual.blocks
    if "blocks" in entry.keys:
        raw = entry.raw("blocks")
        blocks = raw is True
        if not isinstance(raw, bool):
            entry.refuse("blocks", expected="true or false", got=shown(raw), remedy="write one of them")
    return HistoryPlan(
        blocks=blocks,
        lost_polls=entry.number("lost_polls", 0, 1, default=usual.lost_polls),
        difficulty_mean_s=_mean_s(entry, usual.difficulty_mean_s),
        lost_by_shift=_shifts(entry, usual.lost_by_shift),
        weather=entry.choice("weather", WEATHERS) or usual.weather,
    )


def _mean_s(entry: Entry, usual_s: float | None) -> float | None:
    key = "difficulty_changes"
    if key not in entry.keys:
        return usual_s
    raw = entry.raw(key)
    if raw == 0 and not isinstance(raw, bool):
        return None
    match = _FREQUENCY.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None or match[2] not in PERIODS_S:
        want = f"how often as NUMBER/{'|'.join(PERIODS_S)}, or 0 for never"
        entry.refuse(key, expected=want, got=shown(raw), remedy="write it as 2/day")
        return usual_s
    number, period_s = float(match[1]), PERIODS_S[match[2]]
    if number * OFTENEST_S > period_s:
        most = f"at most {number_text(PERIODS_S['hour'] / OFTENEST_S)}/hour"
        entry.refuse(key, expected=most, got=shown(raw), remedy="lower it")
        return usual_s
    return period_s / number if number else None


def _shifts(entry: Entry, usual: tuple[float, float, float]) -> tuple[float, float, float]:
    section = entry.mapping("shifts")
    if section is None:
        return usual
    section.check_keys(SHIFTS)
    night, day, evening = (
        section.number(name, 0, 100, default=factor) for name, factor in zip(SHIFTS, usual, strict=True)
    )
    return night, day, evening
