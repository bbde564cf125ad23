"""Suspects the agent itself: its own link, way out, clock, haste, ledger and nameservers.

Unlike the other detectors it judges one row, the agent's; what fires is about no miner. A part fires once its figure
was bad for its hold, by at least two measurements where there is a hold, and is over when it was good for CLEAR_S.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from agent.model.incident import Evidence, Reason
from agent.model.itself import CAUSES, Ailment, Itself, Part

CLEAR_S = 60.0
"""What was bad must have been good for so long: by then every device was read again."""

HOLD_S: Mapping[Part, float] = {
    Part.LINK: 5.0,
    Part.GATEWAY: 5.0,
    Part.LEDGER: 5.0,
    Part.LOOP: 20.0,
    Part.CLOCK: 0.0,
    Part.DNS: 30.0,
}
"""A link that blinks, one slow commit, one busy second are everyday life; a clock that jumped has jumped."""


@dataclass(frozen=True, slots=True)
class SelfThresholds:
    """From what figure on a part of the agent's own is bad.

    Attributes:
        ledger_s: a commit takes so long. loop_lag_s: the event loop is late by so much. clock_step_s: the wall clock
            stands so far from where it should.
    """

    ledger_s: float = 2.0
    loop_lag_s: float = 2.0
    clock_step_s: float = 5.0

    def limit(self, part: Part) -> float:
        """Return the figure from which on that part is bad."""
        match part:
            case Part.LEDGER:
                return self.ledger_s
            case Part.LOOP:
                return self.loop_lag_s
            case Part.CLOCK:
                return self.clock_step_s
            case Part.LINK | Part.GATEWAY | Part.DNS:
                return 1.0


@dataclass(slots=True)
class _Judged:
    """One part's state; UTC s.

    Attributes:
        seen_at: the last measurement taken in. since: the first bad one in a row. bad_at: the last bad one.
        is_bad: the last one was. fires: it was bad for long enough, and not good for long enough since.
    """

    seen_at: float = math.nan
    since: float = math.nan
    bad_at: float = -math.inf
    is_bad: bool = False
    fires: bool = False


class SelfDetector:
    """Judges the agent's own gauges; keeps its state between ticks."""

    def __init__(self, thresholds: SelfThresholds) -> None:
        self._limits = {part: thresholds.limit(part) for part in Part}
        self._parts = {part: _Judged() for part in Part}

    def judge(self, itself: Itself, now: float) -> Ailment | None:
        """Return what is wrong with the agent; None where nothing is."""
        for part, gauge in itself.measured:
            judged = self._parts[part]
            if gauge.at != judged.seen_at:
                self._take(part, judged, gauge.value, gauge.at)
        firing = []
        for part, judged in self._parts.items():
            if judged.fires and not judged.is_bad and now - judged.bad_at >= CLEAR_S:
                judged.fires = False
            if judged.fires:
                firing.append(part)
        if not firing:
            return None
        evidence: Evidence = {part.value: round(itself[part].value, 1) for part in firing}
        return Ailment(
            cause=CAUSES[firing[0]],
            since=min(self._parts[part].since for part in firing),
            is_clear=not any(self._parts[part].is_bad for part in firing),
            evidence=evidence | {"blind": itself.blind},
        )

    def restore(self, since: float, reason: Reason, now: float) -> None:
        """Take up what was firing before a restart of the agent: it is over when it is seen to be."""
        for part, cause in CAUSES.items():
            if cause is reason:
                self._parts[part] = _Judged(since=since, bad_at=now, fires=True)

    def _take(self, part: Part, judged: _Judged, value: float, at: float) -> None:
        """Take in one more measurement."""
        was_bad, judged.is_bad, judged.seen_at = judged.is_bad, value >= self._limits[part], at
        if not judged.is_bad:
            return
        if not (was_bad or judged.fires):
            judged.since = at
        judged.bad_at = at
        judged.fires |= at - judged.since >= HOLD_S[part]
