"""Telling members to stay at another pool, wherever they work at the moment: for a pool that they leave and return to.

As rows of a playbook's table. Unlike a wave, this names whoever works for the other pool already: without it he would
go home again as soon as he thinks that home is good.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from agent.model.action import Action, Verb
from agent.model.ids import PoolId
from agent.model.playbook import Act, Arm, Check, Situation, Step, Transition
from agent.model.pools import Rows, accepted_since, best_place, endpoint, is_good, is_on, lost, members, others
from agent.model.waves import PART_PROOF, PROVEN_SHARES, VERIFY_S, Table, part_size


class Told(StrEnum):
    """Who is told at once, where it is not done in waves."""

    FEW = "few"
    """Those that are lost: they are few, and the pool is good from here. None of them is told to stay where it is."""
    FIRST = "first"
    """The first tenth of the members, wherever they work now."""
    OTHERS = "others"
    """All members but those."""


@dataclass(frozen=True, slots=True)
class ToBest:
    """The computed action on some members: the best other pool. Its text is part of the fingerprint."""

    reaches_many: ClassVar[bool] = True

    told: Told

    def __call__(self, s: Situation) -> Action:
        """Return whom to tell, and the pool; the incident's first miner and first other pool where there are none."""
        first = _first_tenth(s)
        rows = {Told.FEW: lost_members(s), Told.FIRST: first, Told.OTHERS: members(s)[len(first) :]}[self.told]
        names = [s.row.view.site.miners[row].id for row in rows.tolist()] or [s.miner.id]
        pools = [pool.id for pool in others(s)]
        best = pools[max(1, best_place(s)) - 1] if pools else None
        pool = _one_of_none(s, rows, best) if self.told is Told.FEW else best
        return Action(verb=Verb.SWITCH_POOL, miner=names[0], others=tuple(names[1:]), pool=pool)


def first_tenth_works(s: Situation) -> bool:
    """At least 80 % of those that were told first work for another pool, and have had shares accepted since."""
    view, rows = s.row.view, _first_tenth(s)
    there = (view.pool[rows] >= 0) & ~is_on(s, rows, endpoint(s)) & (view.pool_at[rows] >= s.run.entered_at)
    shares = [accepted_since(view, row, s.run.entered_at) >= PROVEN_SHARES for row in rows.tolist()]
    return bool((there & np.array(shares, dtype=np.bool_)).sum() >= PART_PROOF * len(rows))


def lost_members(s: Situation) -> Rows:
    """Return the members that answer and earn nothing."""
    rows = members(s)
    gone: Rows = rows[lost(s, rows) & (s.row.view.misses[rows] == 0)]
    return gone


def _one_of_none(s: Situation, rows: Rows, best: PoolId | None) -> PoolId | None:
    """Return the best pool, or, where one of the rows is lost there, the first good one that none of them is at.

    A client that hangs connects anew where it has to change; told to stay where it is, it goes on hanging.
    """
    home = endpoint(s)
    known = ([home] if home else []) + [pool.id for pool in others(s)]
    good = [pool for pool in known if is_good(s, pool)]
    return next((pool for pool in (best, *good) if not is_on(s, rows, pool).any()), best)


def _first_tenth(s: Situation) -> Rows:
    return members(s)[: max(1, part_size(s))]


def stay(proof_s: float) -> Table:
    """Return the states and rows: a tenth are told, and once they work there the others.

    They begin in `stay_first` and end in states that the table has to have: `ask_stay`, and `resolved` by `recovered`,
    which is not taken before all were told: they are well again each time, and not for long.

    Args:
        proof_s: how long the detector's clear condition takes once everybody is well.
    """
    steps: Mapping[str, Step] = {
        "stay_first": Act(Verb.SWITCH_POOL, "told", "refused", ToBest(Told.FIRST)),
        "verify_stay": Check((Arm(first_tenth_works, "works"),), VERIFY_S, "not_seen"),
        "stay_others": Act(Verb.SWITCH_POOL, "told", "refused", ToBest(Told.OTHERS)),
        "proof_stay": Check((), VERIFY_S + proof_s, "not_recovered"),
    }
    rows = (
        *(Transition(trigger, "stay_first", "verify_stay") for trigger in ("told", "refused")),
        Transition("works", "verify_stay", "stay_others"),
        Transition("not_seen", "verify_stay", "ask_stay"),
        *(Transition(trigger, "stay_others", "proof_stay") for trigger in ("told", "refused")),
        Transition("not_recovered", "proof_stay", "ask_stay"),
        Transition("recovered", "proof_stay", "resolved"),
    )
    return steps, rows
