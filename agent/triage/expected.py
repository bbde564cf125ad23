"""Expected state: what each miner is supposed to be doing, so that nobody calls a booting miner stuck.

What was announced goes before everything that is seen: docs/expected-state.md.
"""

import numpy as np
from numpy.typing import NDArray

from agent.model.action import Result, Verb
from agent.model.columns import Floats
from agent.model.ids import IncidentId, MinerId
from agent.model.memory import Memory
from agent.model.site_view import Expected, SiteView
from agent.model.topology import FAMILY_TRAITS
from agent.triage.limits import TriageLimits
from agent.triage.returning import Returning

Rows = NDArray[np.int64]

_RESTARTS = frozenset({Verb.RESTART, Verb.SWITCH_POOL, Verb.DERATE, Verb.SLEEP, Verb.WAKE})
"""What starts another mining process on the same board; some families do so for new pools or another power."""

_REBOOTS = frozenset({Verb.REBOOT, Verb.POWER_ON, Verb.FLASH})

_BOOTS = _REBOOTS | {Verb.RESTART, Verb.WAKE}

WOKEN_S = 60.0
"""A miner put to sleep that says so long afterwards that it is awake was woken by somebody."""

_BOOTING, _SUSPENDED = int(Expected.BOOTING), int(Expected.SUSPENDED)
"""As plain numbers: numpy takes five times as long to store a member of an enumeration."""


class ExpectedState:
    """Works out the expected state of every row each tick."""

    def __init__(self, view: SiteView, limits: TriageLimits | None = None) -> None:
        self._grace_s: Floats = np.array([FAMILY_TRAITS[m.family].boot_grace_s for m in view.site.miners])
        self._longest_s = max((traits.boot_grace_s for traits in FAMILY_TRAITS.values()), default=0.0)
        self._slept: Rows = np.zeros(0, dtype=np.int64)
        self._derated: dict[MinerId, tuple[float, IncidentId, float]] | None = None
        self._returning = Returning(view.site, self._grace_s, limits or TriageLimits())

    def update(self, view: SiteView, memory: Memory, now: float) -> None:
        """Write `view.expected`, and when the agent itself last had a process or a board started (UTC s).

        A miner is acting while an action on it is in flight or one of its outlets is owed a switch-on; booting from
        such an action, or from any start of its process, until its family's grace has passed or it says that its
        ramp is complete; suspended while it says that it was told to sleep, or the agent told it. A flash goes on, as
        far as anybody knows, until it was verified or a person was asked. Curtailed, derated and maintenance are what
        was announced.
        """
        age_s = now - view.elapsed_s.at
        age_s += view.elapsed_s.value
        young = (age_s < self._grace_s).nonzero()[0]
        expected = view.expected
        expected.fill(int(Expected.RUNNING))
        expected[young[view.tuned.value[young] != 1.0]] = _BOOTING
        sleeps = (view.suspended.value == 1.0).nonzero()[0]
        expected[sleeps] = _SUSPENDED
        rows = view.site.rows
        self._note_settled(view, memory, now)
        self._note_derated(view, memory)
        _put_asleep(view, memory)
        self._note_sleep(view, sleeps, now)
        for intent in memory.flying.values():
            for miner in intent.action.targets:
                if miner in rows:
                    expected[rows[miner]] = Expected.ACTING
        for flash in memory.flashes.values():
            if flash.miner in rows and not flash.verified and memory.is_awaited(flash):
                expected[rows[flash.miner]] = Expected.ACTING
        for miner, fell_at in memory.fell.items():
            if miner in rows and now - fell_at < self._grace_s[rows[miner]]:
                expected[rows[miner]] = Expected.BOOTING
        for outlet in memory.duties:
            for miner in view.site.fed_by.get(outlet, ()):
                expected[rows[miner]] = Expected.ACTING
        self._returning.apply(view, memory, now)

    def _note_sleep(self, view: SiteView, sleeps: Rows, now: float) -> None:
        """Note since when each miner has said that it was told to sleep."""
        since = view.asleep_since
        if not sleeps.size and not self._slept.size:
            return
        woke = self._slept[view.suspended.value[self._slept] != 1.0]
        since[woke] = np.nan
        since[sleeps] = np.fmin(since[sleeps], now)
        self._slept = sleeps
        if woke.size:
            self._returning.woke(woke, now)

    def _note_derated(self, view: SiteView, memory: Memory) -> None:
        """Write whom the agent itself told to run at what share of their power, when that has changed."""
        if memory.derated == self._derated:
            return
        self._derated = dict(memory.derated)
        rows = view.site.rows
        view.any_derated = bool(memory.derated)
        view.derated.fill(1.0)
        for miner, (share, _, _) in memory.derated.items():
            if miner in rows:
                view.derated[rows[miner]] = share

    def _note_settled(self, view: SiteView, memory: Memory, now: float) -> None:
        """Note what follows from actions of ours that are over."""
        for miner, (action, at, result) in reversed(memory.settled.items()):
            if now - at >= self._longest_s:
                break
            row = view.site.rows.get(miner)
            if row is None:
                continue
            if action.verb in _BOOTS and now - at < self._grace_s[row]:
                view.expected[row] = Expected.BOOTING
            if action.verb in _RESTARTS:
                view.own_restart_at[row] = at
            elif action.verb in _REBOOTS:
                view.own_boot_at[row] = at
            view.own_sure[row] = result is Result.OK


def _put_asleep(view: SiteView, memory: Memory) -> None:
    """Write who was told by the agent itself to sleep."""
    rows = view.site.rows
    for miner, (_, at) in memory.asleep.items():
        row = rows.get(miner)
        if row is not None and not (view.suspended.value[row] == 0.0 and view.suspended.at[row] > at + WOKEN_S):
            view.expected[row] = Expected.SUSPENDED
