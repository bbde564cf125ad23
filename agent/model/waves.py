"""Changing the pools of many miners in waves: a canary, a tenth, the rest, the late; each proved before the next.

As rows of a playbook's table, with their conditions. Nothing here remembers: who was told is seen from who works where,
so that a restart of the agent between two waves changes nothing, and whoever works for the new pool already is not told
again. Which pool a run goes for stands in its states: the number at the end of a state's name is the pool's place among
the others of the group (`canary_2` goes for the second of them).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from agent.model.action import Action, Verb
from agent.model.columns import Bools
from agent.model.ids import MinerId, PoolId
from agent.model.incident import Category
from agent.model.playbook import Act, Arm, Check, Situation, Step, Transition
from agent.model.pools import Rows, accepted_since, bad_at, best_place, endpoint, is_on, lost, members, others
from agent.model.topology import Family

CHANGE_S: Mapping[Family, float] = {Family.LUXOS: 30.0, Family.ANTMINER_STOCK: 180.0, Family.WHATSMINER: 420.0}
"""How long after a new list of pools a family sends its first share: LuxOS connects anew, the others begin anew
(facts "detection", section 1.1)."""

SHARES_S = 90.0
"""Three shares at five a minute and the poll that tells of them take so long in 19 of 20 cases."""

PROVEN_SHARES = 3.0
"""So many accepted shares prove that a pool takes a miner's work."""

JUDGED_SHARES = 20.0
"""So many accepted shares, and whether there was a bad one among them, judge a miner's rejects: all are good 9 times
in 10 at a reject share of 0.5 %, and once in 8 at 10 %."""

JUDGED_S = 330.0
"""They take so long at five a minute, with what goes before."""

SETTLE_S = 45.0
"""Bad shares within this time of a change were sent before it, and are told by the first poll after it."""

GOOD_SHARE = 0.5
"""A pool is good when so many of those that can be judged there are well: the reject share at which every second
miner has a bad one among 20 is 3.4 %."""

PART_PROOF, ALL_PROOF, MOST_PROOF = 0.80, 0.95, 0.50
"""Shares of the miners that a second wave, the last, and the last after its time, must have shown something of."""

VERIFY_S = 900.0
"""No change of pools takes longer than this to judge, whatever the family and the class."""

LEFT_S = 60.0
"""Who has just joined is given this time to come along by itself."""

WAVE_SHARE = 0.10
WAVE_LEAST = 2
"""The second wave is this share of the members; below that many there is none."""


class Wave(StrEnum):
    """Who is told at a time."""

    CANARY = "canary"
    """One member, of the family that is back first."""
    OTHER_CANARY = "other canary"
    """Another one, where the first did not take it."""
    PART = "part"
    """A tenth of the members, those that are back first."""
    REST = "rest"
    """Everybody who is not there yet."""


@dataclass(frozen=True, slots=True)
class SwitchPool:
    """The computed action of a wave. An object and no function: its text, with the wave, is part of a fingerprint."""

    reaches_many: ClassVar[bool] = True

    wave: Wave

    def __call__(self, s: Situation) -> Action:
        """Return whom to tell now, and the pool to name; the incident's first miner where nobody is left to be told."""
        told = wave(s, self.wave) or (s.miner.id,)
        return Action(verb=Verb.SWITCH_POOL, miner=told[0], others=tuple(told[1:]), pool=target(s))


def target(s: Situation) -> PoolId | None:
    """Return the pool that the present state goes for, by the place at the end of its name.

    None where the group has no such place: the configuration has changed under the run.
    """
    found = others(s)
    place = place_of(s)
    return found[place - 1].id if 0 < place <= len(found) else None


def place_of(s: Situation) -> int:
    """Return the place at the end of the present state's name; 0 where there is none."""
    _, _, last = s.run.state.rpartition("_")
    return int(last) if last.isdecimal() else 0


def to_move(s: Situation, *, everybody: bool = False) -> Rows:
    """Return the members that are to be told of the target pool and can be: they answer, work, and are not there yet.

    With `everybody`, those too that work for the incident's pool and have shown nothing so far: they will. Who earns at
    a pool that this run has not tried is left alone, and so is who is not allowed the target by a group of its own.
    """
    view, pool = s.row.view, target(s)
    rows = _concerned(s) if everybody else members(s)
    wants = lost(s, rows) | is_on(s, rows, endpoint(s))
    for tried in _tried(s):
        wants |= is_on(s, rows, tried)
    answers = view.misses[rows] == 0
    allowed = {group.id for group in view.site.pool_groups if pool in group.pools}
    may = np.array([view.site.miners[row].pool_group in allowed for row in rows.tolist()], dtype=np.bool_)
    awake = ~view.asleep()[rows]
    chosen: Rows = rows[wants & ~is_on(s, rows, pool) & answers & may & awake]
    return chosen


def _concerned(s: Situation) -> Rows:
    """Return the members, and where the incident is a pool's everybody who works for it.

    Where it is lost, nobody who earns there: what is good from here may be lost to some alone.
    """
    rows, about = members(s), endpoint(s)
    if about is None or not s.incident.domain:
        return rows
    everyone: Rows = np.arange(len(s.row.view.site.miners), dtype=rows.dtype)
    there = is_on(s, everyone, about)
    if s.incident.category is Category.POOL:
        there &= lost(s, everyone)
    return np.union1d(rows, everyone[there])


def wave(s: Situation, which: Wave) -> list[MinerId]:
    """Return whom a wave tells, computed now."""
    miners = s.row.view.site.miners
    rows = to_move(s, everybody=which is Wave.REST).tolist()
    soonest = sorted(rows, key=lambda row: CHANGE_S[miners[row].family])
    match which:
        case Wave.CANARY:
            rows = soonest[:1]
        case Wave.OTHER_CANARY:
            # The latest member of the soonest family: not the first canary again, whoever has joined meanwhile.
            left = soonest[1:]
            rows = [row for row in left if CHANGE_S[miners[row].family] == CHANGE_S[miners[left[0]].family]][-1:]
        case Wave.PART:
            rows = soonest[: part_size(s)]
        case Wave.REST:
            pass
    return [miners[row].id for row in rows]


def part_size(s: Situation) -> int:
    """Return how many the second wave is for; 0 where there are too few members to have one."""
    size = math.ceil(WAVE_SHARE * len(s.incident.members))
    return size if size >= WAVE_LEAST else 0


@dataclass(frozen=True, slots=True)
class Tally:
    """What a wave has shown so far.

    Attributes:
        expected: members that ought to show something: at the target pool, or silent since they were told of it.
        judged: those that have shown enough to be judged; good: those of them that are well there.
    """

    expected: int
    judged: int
    good: int

    @property
    def is_well(self) -> bool:
        """Whether most of those that can be judged are well."""
        return self.good >= GOOD_SHARE * self.judged > 0.0


def tally(s: Situation, *, anywhere: bool = False) -> Tally:
    """Count what the members have shown since the present state was entered; what is asked of them is the class's.

    Args:
        s: the situation.
        anywhere: count what they have shown at any pool but the incident's, not at the target alone.
    """
    rows = members(s)
    where = _works_there(s, rows) & (~is_on(s, rows, endpoint(s)) if anywhere else is_on(s, rows, target(s)))
    shown = _rejects_shown if s.incident.category is Category.REJECTS else _shares_shown
    judged, good = shown(s, rows, where)
    return Tally(int(_expected_there(s, rows).sum()), int(judged.sum()), int(good.sum()))


def change_s(s: Situation) -> float:
    """Return how long a wave is given to show how it is at its new pool, by the slowest family among the members."""
    miners = s.row.view.site.miners
    slowest_s = max((CHANGE_S[miners[row].family] for row in members(s).tolist()), default=0.0)
    return slowest_s + (JUDGED_S if s.incident.category is Category.REJECTS else SHARES_S)


def _expected_there(s: Situation, rows: Rows) -> Bools:
    view = s.row.view
    told_at = max((a.at for a in s.incident.attempts if a.verb is Verb.SWITCH_POOL), default=math.inf)
    with np.errstate(invalid="ignore"):
        begins_anew = (view.misses[rows] > 0) & (view.missing_since[rows] >= told_at)
    there: Bools = is_on(s, rows, target(s)) | begins_anew
    return there


def _works_there(s: Situation, rows: Rows) -> Bools:
    """Return which rows have said since the state was entered that they work for a pool of the site, by their name."""
    view = s.row.view
    named = (view.pool[rows] >= 0) & (view.worker_ok.value[rows] != 0.0)
    told: Bools = named & (view.misses[rows] == 0) & (view.pool_at[rows] >= s.run.entered_at)
    return told


def _counted(s: Situation, rows: Rows, where: Bools, since: float, least: float) -> Bools:
    """Return those of the rows `where` that had so many shares accepted after `since`."""
    view = s.row.view
    with np.errstate(invalid="ignore"):
        found: Bools = where & (view.accepted.grew_at[rows] > since)
    for at in np.flatnonzero(found).tolist():
        found[at] = accepted_since(view, int(rows[at]), since) >= least
    return found


def _shares_shown(s: Situation, rows: Rows, where: Bools) -> tuple[Bools, Bools]:
    shown = _counted(s, rows, where, s.run.entered_at, PROVEN_SHARES)
    return shown, shown


def _rejects_shown(s: Situation, rows: Rows, where: Bools) -> tuple[Bools, Bools]:
    since = s.run.entered_at + SETTLE_S
    shown = _counted(s, rows, where, since, JUDGED_SHARES)
    with np.errstate(invalid="ignore"):
        return shown, shown & ~(bad_at(s.row.view, rows) > since)


def canary_works_and_is_all(s: Situation) -> bool:
    """The canary is well at the new pool, and nobody else has to be told."""
    return tally(s).is_well and not len(to_move(s))


def canary_works(s: Situation) -> bool:
    """The canary is well at the new pool, and there are members enough for a wave before the rest."""
    return tally(s).is_well and part_size(s) > 0


def canary_works_for_few(s: Situation) -> bool:
    """The canary is well at the new pool, and the others are too few for a wave between."""
    return tally(s).is_well and part_size(s) == 0


def wave_works(s: Situation) -> bool:
    """At least 80 % of those at the new pool can be judged, and are well there."""
    shown = tally(s)
    return shown.is_well and shown.judged >= max(WAVE_LEAST, PART_PROOF * shown.expected)


def all_work(s: Situation) -> bool:
    """At least 95 % of all members can be judged, and are well at another pool."""
    shown = tally(s, anywhere=True)
    return shown.is_well and shown.judged >= ALL_PROOF * len(s.incident.members)


def most_work(s: Situation) -> bool:
    """The time for the change is over, and at least half of those at the new pool can be judged and are well there."""
    if not is_overdue(s):
        return False
    shown = tally(s)
    return shown.is_well and shown.judged >= MOST_PROOF * shown.expected


def it_is_no_better_there(s: Situation) -> bool:
    """At least 80 % of those at the new pool can be judged, and most are not well there."""
    shown = tally(s)
    return shown.judged >= max(1.0, PART_PROOF * shown.expected) and not shown.is_well


def is_overdue(s: Situation) -> bool:
    """The time for the change of pools is over."""
    return s.in_state_s >= change_s(s)


def another_can_try(s: Situation) -> bool:
    """The time for the change of pools is over or most are not well there, and there is another member to try."""
    return (is_overdue(s) or it_is_no_better_there(s)) and bool(wave(s, Wave.OTHER_CANARY))


def somebody_is_left(s: Situation) -> bool:
    """A minute later there are members that answer and are not at the new pool: they joined late, or refused once."""
    return s.in_state_s >= LEFT_S and len(to_move(s, everybody=True)) > 0


def second_is_good(s: Situation) -> bool:
    """The second other pool of the group is good."""
    return best_place(s, 1) == 2


def _tried(s: Situation) -> list[PoolId]:
    """Return the pools that this run has gone for, the present one last."""
    known = [pool.id for pool in others(s)]
    places = [int(state.removeprefix(_CANARY)) for state in s.run.path if state.startswith(_CANARY)]
    return [known[place - 1] for place in places if place <= len(known)]


_CANARY = f"{Wave.CANARY}_"

Table = tuple[Mapping[str, Step], tuple[Transition, ...]]


def waves(place: int, proof_s: float) -> Table:
    """Return the states and rows that change members to the other pool at `place`: canary, a tenth, the rest, the late.

    They begin in `canary_<place>`, may go on once from the first place to the second, and end in states that the table
    has to have: `ask_failed`, `ask_stragglers`, and `resolved` by `recovered`.

    Args:
        place: 1 or 2.
        proof_s: how long the detector's clear condition takes once everybody is well.
    """

    def tell(which: Wave) -> Act:
        return Act(Verb.SWITCH_POOL, "told", "refused", SwitchPool(which))

    works = (
        Arm(canary_works_and_is_all, "done"),
        Arm(canary_works, "works"),
        Arm(canary_works_for_few, "works_for_few"),
    )
    ends = (Arm(it_is_no_better_there, "failed"), Arm(is_overdue, "failed"))
    steps: dict[str, Step] = {
        "canary": tell(Wave.CANARY),
        "verify_canary": Check((*works, Arm(another_can_try, "another"), *ends), VERIFY_S, "failed"),
        "other_canary": tell(Wave.OTHER_CANARY),
        "verify_other": Check((*works, *ends), VERIFY_S, "failed"),
        "part": tell(Wave.PART),
        "verify_part": Check((Arm(wave_works, "works"), *ends), VERIFY_S, "failed"),
        "rest": tell(Wave.REST),
        "verify_rest": Check((Arm(all_work, "works"), Arm(most_work, "most"), *ends), VERIFY_S, "failed"),
        "proof": Check((Arm(somebody_is_left, "left"),), proof_s, "not_recovered"),
        "late": tell(Wave.REST),
        "verify_late": Check((), VERIFY_S + proof_s, "not_recovered"),
        "again": Check((Arm(second_is_good, "to_2"),) if place == 1 else (), 0.0, "no_other"),
    }
    rows = [
        ("told", "canary", "verify_canary"),
        ("refused", "canary", "other_canary"),
        ("another", "verify_canary", "other_canary"),
        ("told", "other_canary", "verify_other"),
        ("refused", "other_canary", "again"),
        *(("works", verify, "part") for verify in ("verify_canary", "verify_other")),
        *(("works_for_few", verify, "rest") for verify in ("verify_canary", "verify_other")),
        *(("done", verify, "proof") for verify in ("verify_canary", "verify_other")),
        *(("failed", verify, "again") for verify in ("verify_canary", "verify_other", "verify_part", "verify_rest")),
        *((trigger, "part", "verify_part") for trigger in ("told", "refused")),
        ("works", "verify_part", "rest"),
        *((trigger, "rest", "verify_rest") for trigger in ("told", "refused")),
        *((trigger, "verify_rest", "proof") for trigger in ("works", "most")),
        ("left", "proof", "late"),
        *((trigger, "late", "verify_late") for trigger in ("told", "refused")),
    ]
    out = [
        ("not_recovered", "proof", "ask_stragglers"),
        ("not_recovered", "verify_late", "ask_stragglers"),
        ("no_other", "again", "ask_failed"),
        *([("to_2", "again", f"{Wave.CANARY}_2")] if place == 1 else []),
        *(("recovered", state, "resolved") for state in steps),
    ]
    return (
        {f"{state}_{place}": step for state, step in steps.items()},
        (
            *(Transition(trigger, f"{source}_{place}", f"{dest}_{place}") for trigger, source, dest in rows),
            *(Transition(trigger, f"{source}_{place}", dest) for trigger, source, dest in out),
        ),
    )
