"""High rejects: of a pool's miners, have them work for another pool, a few at first; of one miner, restart its process.

Rejects of many miners of one pool are the pool's, and show whether they are on whom else works for it; rejects of the
miners behind one switch are the path's; rejects of one miner, wherever it works, are its own: its settings, which a new
process reads again, or its hardware, which a person has to see. One that has left the pool by whose answers it was
judged is looked at where it works now, before anything is done to it. Some hardware is good at less power: the miner is
derated, and where that helps it stays so until the person has seen to it. Nothing harder than that is done.

What the lifetime ratios say is never looked at: after a change only shares count that were sent after it. Figures:
facts "detection", section 7, D6, and section 1.2; facts "failures", row 9.
"""

from dataclasses import dataclass

import numpy as np

from agent.model.action import Action, Verb
from agent.model.gather import gathering, probes_are_fresh
from agent.model.ids import PoolId
from agent.model.incident import Category
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.pool_book import POOL_UNKNOWN
from agent.model.pools import (
    DOMAIN,
    PLACES,
    Rows,
    accepted_since,
    bad_at,
    best_place,
    endpoint,
    is_on,
    keeps_returning,
    members,
    place_in_site,
    works_elsewhere,
)
from agent.model.topology import FAMILY_TRAITS, Miner
from agent.model.waves import waves

HOLD_S = 60.0
"""A cause shared with others shows itself within this time (facts "detection", section 7, group hold)."""

WAIT_S = 1800.0
"""How long another pool is waited for before a person is asked."""

LOOK_S = 120.0
"""Of 36 shares at 18 a minute, one is bad with odds of 17 % at a reject share of 0.5 %, and of 84 % at 5 %."""

PATH_LEAST = 5
PATH_SHARE = 0.75
ELSEWHERE_SHARE = 0.50
"""A switch is suspected when it has so many miners that work for the site, so large a share of them had a bad share
lately, and of the miners behind other switches less than that: a block change touches all of them."""

CLEAN_SHARES = 50.0
CLEAN_S = 900.0
"""So many accepted shares without a bad one between them, within this time and what the family takes to begin anew: a
miner with 0.5 % bad shares has them with odds of 97 %."""

PROOF_S = 2700.0
"""The clear condition is 200 shares, less than 1 % of them bad: 11 min at 18 a minute, 40 at five."""

ONE_PROOF_S = 5400.0
"""The same for a single miner, twice: a healthy one has two bad among 200 shares with odds of 26 %, and then its window
begins anew. Nobody waits for it meanwhile, as a wave does."""


EASED_SHARE = 0.85
"""Of its nominal power, at which marginal chips may compute rightly: two steps of most firmware. An estimate."""


@dataclass(frozen=True, slots=True)
class RunAt:
    """The computed action: have the miner run at that share of its power. Its text is part of the fingerprint."""

    share: float

    def __call__(self, s: Situation) -> Action:
        """Return the action."""
        return Action(verb=Verb.DERATE, miner=s.miner.id, share=self.share)


def is_derated(s: Situation) -> bool:
    """It runs at less than its full power already, for its heat: another share would not be for its shares alone."""
    return float(s.row.view.derated[s.row.index]) < 1.0


def is_looked_at(s: Situation) -> bool:
    """Every pool of the group was looked at since this state was entered, or it is no pool's incident."""
    return not _is_shared(s) or probes_are_fresh(s)


def is_behind_one_switch(s: Situation) -> bool:
    """Bad shares came lately from most miners behind its switch, whatever their pool, and from few others."""
    view, port = s.row.view, s.miner.port
    if port is None:
        return False
    working = (view.misses == 0) & (s.now - view.accepted.grew_at < LOOK_S)
    behind = np.array([m.port is not None and m.port.switch == port.switch for m in view.site.miners], dtype=np.bool_)
    mine, other = np.flatnonzero(working & behind), np.flatnonzero(working & ~behind)
    if len(mine) < PATH_LEAST or len(other) < PATH_LEAST:
        return False
    return _bad_lately(s, mine) >= PATH_SHARE and _bad_lately(s, other) < ELSEWHERE_SHARE


def first_is_best(s: Situation) -> bool:
    """It is the pool, and the first other one of the group is good."""
    return _wants_waves(s) and best_place(s) == 1


def second_is_best(s: Situation) -> bool:
    """It is the pool, and the second other one of the group is the best."""
    return _wants_waves(s) and best_place(s) == 2


def has_left_it(s: Situation) -> bool:
    """It is this miner's alone, and was named for the answers of a pool that it works for no more."""
    view, named = s.row.view, s.incident.evidence.get("pool")
    if not is_its_own(s) or not isinstance(named, str) or PoolId(named) not in view.site.pool:
        return False
    works_at = int(view.pool[s.row.index])
    return works_at not in (POOL_UNKNOWN, place_in_site(view, PoolId(named)))


def is_its_own(s: Situation) -> bool:
    """It is this miner's alone."""
    return not _is_shared(s)


def has_nowhere_to_go(s: Situation) -> bool:
    """It is the pool, and no other one of the group is good."""
    return _is_shared(s) and not works_elsewhere(s)


def is_clean(s: Situation) -> bool:
    """Fifty shares were accepted since the last bad one, all of them after what was done last."""
    last_bad = float(bad_at(s.row.view, np.array([s.row.index]))[0])
    since = s.run.entered_at if np.isnan(last_bad) else max(s.run.entered_at, last_bad)
    return accepted_since(s.row.view, s.row.index, since) >= CLEAN_SHARES


def clean_s(miner: Miner) -> float:
    """Return how long a new process may take to show clean shares."""
    return FAMILY_TRAITS[miner.family].boot_grace_s + CLEAN_S


def _is_shared(s: Situation) -> bool:
    return s.incident.domain.startswith(DOMAIN)


def _wants_waves(s: Situation) -> bool:
    """It is the pool's incident, and there are members that still work for it."""
    rows = members(s)
    return _is_shared(s) and bool(is_on(s, rows, endpoint(s)).any())


def _bad_lately(s: Situation, rows: Rows) -> float:
    """Return the share of the rows that had a bad share within LOOK_S."""
    with np.errstate(invalid="ignore"):
        return float((s.now - bad_at(s.row.view, rows) < LOOK_S).mean())


_BEST = (Arm(first_is_best, "to_1"), Arm(second_is_best, "to_2"))
_WAVES = [waves(place, PROOF_S) for place in PLACES]

_BEGIN = gathering(HOLD_S, is_looked_at)
_STEPS: dict[str, Step] = {
    **_BEGIN[0],
    "judge": Check(
        (
            Arm(is_behind_one_switch, "path"),
            Arm(has_left_it, "left"),
            Arm(is_its_own, "restart"),
            Arm(keeps_returning, "returns"),
            *_BEST,
        ),
        WAIT_S,
        "undecided",
    ),
    "elsewhere": Check((Arm(is_clean, "clean"),), CLEAN_S, "not_clean"),
    "proof_elsewhere": Check((), ONE_PROOF_S, "not_recovered"),
    "name": Check((Arm(has_nowhere_to_go, "none_good"),), 0.0, "undecided"),
    "restart": Act(Verb.RESTART, "accepted", "failed"),
    "after_restart": Check((Arm(is_clean, "clean"),), clean_s, "not_clean"),
    "proof_restart": Check((), ONE_PROOF_S, "not_recovered"),
    "judge_share": Check((Arm(is_derated, "eased"),), 0.0, "full"),
    "derate": Act(Verb.DERATE, "told", "refused", RunAt(EASED_SHARE)),
    "after_derate": Check((Arm(is_clean, "clean"),), clean_s, "not_clean"),
    "in_full": Act(Verb.DERATE, "told", "refused", RunAt(1.0)),
    **{state: step for steps, _ in _WAVES for state, step in steps.items()},
    "resolved": Resolve(),
    "ask_path": Escalate("path_rejects"),
    "ask_returns": Escalate("keeps_returning"),
    "ask_hardware": Escalate("hardware_rejects"),
    "ask_derated": Escalate("derated_needs_repair"),
    "ask_restart": Escalate("restart_failed"),
    "ask_no_healthy": Escalate("no_healthy_pool"),
    "ask_failed": Escalate("rejects_everywhere"),
    "ask_stragglers": Escalate("stragglers"),
    "ask_undecided": Escalate("evidence_missing"),
}

_TRANSITIONS = (
    *_BEGIN[1],
    Transition("path", "judge", "ask_path"),
    Transition("left", "judge", "elsewhere"),
    Transition("clean", "elsewhere", "proof_elsewhere"),
    Transition("not_clean", "elsewhere", "restart"),
    Transition("not_recovered", "proof_elsewhere", "restart"),
    Transition("restart", "judge", "restart"),
    *(Transition(f"to_{place}", "judge", f"canary_{place}") for place in PLACES),
    Transition("returns", "judge", "ask_returns"),
    Transition("undecided", "judge", "name"),
    Transition("none_good", "name", "ask_no_healthy"),
    Transition("undecided", "name", "ask_undecided"),
    Transition("accepted", "restart", "after_restart"),
    Transition("failed", "restart", "ask_restart"),
    Transition("clean", "after_restart", "proof_restart"),
    Transition("not_clean", "after_restart", "judge_share"),
    Transition("eased", "judge_share", "ask_hardware"),
    Transition("full", "judge_share", "derate"),
    Transition("not_recovered", "proof_restart", "ask_hardware"),
    Transition("told", "derate", "after_derate"),
    Transition("refused", "derate", "ask_hardware"),
    Transition("clean", "after_derate", "ask_derated"),
    Transition("not_clean", "after_derate", "in_full"),
    Transition("told", "in_full", "ask_hardware"),
    Transition("refused", "in_full", "ask_hardware"),
    *(
        Transition("recovered", state, "resolved")
        for state in (
            *("judge", "name", "elsewhere", "proof_elsewhere"),
            *("restart", "after_restart", "proof_restart", "judge_share"),
        )
    ),
    *(row for _, rows in _WAVES for row in rows),
)

PLAYBOOK = Playbook(
    name="high_rejects",
    category=Category.REJECTS,
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
