"""Fail-back: miners that were moved to another pool go home again once their primary has been good for long enough.

Like the duty to switch on, it is owed whatever became of the run that moved them, and it is worked out anew each tick
from the ledger and the view. One miner goes first, then a tenth, then the rest, each wave only when the one before
mines there; if it does not, the others stay where they are well.
"""

import math
from collections.abc import Sequence

from agent.model.action import Action, Verb
from agent.model.ids import MinerId, PoolId
from agent.model.incident import Category, Incident, Reason
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.topology import PoolGroup

GOOD_S = 1800.0
"""How long the primary must have been good, seen from the gateway: facts "detection", section 7, D2."""

LONGEST_S = 8 * 3600.0
"""The wait doubles with every time that it was left within a day, up to this: no site follows each flap."""

REJECTS_PROOF_S = 1800.0
"""For so long a wave is watched that went home to a pool that had rejected shares, before the next goes: it looks good
from the gateway, and a tenth of rejects takes ten minutes to show (facts "detection", section 2)."""

DROPS_PROOF_S = 1800.0
"""A wave that went home to a pool that dropped its miners is watched for so long, and has to be there for so long
without a drop: the gateway finds such a pool good, and drops may lie 15 minutes apart."""

SECOND_SHARE = 0.10
WELL_SHARE = 0.80
"""Size of the second wave, and how many of those that went home must mine there before the next goes."""

STATE = "fail_back"
"""Stands where an attempt made outside any run would name its playbook state."""


def owed(memory: Memory, view: SiteView, now: float) -> list[tuple[Incident, Action]]:
    """Return the moves home that are due now, each with the incident that moved the miners away."""
    due: list[tuple[Incident, Action]] = []
    for group in view.site.pool_groups:
        home = group.pools[0]
        incident = _left_by(memory, home)
        if incident is None or incident.is_open or incident.in_flight is not None:
            continue
        if not _is_good(memory, view, home, now):
            continue
        away, back = _members(memory, view, group)
        steady_since = now - DROPS_PROOF_S if incident.cause is Reason.UNSTEADY_POOL else math.inf
        if not away or not _mine(view, memory, back, home, steady_since):
            continue
        watched_s = now - max((memory.pool_set[m][1] for m in back), default=-math.inf)
        if watched_s < _proof_s(incident):
            continue
        size = 1 if not back else max(1, round(SECOND_SHARE * len(away + back)))
        wave = away[:size] if len(back) <= size else away
        due.append((incident, Action(verb=Verb.SWITCH_POOL, miner=wave[0], others=tuple(wave[1:]), pool=home)))
    return due


def wait_s(times_left: int) -> float:
    """Return how long a pool must have been good that was left so often within a day."""
    return float(min(GOOD_S * 2.0 ** max(0, times_left - 1), LONGEST_S))


def _proof_s(incident: Incident) -> float:
    """Return how long a wave is watched before the next goes."""
    if incident.cause is Reason.UNSTEADY_POOL:
        return DROPS_PROOF_S
    return REJECTS_PROOF_S if incident.category is Category.REJECTS else 0.0


def _left_by(memory: Memory, home: PoolId) -> Incident | None:
    """Return the last incident that moved miners away from a pool; None if none ever did."""
    left = memory.pools_left.get(home)
    return memory.incidents[next(reversed(left))] if left else None


def _members(memory: Memory, view: SiteView, group: PoolGroup) -> tuple[list[MinerId], list[MinerId]]:
    """Return the group's miners that were moved away, and those that have gone home since the last leave."""
    home = group.pools[0]
    left_at = max(memory.pools_left[home].values())
    away: list[MinerId] = []
    back: list[MinerId] = []
    rows = sorted(view.site.rows[miner] for miner in memory.pool_set if miner in view.site.rows)
    for miner in (view.site.miners[row] for row in rows):
        if miner.pool_group != group.id:
            continue
        pool, told_at = memory.pool_set[miner.id]
        if pool != home:
            away.append(miner.id)
        elif told_at > left_at:
            back.append(miner.id)
    return away, back


def _is_good(memory: Memory, view: SiteView, home: PoolId, now: float) -> bool:
    since = view.pool_good_since.get(home)
    if since is None or memory.shared(Category.POOL, f"pool:{home}") is not None:
        return False
    left = memory.pools_left[home].values()
    return now - max(since, *left) >= wait_s(len(left))


def _mine(view: SiteView, memory: Memory, back: Sequence[MinerId], home: PoolId, steady_since: float) -> bool:
    """Whether enough of those that went home have had shares accepted there since, and no drop since `steady_since`."""
    if not back:
        return True
    place = next(k for k, pool in enumerate(view.site.pools) if pool.id == home)
    well = 0
    for miner in back:
        row, told_at = view.site.rows[miner], memory.pool_set[miner][1]
        mines = view.pool[row] == place and view.accepted.grew_at[row] > told_at
        well += bool(mines and not view.drops.grew_at[row] >= steady_since)
    return well >= WELL_SHARE * len(back)
