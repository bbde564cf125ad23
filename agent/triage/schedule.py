"""Recurring windows of the configuration: by the clock on the wall, which miners are curtailed or worked on when.

Times are local ones. Where a clock is put forward, a time that does not exist is as far behind the last one that does;
where it is put back, a window begins with the first and ends with the last of two equal times.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from agent.model.events import AnyEvent, WindowEnded, WindowSet
from agent.model.ids import MinerId, WindowId
from agent.model.memory import Memory
from agent.model.windows import EndReason, Purpose

PREFIX = "schedule:"

AHEAD_DAYS = 8
"""A window of some day of the week begins within so many days."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One recurring window.

    Attributes:
        scope: selectors. miners: what they mean.
        share: of nominal power, where miners are curtailed.
        days: of the week on which it begins, 0 for Monday.
        begins, ends: local times; where the end is not later than the beginning, it is the next day's.
    """

    name: str
    purpose: Purpose
    scope: tuple[str, ...]
    miners: tuple[MinerId, ...]
    share: float
    days: frozenset[int]
    begins: time
    ends: time
    zone: tzinfo
    why: str

    @property
    def window(self) -> WindowId:
        """Return the id of its windows."""
        return WindowId(f"{PREFIX}{self.name}")

    def on(self, day: date) -> tuple[float, float] | None:
        """Return beginning and end (UTC s) of the window that begins on that local day; None where none does."""
        if day.weekday() not in self.days:
            return None
        last = day if self.ends > self.begins else day + timedelta(days=1)
        began = datetime.combine(day, self.begins, self.zone).timestamp()
        ended = max(datetime.combine(last, self.ends.replace(fold=fold), self.zone).timestamp() for fold in (0, 1))
        return (began, ended) if began < ended else None

    def around(self, now: float) -> tuple[float, float] | None:
        """Return beginning and end of the window that lasts at `now` (UTC s); None where none does."""
        today = datetime.fromtimestamp(now, UTC).astimezone(self.zone).date()
        spans = (self.on(today + timedelta(days=back)) for back in (0, -1))
        return next((span for span in spans if span is not None and span[0] <= now < span[1]), None)

    def changes_after(self, now: float) -> float:
        """Return when (UTC s) the next window begins, or the one that lasts ends."""
        today = datetime.fromtimestamp(now, UTC).astimezone(self.zone).date()
        spans = (self.on(today + timedelta(days=ahead)) for ahead in range(-1, AHEAD_DAYS))
        return min((at for span in spans if span is not None for at in span if at > now), default=math.inf)


class Timetable:
    """Every schedule of a site, and when to look at them next."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = schedules
        self._looked_at = math.inf
        self._look_at = -math.inf

    def is_due(self, now: float) -> bool:
        """Whether a window may begin or end by `now` (UTC s), or the clock has been put back."""
        return now >= self._look_at or now < self._looked_at

    def due(self, memory: Memory, now: float) -> list[AnyEvent]:
        """Return what begins, or is another than what lasts, by the configuration.

        One that a person has ended does not begin again before its next time.
        """
        self._looked_at = now
        self._look_at = min((schedule.changes_after(now) for schedule in self._schedules), default=math.inf)
        known = {schedule.window for schedule in self._schedules}
        events: list[AnyEvent] = [
            WindowEnded(window=window, reason=EndReason.REMOVED)
            for window in memory.windows.open
            if window.startswith(PREFIX) and window not in known
        ]
        for schedule in self._schedules:
            span = schedule.around(now)
            window = memory.windows.open.get(schedule.window)
            if span is None:
                if window is not None and window.until > now:
                    events.append(WindowEnded(window=window.id, reason=EndReason.REMOVED))
                continue
            began, until = span
            if any(past.id == schedule.window and past.began_at >= began for past in memory.windows.past):
                continue
            wanted = (schedule.purpose, frozenset(schedule.miners), schedule.share, until)
            if window is None or (window.purpose, window.miners, window.share, window.until) != wanted:
                events.append(
                    WindowSet(
                        window=schedule.window,
                        purpose=schedule.purpose,
                        scope=schedule.scope,
                        miners=schedule.miners,
                        share=schedule.share,
                        until=until,
                        why=schedule.why or schedule.name,
                    )
                )
        return events
