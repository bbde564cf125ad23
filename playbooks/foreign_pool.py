"""Foreign pool: a miner that works for somebody else is given the site's pools and its own name back, at once.

Every share until then is somebody's loss and nothing shared is to be waited for, so there is no hold. The proof is what
the miner itself says of its pool and its name, and shares accepted under them.

It is a break-in until a person knows better, and the agent cannot know whose. The incident is of the highest severity
and is announced as such when it opens; it is closed as resolved once the work is the site's again, for that is what was
wrong and is proved right, with the foreign pool in the ledger as its evidence. A person is asked where the list cannot
be put back, and where it was replaced again and again: then somebody is still inside.

Source: facts "failures", row 29.
"""

from agent.model.action import Action, Verb
from agent.model.ids import PoolId
from agent.model.incident import Category, Reason
from agent.model.playbook import Act, Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition
from agent.model.pools import accepted_since, endpoint, is_good
from agent.model.topology import Miner
from agent.model.waves import CHANGE_S, PROVEN_SHARES, SHARES_S

RELAPSES = 2
"""A list that is replaced once more after so many times is not put back again without a person."""

WAIT_S = 60.0
"""How long it is tried to tell a miner that does not answer anything."""

PROOF_S = 1560.0
"""Twelve answers in a row that are as they should be, polled every half minute and one in fifty lost."""


class Restore:
    """The computed action: the site's list for the miner, the first of its pools that is good in front."""

    def __call__(self, s: Situation) -> Action:
        """Return the action; the group's first pool where none is known to be good."""
        return Action(verb=Verb.SWITCH_POOL, miner=s.miner.id, pool=_home(s))

    def __repr__(self) -> str:
        return "Restore()"


def has_no_pools(s: Situation) -> bool:
    """The configuration names no pools for this miner."""
    return endpoint(s) is None


def comes_back(s: Situation) -> bool:
    """It was put right twice already, and was replaced again each time."""
    return s.incident.relapses >= RELAPSES


def answers(s: Situation) -> bool:
    """It answered the last poll, so that it can be told."""
    return int(s.row.view.misses[s.row.index]) == 0


def works_for_the_site(s: Situation) -> bool:
    """It has said since that it works for a pool of the site's under its own name, and had shares accepted."""
    view, row = s.row.view, s.row.index
    said = view.pool_at[row] >= s.run.entered_at and view.pool[row] >= 0 and view.worker_ok.value[row] != 0.0
    return bool(said) and accepted_since(view, row, s.run.entered_at) >= PROVEN_SHARES


def change_s(miner: Miner) -> float:
    """Return how long a family may take to show shares at another pool."""
    return CHANGE_S[miner.family] + SHARES_S


def _home(s: Situation) -> PoolId | None:
    pools = [pool.id for pool in s.row.view.site.pools_of(s.miner)]
    return next((pool for pool in pools if is_good(s, pool)), pools[0] if pools else None)


_STEPS: dict[str, Step] = {
    "judge": Check(
        (Arm(has_no_pools, "no_pools"), Arm(comes_back, "again"), Arm(answers, "restore")), WAIT_S, "restore"
    ),
    "restore": Act(Verb.SWITCH_POOL, "told", "refused", Restore()),
    "verify": Check((Arm(works_for_the_site, "works"),), change_s, "not_seen"),
    "restore_again": Act(Verb.SWITCH_POOL, "told", "refused", Restore()),
    "verify_again": Check((Arm(works_for_the_site, "works"),), change_s, "not_seen"),
    "proof": Check((), PROOF_S, "not_recovered"),
    "resolved": Resolve(),
    "ask_no_pools": Escalate("no_pool_group"),
    "ask_again": Escalate("unauthorised_pool_again"),
    "ask_refused": Escalate("unauthorised_pool"),
}

_TRANSITIONS = (
    Transition("no_pools", "judge", "ask_no_pools"),
    Transition("again", "judge", "ask_again"),
    Transition("restore", "judge", "restore"),
    Transition("told", "restore", "verify"),
    Transition("refused", "restore", "verify"),
    Transition("works", "verify", "proof"),
    Transition("not_seen", "verify", "restore_again"),
    Transition("told", "restore_again", "verify_again"),
    Transition("refused", "restore_again", "verify_again"),
    Transition("works", "verify_again", "proof"),
    Transition("not_seen", "verify_again", "ask_refused"),
    Transition("not_recovered", "proof", "ask_refused"),
    # It is over when it is proved, not when the miner has only said so: no way out of the other states.
    *(Transition("recovered", state, "resolved") for state in ("judge", "proof")),
)

PLAYBOOK = Playbook(
    name="foreign_pool",
    category=Category.OTHER,
    causes=frozenset({Reason.FOREIGN_POOL}),
    initial="judge",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
