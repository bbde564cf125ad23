"""Rows that announced windows speak of, and those that are only coming back: from a window, or from any sleep.

What others have put to sleep they wake in batches, and each family takes its time to start (facts "detection",
section 6): until both have passed, or it is well, a miner that was away is booting. How long the batches of a large
site take nobody says, but it shows: as long as others of the same window go on waking, those that sleep are still to
come. One that sleeps on after that was forgotten, or does not wake: it is expected to run, and what it shows is its
own. Where many do, they are not to be woken yet, whatever was announced: then they are a curtailment that nobody has
announced, and that is found out first (agent.triage.sleepers). People at work on miners do not put them to sleep: who
sleeps when a maintenance is over was told by somebody else, and does not come back from it.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats, Ints
from agent.model.ids import MinerId
from agent.model.incident import Reason
from agent.model.memory import Memory
from agent.model.site_view import Expected, SiteView
from agent.model.topology import Site
from agent.model.windows import Purpose, Window, Windows
from agent.triage.limits import TriageLimits

ASK_S = 120.0
"""Whether those that sleep on are many is known so long after the first of them should have been back: it takes half of
them to have slept for 75 s without leave."""

WELL_SHARE = 0.95
"""Who hashes so much of its target is back (facts "detection", section 6)."""

_RUNNING, _DERATED, _BOOTING = int(Expected.RUNNING), int(Expected.DERATED), int(Expected.BOOTING)
_SUSPENDED, _CURTAILED, _MAINTENANCE = int(Expected.SUSPENDED), int(Expected.CURTAILED), int(Expected.MAINTENANCE)
"""As plain numbers: numpy takes five times as long to compare or store a member of an enumeration."""


class Returning:
    """Keeps who is covered by a window and who comes back. State arrays have shape (n,).

    Args:
        site: the inventory.
        grace_s: how long each row's family takes to start.
        limits: how long others take until they have woken all, or the next of them.
    """

    def __init__(self, site: Site, grace_s: Floats, limits: TriageLimits) -> None:
        n = len(site.miners)
        self._site = site
        self._grace_s = grace_s
        self._restore_s = limits.restore_s
        self._version = -1
        self._looked_at = -np.inf
        self._state: Ints = np.zeros(n, dtype=np.int8)
        self._share: Floats = np.ones(n)
        self._covered: Bools = np.zeros(n, dtype=np.bool_)
        self._back_by: Floats = np.full(n, np.nan)
        self._batch: Ints = np.zeros(n, dtype=np.int64)
        """Who comes back from the same window; 0 for who comes back from none."""
        self._batches = 0
        self._was_to_sleep: Bools = np.zeros(n, dtype=np.bool_)
        """Who comes back from a curtailment, and may sleep still for that."""
        self._overslept: Bools = np.zeros(n, dtype=np.bool_)
        self._asked_at: Floats = np.full(n, np.nan)
        """Since when it is being found out whether those that sleep on are many."""
        self._idle = True

    def woke(self, rows: NDArray[np.int64], now: float) -> None:
        """Take in that these rows have just said that they do not sleep any more."""
        self._back_by[rows] = now + self._grace_s[rows]
        self._overslept[rows] = False
        self._asked_at[rows] = np.nan
        self._idle = False
        with_them = (self._batch > 0) & np.isin(self._batch, self._batch[rows])
        with_them[rows] = False
        self._back_by[with_them] = np.fmax(self._back_by[with_them], now + self._restore_s + self._grace_s[with_them])

    def apply(self, view: SiteView, memory: Memory, now: float) -> None:
        """Write over `view.expected`, `view.derated` and `view.excused` what follows from windows; `now` is UTC s."""
        if memory.windows.version != self._version:
            self._take_in(memory.windows, now)
        if self._idle:
            return
        self._come_back(view, memory, now)
        returning = ~np.isnan(self._back_by)
        expected = view.expected
        works = expected <= _DERATED
        expected[returning & works] = _BOOTING
        expected[self._overslept & (expected == _SUSPENDED)] = _RUNNING
        expected[works & ~returning & (self._state == _DERATED)] = _DERATED
        np.copyto(expected, self._state, where=self._state >= _CURTAILED)
        view.excused = self._covered | (returning & np.isnan(self._asked_at))
        if (self._share < 1.0).any():
            view.derated = np.minimum(view.derated, self._share)
            view.any_derated = True
        self._idle = not (self._covered | returning | self._overslept).any()

    def _come_back(self, view: SiteView, memory: Memory, now: float) -> None:
        """End the return of who is well, and of who had the time for it."""
        returning = ~np.isnan(self._back_by)
        if returning.any():
            with np.errstate(invalid="ignore"):
                well = view.hashrate_th.value >= WELL_SHARE * view.target_th()
            sleeps = view.suspended.value == 1.0
            well &= (view.misses == 0) & ~sleeps
            late = now >= self._back_by
            sleeps[self._rows(memory.asleep)] = False
            sleeps_on = returning & sleeps & self._was_to_sleep
            self._ask(view, sleeps_on, late, now)
            overslept = sleeps_on & late & (now - self._asked_at >= ASK_S)
            overslept[self._asked_about(memory, overslept)] = False
            self._overslept |= overslept
            back = returning & (well | (late & ~sleeps_on) | (sleeps & ~self._was_to_sleep)) | overslept
            self._back_by[back] = self._asked_at[back] = np.nan
            self._batch[back] = 0
            self._was_to_sleep[back] = False
        if self._overslept.any():
            self._overslept &= view.suspended.value == 1.0

    def _ask(self, view: SiteView, sleeps_on: Bools, late: Bools, now: float) -> None:
        """Have all that sleep on of a window taken for sleepers without leave, once the first should have been back."""
        first = sleeps_on & late & np.isnan(self._asked_at)
        if first.any():
            with_them = sleeps_on & ((self._batch > 0) & np.isin(self._batch, self._batch[first]) | first)
            new = with_them & np.isnan(self._asked_at)
            self._asked_at[new] = view.asleep_since[new] = now

    def _asked_about(self, memory: Memory, rows: Bools) -> list[int]:
        """Return which of these rows a person has been asked about, as of others that sleep with them."""
        owners = ((row, memory.owner(self._site.miners[row].id)) for row in rows.nonzero()[0].tolist())
        return [row for row, owner in owners if owner is not None and owner.cause is Reason.CURTAILED]

    def _take_in(self, windows: Windows, now: float) -> None:
        """Work out anew who is covered, and since when those that are not any more come back."""
        for window in windows.past:
            if window.ended_at is not None and window.ended_at > self._looked_at:
                rows = self._rows(window.miners)
                by = window.ended_at + self._restore_s + self._grace_s[rows]
                self._back_by[rows] = np.where(by > now, np.fmax(self._back_by[rows], by), self._back_by[rows])
                self._batches += 1
                self._batch[rows[by > now]] = self._batches
                if window.purpose is Purpose.CURTAILED:
                    self._was_to_sleep[rows[by > now]] = True
                self._looked_at = window.ended_at
        self._state.fill(_RUNNING)
        self._share.fill(1.0)
        self._covered.fill(False)
        for window in windows.open.values():
            rows = self._rows(window.miners)
            self._state[rows] = np.maximum(self._state[rows], _state_of(window))
            self._covered[rows] = True
            if window.purpose is Purpose.CURTAILED and window.share > 0.0:
                self._share[rows] = np.minimum(self._share[rows], window.share)
        self._back_by[self._covered] = np.nan
        self._batch[self._covered] = 0
        self._overslept[self._covered] = False
        self._asked_at[self._covered] = np.nan
        self._version, self._idle = windows.version, False

    def _rows(self, miners: Iterable[MinerId]) -> NDArray[np.int64]:
        rows = self._site.rows
        return np.array([rows[miner] for miner in miners if miner in rows], dtype=np.int64)


def _state_of(window: Window) -> int:
    if window.purpose is Purpose.MAINTENANCE:
        return _MAINTENANCE
    return _CURTAILED if window.share == 0.0 else _DERATED
