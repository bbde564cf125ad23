"""Pools as a playbook sees them: which of them are good, and who of an incident works where and earns there.

Pure functions of a Situation. Changing pools in waves is in agent.model.waves.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.ids import PoolId
from agent.model.playbook import Situation
from agent.model.probe import ProbeResult, Verdict
from agent.model.site_view import SiteView
from agent.model.topology import Pool

DOMAIN = "pool:"
"""What the fault domain of a pool's incident begins with; the pool's id follows."""

PLACES = (1, 2)
"""How many other pools of a group are thought of: miners have room for three pools in all."""

FRESH_PROBE_S = 150.0
"""A pool is looked at every minute, and a look takes 10 s at most: an older one says that nobody looks."""

RELAPSES = 6
"""So often an incident of a pool may begin again, each time within the hour: it may flap for an afternoon, and what the
agent does about it harms nobody. By then changing pools was no cure."""

PAID_S = 120.0
"""Who has had no share accepted for so long earns nothing: at five shares a minute the odds are e**-10."""

Rows = NDArray[np.int64]


def endpoint(s: Situation) -> PoolId | None:
    """Return the pool the incident is about: its domain's, else the first of the miner's; None where it has none.

    Never where it works now: that changes while its run goes on.
    """
    site = s.row.view.site
    named = PoolId(s.incident.domain.removeprefix(DOMAIN))
    if s.incident.domain.startswith(DOMAIN) and named in site.pool:
        return named
    pools = site.pools_of(s.miner)
    return pools[0].id if pools else None


def others(s: Situation) -> Sequence[Pool]:
    """Return the other pools of the group in order of priority, as many as there are places for."""
    about = endpoint(s)
    return [pool for pool in s.row.view.site.pools_of(s.miner) if pool.id != about][: len(PLACES)]


def probe(s: Situation, pool: PoolId) -> ProbeResult | None:
    """Return what the gateway last found of a pool; None where it has not looked lately."""
    found = s.row.view.probes.get(pool)
    return found if found is not None and s.now - found.at <= FRESH_PROBE_S else None


def is_good(s: Situation, pool: PoolId) -> bool:
    """Whether the gateway found lately that the pool takes the login."""
    found = probe(s, pool)
    return found is not None and found.verdict is Verdict.GOOD


def is_bad(s: Situation, pool: PoolId) -> bool:
    """Whether the gateway found lately that the pool is no use: no login, or a login and no work behind it."""
    found = probe(s, pool)
    if found is None or found.verdict is Verdict.DIFFERENT:
        return False
    return found.verdict is not Verdict.GOOD or not found.has_work


def keeps_returning(s: Situation) -> bool:
    """Its miners were told to change, and were well so often and not for long that another round would be no cure."""
    return s.incident.relapses >= RELAPSES and bool(s.incident.attempts)


def works_elsewhere(s: Situation) -> bool:
    """Whether any other pool of the group is good."""
    return best_place(s) > 0


def best_place(s: Situation, after: int = 0) -> int:
    """Return the place of the best other pool behind place `after`, one with work first; 0 where none is good."""
    good = [(k, pool.id) for k, pool in enumerate(others(s), 1) if k > after and is_good(s, pool.id)]
    with_work = [k for k, pool in good if (found := probe(s, pool)) is not None and found.has_work]
    return min(with_work or [k for k, _ in good], default=0)


def probed_since(s: Situation, since: float) -> bool:
    """Whether every pool of the group was looked at after `since`, UTC s."""
    pools = s.row.view.site.pools_of(s.miner)
    return all((found := s.row.view.probes.get(pool.id)) is not None and found.at >= since for pool in pools)


def members(s: Situation) -> Rows:
    """Return the rows of the members that the inventory still has, in the order in which they joined."""
    rows = s.row.view.site.rows
    return np.array([rows[m] for m in s.incident.members if m in rows], dtype=np.int64)


def place_in_site(view: SiteView, pool: PoolId | None) -> int:
    """Return a pool's place in the site's list, as the view's column `pool` has it; a value no row has without one."""
    return next((k for k, known in enumerate(view.site.pools) if known.id == pool), len(view.site.pools))


def is_on(s: Situation, rows: Rows, pool: PoolId | None) -> Bools:
    """Return which rows said at their last answer that they work for that pool, shape of `rows`."""
    on: Bools = s.row.view.pool[rows] == place_in_site(s.row.view, pool)
    return on


def lost(s: Situation, rows: Rows) -> Bools:
    """Return which rows earn nothing: no share accepted since the run began, or for PAID_S; shape of `rows`."""
    since = max(s.run.started_at, s.now - PAID_S)
    earning: Bools = s.row.view.accepted.grew_at[rows] >= since
    return ~earning


def accepted_since(view: SiteView, row: int, since: float) -> float:
    """Return how many shares were accepted in nearly all of the time since `since`, UTC s.

    Nearly, because the history has a reading only now and then, and none from before `since` may count. Where the
    history is shorter than that, as after a restart of the agent, what it has counts.
    """
    span_s = float(view.accepted.at[row]) - since
    window_s = 0.9 * span_s
    while window_s >= 1.0:
        found = view.accepted.over(row, window_s)
        if found is not None and found[1] <= span_s:
            return found[0]
        window_s *= 0.7
    return 0.0


def bad_at(view: SiteView, rows: Rows) -> Floats:
    """Return when a share was last rejected or stale, in UTC s, shape of `rows`; NaN for never."""
    at: Floats = np.fmax(view.rejected.grew_at[rows], view.stale.grew_at[rows])
    return at
