"""Supplies that cut out for moments: a miner at work falls silent, and soon answers with a new process nobody began.

Facts "failures", row 32, and "detection", section 1.3: hashing stops at once, the dashboard is gone for 30 to 120 s, it
comes back by itself, and it happens again. Twice within a day is a pattern; once is any blip. What befalls several
miners at once came from outside them, and a firmware that fails shows in restarts that follow closely on one another.

Seldom polls often miss the silence and find the board starting already, which refuses: that looks like a mining process
that was started again. By itself it is none; near a silence in the same miner it is the same thing once more.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.detect.hardware import LOST_POLLS, parts_seen
from agent.detect.screen import Rows, health, let_through
from agent.model.columns import Bools, Floats
from agent.model.incident import Category, Evidence, Reason
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletState, Reach
from agent.model.verdicts import Verdicts

DAY_S = 86_400.0
TOGETHER_S = 30.0
TOGETHER = 3
"""So many miners that fall silent within this time of one another have one cause, and it is none of theirs."""

EVENTS_KEPT = 16

_SILENT, _REFUSED = int(Reach.SILENT), int(Reach.REFUSED)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""


@dataclass(frozen=True, slots=True)
class HiccupThresholds:
    """Figures of the detector.

    Attributes:
        times: how often within a day before it fires.
        gone_s: least and longest time without telemetry that is a hiccup: what a boot takes and a poll misses included.
        uptime_s: a miner that had not been up for so long starts for another reason.
        work_ratio: share of its target that it had at least computed.
        clear_s: how long without another one before it is over; so near a silence, a start that refused counts too.
    """

    times: int = 2
    gone_s: tuple[float, float] = (15.0, 240.0)
    uptime_s: float = 900.0
    work_ratio: float = 0.5
    clear_s: float = 7200.0


@dataclass(frozen=True, slots=True)
class Hiccup:
    """One of them: when it was over (UTC s), how long the miner was gone, and whether it refused from the first."""

    at: float
    gone_s: float
    refused: bool


class HiccupDetector:
    """Judges every row; keeps who fell silent at work, and how often that came to nothing. Arrays have shape (n,)."""

    category = Category.OTHER

    def __init__(self, rows: int, thresholds: HiccupThresholds | None = None) -> None:
        self._t = thresholds or HiccupThresholds()
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._gone: Bools = np.zeros(rows, dtype=np.bool_)
        self._dark_at: Floats = np.full(rows, np.nan)
        self._fell_at: Floats = np.full(rows, -np.inf)
        self._was_watched: Bools = np.zeros(rows, dtype=np.bool_)
        self._refused: Bools = np.zeros(rows, dtype=np.bool_)
        self._events: dict[int, deque[Hiccup]] = {}

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        missing = view.misses > 0
        rows = let_through(missing, self._gone)
        if rows.size:
            is_missing = missing[rows]
            lost, back = rows[is_missing & ~self._gone[rows]], rows[~is_missing]
            if lost.size:
                self._follow(view, lost)
            self._forget(view, rows[is_missing], now)
            if back.size:
                self._take_back(view, back, now)
            self._gone[rows] = is_missing
        np.copyto(self._was_watched, view.watched())
        firing = (self._since >= 0.0).nonzero()[0]
        if firing.size:
            self._clear(view, now, firing)
            firing = firing[self._since[firing] >= 0.0]
        none = np.zeros(0, dtype=np.int64)
        return Verdicts(
            self.category,
            health(len(self._since), suspect=none, firing=firing),
            self._since,
            self._clear_since,
            HiccupEvidence(view, now, self._events, self._t.clear_s),
        )

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        if reason is Reason.PSU_HICCUP:
            self._since[row] = since
            self._events[row] = deque([Hiccup(since, np.nan, refused=False)], EVENTS_KEPT)

    def _worked(self, view: SiteView, rows: Rows) -> Bools:
        """Tell which rows hashed at their last answer."""
        worked: Bools = view.hashrate_th.value[rows] >= self._t.work_ratio * view.target_th(rows)
        return worked

    def _follow(self, view: SiteView, rows: Rows) -> None:
        """Note which of these rows, which have just been lost, were at work; and which of them refused."""
        reach, up_s = view.reach[rows], view.elapsed_s.value[rows]
        worked = self._was_watched[rows] & self._worked(view, rows)
        fell = rows[((reach == _SILENT) | (reach == _REFUSED)) & worked & (up_s >= self._t.uptime_s)]
        self._dark_at[fell] = self._fell_at[fell] = view.missing_since[fell]
        self._refused[fell] = view.reach[fell] == _REFUSED

    def _forget(self, view: SiteView, rows: Rows, now: float) -> None:
        """Forget those of these missing rows that were switched off, or are gone for too long already."""
        dark_at = self._dark_at[rows]
        self._dark_at[rows[now - dark_at > self._t.gone_s[1]]] = np.nan
        for row in rows[now - dark_at <= self._t.gone_s[1]].tolist():
            outlets = view.site.miners[row].outlets
            if any(view.outlet(outlet).state is OutletState.OFF for outlet in outlets):
                self._dark_at[row] = np.nan

    def _take_back(self, view: SiteView, back: Rows, now: float) -> None:
        """Take in that these rows answer again."""
        fell = back[self._dark_at[back] >= 0.0]
        is_new = view.elapsed_s.value[fell] < view.answered_at[fell] - self._dark_at[fell]
        self._fell_at[fell[~is_new]] = -np.inf  # polls that were lost: on a large site some are at any time
        for row in fell[is_new].tolist():
            self._return(view, row, now)
        self._dark_at[back] = np.nan

    def _return(self, view: SiteView, row: int, now: float) -> None:
        """Count a silence that a new process has just ended, if it was a hiccup: short, and its own."""
        dark_at = float(self._dark_at[row])
        gone_s = float(view.answered_at[row]) - dark_at
        least_s, most_s = self._t.gone_s
        together = int((np.abs(self._fell_at - dark_at) <= TOGETHER_S).sum())
        if not least_s <= gone_s <= most_s or together >= TOGETHER:
            return
        events = self._events.setdefault(row, deque(maxlen=EVENTS_KEPT))
        events.append(Hiccup(now, gone_s, refused=bool(self._refused[row])))
        if len(_counted(events, now, self._t.clear_s)) >= self._t.times and np.isnan(self._since[row]):
            self._since[row] = now

    def _clear(self, view: SiteView, now: float, firing: Rows) -> None:
        """End verdicts whose miner has worked without another one for long enough."""
        works = (view.watched()[firing] & self._worked(view, firing)).tolist()
        for row, is_working in zip(firing.tolist(), works, strict=True):
            last_at = self._events[row][-1].at
            if 0 < view.misses[row] < LOST_POLLS:
                continue
            if view.misses[row] or not is_working:
                self._clear_since[row] = np.nan
                continue
            if np.isnan(self._clear_since[row]):
                self._clear_since[row] = now
            if now - max(last_at, float(self._clear_since[row])) >= self._t.clear_s:
                self._since[row] = self._clear_since[row] = np.nan
                del self._events[row]


def _counted(events: Sequence[Hiccup], now: float, near_s: float) -> list[Hiccup]:
    """Return the hiccups of the last day: silences, and the starts that refused so near to one of them."""
    today = [event for event in events if now - event.at < DAY_S]
    silences = [event.at for event in today if not event.refused]
    return [event for event in today if not event.refused or any(abs(event.at - at) <= near_s for at in silences)]


class HiccupEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_events", "_near_s", "_now", "_view")

    reasons = frozenset({Reason.PSU_HICCUP})

    def __init__(self, view: SiteView, now: float, events: Mapping[int, Sequence[Hiccup]], near_s: float) -> None:
        self._view = view
        self._now = now
        self._events = events
        self._near_s = near_s

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.PSU_HICCUP

    def domain(self, _: int) -> str:
        """Return nothing: a supply is one miner's."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        today = _counted(self._events.get(row, ()), self._now, self._near_s)
        told: Evidence = {"hiccups_24h": len(today)}
        if today:
            last = today[-1]
            told |= {
                "last_hiccup_s": round(self._now - last.at, 1),
                "gone_s": None if np.isnan(last.gone_s) else round(last.gone_s, 1),
            }
        return told | parts_seen(self._view, row)
