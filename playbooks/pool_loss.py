"""Pool loss: find out where the way to the pool ends, and have its miners work for another one, a few at first.

Most miners go to their next pool by themselves, within seconds or after 93 s; then nothing is done. What is left is
looked at from the gateway. A pool that is bad from here is left for the next good one of the group; one that is good
from here and yet loses its miners (a proxy that times out, a path) is left as well, once it has had time to take them
back. One that is lost again and again is left though its miners change to and fro by themselves: none of its changes
is followed, they are told once to stay where it is quiet. Where the gateway reaches nothing, the fault is the site's
own way out, and changing pools would change nothing.

The miners come back to the first pool when it has long been good; that is no part of this. A miner that is lost to its
pool works, and for what it shares with others it is never restarted. One alone, whose pool is good from here and for
its others, and that has nowhere else to go, has its mining process restarted, once: its pool client hangs, and a new
one connects anew. Nobody is rebooted or power-cycled here.

Times: facts "detection", sections 1.3 and 7, D2; facts "failures", rows 6 to 8.
"""

import numpy as np

from agent.model.action import Verb
from agent.model.gather import gathering
from agent.model.incident import Category
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.pools import (
    PLACES,
    best_place,
    endpoint,
    is_bad,
    is_good,
    is_on,
    keeps_returning,
    lost,
    members,
    place_in_site,
    probe,
    works_elsewhere,
)
from agent.model.probe import NameFault, Verdict
from agent.model.stay import ToBest, Told, lost_members, stay
from agent.model.topology import FAMILY_TRAITS, Miner
from agent.model.waves import VERIFY_S, waves

HOLD_S = 30.0
"""The pool's other miners show themselves within this time (facts "detection", section 7, MTTR budget)."""

PATIENT_S = 120.0
"""A pool that is good again has its miners back by then: they try every 5 s, and give a dead connection up after 90 s
(facts "detection", section 1.3)."""

JITTER_S = 0.5
"""Ticks that are meant to lie a wait apart may lie that much closer."""

WAIT_S = 1800.0
"""How long a pool that can be worked for is waited for before a person is asked."""

SHARED_SHARE = 0.25
SHARED_BY = 3
"""So many miners of a pool, and so large a share of them, do not lose it by themselves (facts "detection", D6 and
section 3)."""

FLAPS = 3
FLAPS_WITHIN_S = 7200.0
"""A pool that was lost so often within this time is to be left for good. Miners that change by themselves come back
once it was well for 120 s (facts "detection", section 1.3), and each time is a loss."""

FEW_ROUNDS = 3
"""Miners that hang one after the other join one incident: those that were not told are told in another round."""

FEW = 10
"""No more than so many are told at once without a canary."""

PROOF_S = 600.0
"""The clear window (300 s), five shares, and what polls add."""

PROOF_OF_MANY_S = 1200.0
"""The same, twice: of thousands some are always in their clear window, as a few of their polls are lost and some come
along only after minutes."""

_SITES_OWN = frozenset({NameFault.SILENT, NameFault.SERVER_FAILED})


def has_no_pools(s: Situation) -> bool:
    """The configuration names no pools for this miner."""
    return not s.row.view.site.pools_of(s.miner)


def gateway_is_cut_off(s: Situation) -> bool:
    """Miners are lost, and for two minutes the gateway too has reached no pool of the group, or no nameserver."""
    if s.in_state_s < PATIENT_S or not len(lost_members(s)):
        return False
    pools = s.row.view.site.pools_of(s.miner)
    found = [probe(s, pool.id) for pool in pools]
    names = [p is not None and p.verdict is Verdict.DNS and p.name_fault in _SITES_OWN for p in found]
    ways = [p is not None and p.verdict is Verdict.UNREACHABLE for p in found]
    # With one pool alone, a pool that is gone looks the same as a way out that is gone.
    return all(names) or (len(pools) > 1 and all(name or way for name, way in zip(names, ways, strict=True)))


def pool_flaps(s: Situation) -> bool:
    """The pool was lost for the third time within two hours, and another one is good: its miners are to stay there."""
    lately = [spell for spell in s.incident.spells if s.now - spell.detected_at <= FLAPS_WITHIN_S]
    return len(lately) >= FLAPS and works_elsewhere(s)


def most_are_away(s: Situation) -> bool:
    """Most members have gone to another pool by themselves, and earn there."""
    rows = members(s)
    away = (s.row.view.pool[rows] >= 0) & ~is_on(s, rows, endpoint(s)) & ~lost(s, rows)
    return bool(2 * away.sum() > len(rows))


def most_are_back(s: Situation) -> bool:
    """Most members have come back to the pool by themselves, and earn there."""
    rows = members(s)
    back = is_on(s, rows, endpoint(s)) & ~lost(s, rows)
    return bool(2 * back.sum() > len(rows))


def most_are_away_again(s: Situation) -> bool:
    """Most members have left the pool for the second time, and another one is good: it flaps."""
    return most_are_away(s) and works_elsewhere(s)


def first_is_best(s: Situation) -> bool:
    """The pool is left, or should be, and the first other one of the group is good."""
    return _wants_waves(s) and best_place(s) == 1


def second_is_best(s: Situation) -> bool:
    """The pool is left, or should be, and the second other one of the group is the best."""
    return _wants_waves(s) and best_place(s) == 2


def few_are_lost(s: Situation) -> bool:
    """For two minutes now the pool is good from here, few of its miners are lost, and another pool is good too."""
    return _has_waited_for_few(s) and works_elsewhere(s)


def few_are_lost_and_nowhere_to_go(s: Situation) -> bool:
    """For two minutes now the pool is good from here, few of its miners are lost, and no other pool is good."""
    return _has_waited_for_few(s) and not works_elsewhere(s)


def one_alone_hangs(s: Situation) -> bool:
    """For two more minutes it alone has been lost; its pool is good for others, no other is, and it was not restarted.

    Whoever has lost the pool with it would be of its incident, or is one of the others that do not earn.
    """
    is_alone = len(s.incident.members) == 1 and not s.tried(Verb.RESTART)
    return is_alone and few_are_lost_and_nowhere_to_go(s) and _is_good_for_others(s)


def earns(s: Situation) -> bool:
    """It has had a share accepted lately: a restart would now be done to a miner that is well."""
    return not bool(lost(s, np.array([s.row.index]))[0])


def restarted_s(miner: Miner) -> float:
    """Return how long boot, ramp and proof may take."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + PROOF_S


def many_are_lost_and_nowhere_to_go(s: Situation) -> bool:
    """For two minutes now the pool is good from here, many of its miners are lost, and no other pool is good."""
    return _is_good_and_patient(s) and not _are_few(s) and not works_elsewhere(s)


def no_pool_is_good(s: Situation) -> bool:
    """Of the pools of the group that were looked at none is good."""
    found = [probe(s, pool.id) for pool in s.row.view.site.pools_of(s.miner)]
    return any(p is not None for p in found) and not any(is_good(s, p.pool) for p in found if p is not None)


def is_back(s: Situation) -> bool:
    """The pool is good again from here, and some of its miners are still lost: they may be on their way."""
    about = endpoint(s)
    return about is not None and is_good(s, about) and not is_bad(s, about) and len(lost_members(s)) > 0


def some_are_back_and_some_lost(s: Situation) -> bool:
    """Some members earn, and others do not."""
    return 0 < len(lost_members(s)) < len(members(s))


def more_are_lost(s: Situation) -> bool:
    """Few were told to leave the pool, and others that are still with it are lost to it."""
    rows = lost_members(s)
    return s.in_state_s >= PATIENT_S and bool(is_on(s, rows, endpoint(s)).any()) and _are_few(s)


def _has_waited_for_few(s: Situation) -> bool:
    """Few are lost to a pool that is good, and had the time to come back to it: all of it since the run began."""
    waited_s = s.now - s.run.started_at if s.run.state == "judge" else s.in_state_s
    return waited_s >= PATIENT_S - JITTER_S and is_back(s) and _are_few(s)


def _wants_waves(s: Situation) -> bool:
    """The endpoint is bad and somebody is lost, or it is good from here and many have been lost to it for a while."""
    about = endpoint(s)
    if about is None or not len(lost_members(s)):
        return False
    return is_bad(s, about) or (_is_good_and_patient(s) and not _are_few(s))


def _is_good_and_patient(s: Situation) -> bool:
    return s.in_state_s >= PATIENT_S and is_back(s)


def _is_good_for_others(s: Situation) -> bool:
    """Somebody else earns at the pool, and of those that answer and are awake there so many that nothing is shared."""
    view = s.row.view
    there = (view.pool == place_in_site(view, endpoint(s))) & (view.misses == 0) & ~view.asleep()
    there[s.row.index] = False
    rows = np.flatnonzero(there)
    earning = int((~lost(s, rows)).sum())
    return earning > 0 and earning > (1.0 - SHARED_SHARE) * len(rows)


def _are_few(s: Situation) -> bool:
    """So few that they may be at fault themselves, and can be told at once."""
    view, count = s.row.view, len(lost_members(s))
    working = int((view.pool == place_in_site(view, endpoint(s))).sum())
    away = int((~is_on(s, members(s), endpoint(s))).sum())
    is_shared = count >= SHARED_BY and count >= SHARED_SHARE * (working + away)
    return count <= FEW and not is_shared


_BEST = (Arm(first_is_best, "to_1"), Arm(second_is_best, "to_2"))
_LEAVE = (
    Arm(has_no_pools, "no_pools"),
    Arm(gateway_is_cut_off, "cut_off"),
    Arm(keeps_returning, "returns"),
    Arm(pool_flaps, "flaps"),
    *_BEST,
    Arm(few_are_lost, "few"),
)
_NOWHERE = (
    Arm(few_are_lost_and_nowhere_to_go, "few_stay"),
    Arm(many_are_lost_and_nowhere_to_go, "many_stay"),
)
_JUDGE = (*_LEAVE, *_NOWHERE)
_NAME = (Arm(no_pool_is_good, "none_good"), Arm(some_are_back_and_some_lost, "some"))
_FIRST = ("judge", "away", "back")
"""The same questions in each; that its miners left, came back and left again is what they tell apart."""

_JUDGES = (*_FIRST, "again")
"""In the last one they are asked once more before a person is, since the pool may have become good only just now."""

_NAMES = ("name", "name_again")

_FEWS = ("few", *(f"few_{number}" for number in range(2, FEW_ROUNDS + 1)))
_FEW_ROUNDS = list(zip(_FEWS, (*_FEWS[1:], ""), strict=True))

_STAY = stay(PROOF_OF_MANY_S)
_WAVES = [waves(place, PROOF_OF_MANY_S) for place in PLACES]

_BEGIN = gathering(HOLD_S)
_STEPS: dict[str, Step] = {
    **_BEGIN[0],
    "judge": Check((*_JUDGE, Arm(most_are_away, "away")), WAIT_S, "undecided"),
    "away": Check((*_JUDGE, Arm(most_are_back, "back")), WAIT_S, "undecided"),
    "back": Check((*_JUDGE, Arm(most_are_away_again, "flaps")), WAIT_S, "undecided"),
    "again": Check((*_LEAVE, Arm(one_alone_hangs, "alone"), *_NOWHERE), WAIT_S, "undecided"),
    "name": Check((Arm(is_back, "back"), *_NAME), 0.0, "undecided"),
    "name_again": Check(_NAME, 0.0, "undecided"),
    "restart": Act(Verb.RESTART, "accepted", "failed", unless=earns),
    "after_restart": Check((), restarted_s, "not_recovered"),
    **{state: Act(Verb.SWITCH_POOL, "told", "refused", ToBest(Told.FEW)) for state in _FEWS},
    **{
        f"proof_{state}": Check((Arm(more_are_lost, "more"),) if more else (), VERIFY_S + PROOF_S, "not_recovered")
        for state, more in _FEW_ROUNDS
    },
    **_STAY[0],
    **{state: step for steps, _ in _WAVES for state, step in steps.items()},
    "resolved": Resolve(),
    "ask_no_pools": Escalate("no_pool_group"),
    "ask_gateway": Escalate("gateway_path"),
    "ask_no_healthy": Escalate("no_healthy_pool"),
    "ask_good_from_here": Escalate("pool_good_from_here"),
    "ask_miner": Escalate("miner_only"),
    "ask_stay": Escalate("pool_flaps"),
    "ask_returns": Escalate("keeps_returning"),
    "ask_failed": Escalate("switch_failed"),
    "ask_stragglers": Escalate("stragglers"),
    "ask_undecided": Escalate("evidence_missing"),
}

_TRANSITIONS = (
    *_BEGIN[1],
    *(Transition("no_pools", state, "ask_no_pools") for state in _JUDGES),
    *(Transition("cut_off", state, "ask_gateway") for state in _JUDGES),
    *(Transition("flaps", state, "stay_first") for state in _JUDGES),
    *(Transition(f"to_{place}", state, f"canary_{place}") for state in _JUDGES for place in PLACES),
    *(Transition("few", state, "few") for state in _JUDGES),
    *(Transition("returns", state, "ask_returns") for state in _JUDGES),
    *(Transition(trigger, state, "again") for state in _FIRST for trigger in ("few_stay", "many_stay")),
    *(Transition("undecided", state, "name") for state in _FIRST),
    Transition("alone", "again", "restart"),
    Transition("accepted", "restart", "after_restart"),
    Transition("failed", "restart", "ask_miner"),
    Transition("not_recovered", "after_restart", "ask_miner"),
    Transition("few_stay", "again", "ask_miner"),
    Transition("many_stay", "again", "ask_good_from_here"),
    Transition("undecided", "again", "name_again"),
    Transition("back", "name", "again"),
    Transition("away", "judge", "away"),
    Transition("back", "away", "back"),
    *(Transition("none_good", state, "ask_no_healthy") for state in _NAMES),
    *(Transition("some", state, "ask_stragglers") for state in _NAMES),
    *(Transition("undecided", state, "ask_undecided") for state in _NAMES),
    *(Transition("told", state, f"proof_{state}") for state in _FEWS),
    *(Transition("refused", state, "ask_miner") for state in _FEWS),
    *(Transition("not_recovered", f"proof_{state}", "ask_miner") for state in _FEWS),
    *(Transition("more", f"proof_{state}", more) for state, more in _FEW_ROUNDS if more),
    *(Transition("recovered", state, "resolved") for state in (*_JUDGES, *_NAMES, *_FEWS, "restart")),
    Transition("recovered", "after_restart", "resolved"),
    *(Transition("recovered", f"proof_{state}", "resolved") for state in _FEWS),
    *_STAY[1],
    *(row for _, rows in _WAVES for row in rows),
)

PLAYBOOK = Playbook(
    name="pool_loss",
    category=Category.POOL,
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
