"""Bernoulli CUSUM of many rows at once: has the share of bad events risen from a healthy one to a bad one?

Page's test with the log-likelihood steps of Reynolds and Stoumbos: every bad event adds ln(p1/p0), every good one takes
ln((1-p0)/(1-p1)) away, never below zero. While bad events come at p0, the mean number of events between two alarms is
at least e^h (Wald, Lorden); a shift to p is found after about h / (mean step under p) events. What is counted, and
what follows from an alarm, is not here.
"""

import math
from dataclasses import dataclass

import numpy as np

from agent.detect.screen import Rows
from agent.model.columns import Bools, Floats
from agent.model.site_view import EVERY, Places

CAP = 1.5
"""The statistic stops at so many times the decision interval, so that the end of a long fault is seen in time: facts
"detection", section 2."""

ONE_READING = 0.5
"""No single reading carries the statistic further than this share of the decision interval (facts "failures", row
22)."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What is told apart.

    Attributes:
        healthy: share of bad events that is still well, p0.
        bad: share that is to be found, p1; above `healthy`, below 1.
        decision: the decision interval h.
    """

    healthy: float
    bad: float
    decision: float

    @property
    def up(self) -> float:
        """Step of one bad event."""
        return math.log(self.bad / self.healthy)

    @property
    def down(self) -> float:
        """Step of one good event; positive, and taken away."""
        return math.log((1.0 - self.healthy) / (1.0 - self.bad))


class BernoulliCusum:
    """One statistic a row. Arrays have shape (n,).

    Attributes:
        level: the statistic.
        events, bad: how many events, and bad ones among them, since it last stood at zero.
    """

    __slots__ = ("_down", "_most", "_up", "bad", "events", "level", "shift")

    def __init__(self, rows: int, shift: Shift) -> None:
        self.shift = shift
        self.level: Floats = np.zeros(rows)
        self.events: Floats = np.zeros(rows)
        self.bad: Floats = np.zeros(rows)
        self._up, self._down, self._most = shift.up, shift.down, ONE_READING * shift.decision

    def add(self, bad: Floats, good: Floats, cap: Floats | float) -> None:
        """Count one reading: events since the one before, shape (n,), 0 where there were none.

        Events of one reading have no order: the floor at zero applies once, after all of them. That keeps the level at
        or below what it would be event by event, so the bound on false alarms holds.

        Args:
            bad: bad events.
            good: good events.
            cap: what the statistic may reach, in its own unit.
        """
        gain = bad * self._up
        gain -= good * self._down
        np.minimum(gain, self._most, out=gain)
        self.level += gain
        np.minimum(self.level, cap, out=self.level)
        np.maximum(self.level, 0.0, out=self.level)
        counts = self.level > 0.0  # as a factor: who stands at zero is anybody, and such a mask costs most to copy by
        self.events += good
        self.events += bad
        self.events *= counts
        self.bad += bad
        self.bad *= counts

    def alarms(self, least_events: float, rows: Places = EVERY) -> Bools:
        """Tell which rows are at or above the decision interval, after `least_events` or more since zero."""
        alarms: Bools = (self.level[rows] >= self.shift.decision) & (self.events[rows] >= least_events)
        return alarms

    def restart(self, rows: Rows) -> None:
        """Begin from zero in those rows."""
        for array in (self.level, self.events, self.bad):
            array[rows] = 0.0
