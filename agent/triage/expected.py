"""Expected state: what each miner is supposed to be doing, so that nobody calls a booting miner stuck."""

import numpy as np

from agent.model.action import Result, Verb
from agent.model.columns import Floats
from agent.model.memory import Memory
from agent.model.site_view import Expected, SiteView
from agent.model.topology import FAMILY_TRAITS

_RESTARTS = frozenset({Verb.RESTART, Verb.SWITCH_POOL, Verb.DERATE, Verb.SLEEP, Verb.WAKE})
"""What starts another mining process on the same board; some families do so for new pools or another power."""

_REBOOTS = frozenset({Verb.REBOOT, Verb.POWER_ON, Verb.FLASH})

_BOOTS = _REBOOTS | {Verb.RESTART, Verb.WAKE}

WOKEN_S = 60.0
"""A miner put to sleep that says so long afterwards that it is awake was woken by somebody."""


class ExpectedState:
    """Works out the expected state of every row each tick."""

    def __init__(self, view: SiteView) -> None:
        self._grace_s: Floats = np.array([FAMILY_TRAITS[m.family].boot_grace_s for m in view.site.miners])
        self._longest_s = max((traits.boot_grace_s for traits in FAMILY_TRAITS.values()), default=0.0)

    def update(self, view: SiteView, memory: Memory, now: float) -> None:
        """Write `view.expected`, and when the agent itself last had a process or a board started (UTC s).

        A miner is acting while an action on it is in flight or one of its outlets is owed a switch-on; booting from
        such an action, or from any start of its process, until its family's grace has passed or it says that its
        ramp is complete; suspended while it says that it was told to sleep, or the agent told it. A flash goes on, as
        far as anybody knows, until it was verified or a person was asked.
        """
        age_s = now - view.elapsed_s.at
        age_s += view.elapsed_s.value
        young = (age_s < self._grace_s).nonzero()[0]
        expected = view.expected
        expected.fill(int(Expected.RUNNING))
        expected[young[view.tuned.value[young] != 1.0]] = Expected.BOOTING
        expected[(view.suspended.value == 1.0).nonzero()[0]] = Expected.SUSPENDED
        rows = view.site.rows
        self._note_settled(view, memory, now)
        _told(view, memory)
        for intent in memory.flying.values():
            for miner in intent.action.targets:
                if miner in rows:
                    expected[rows[miner]] = Expected.ACTING
        for flash in memory.flashes.values():
            if flash.miner in rows and not flash.verified and flash.image not in memory.frozen:
                expected[rows[flash.miner]] = Expected.ACTING
        for miner, fell_at in memory.fell.items():
            if miner in rows and now - fell_at < self._grace_s[rows[miner]]:
                expected[rows[miner]] = Expected.BOOTING
        for outlet in memory.duties:
            for miner in view.site.fed_by.get(outlet, ()):
                expected[rows[miner]] = Expected.ACTING

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


def _told(view: SiteView, memory: Memory) -> None:
    """Write what the agent itself told miners: to run at a share of their power, to sleep."""
    rows = view.site.rows
    if view.any_derated:
        view.derated.fill(1.0)
    view.any_derated = bool(memory.derated)
    for miner, (share, _, _) in memory.derated.items():
        if miner in rows:
            view.derated[rows[miner]] = share
    for miner, (_, at) in memory.asleep.items():
        row = rows.get(miner)
        if row is not None and not (view.suspended.value[row] == 0.0 and view.suspended.at[row] > at + WOKEN_S):
            view.expected[row] = Expected.SUSPENDED
