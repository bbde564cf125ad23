"""Whether the miners of a pool that ailed had another one to go to, by what ailed the others meanwhile."""

from collections.abc import Iterable, Mapping, Sequence

from agent.model.ids import PoolId
from agent.model.topology import Site

Span = tuple[float, float]
"""From when until when, in site s."""

TAKES_S = 480.0
"""A pool that is good for less is no remedy: three minutes until its miners work there, and five until that is proved
(facts "detection", section 7, MTTR budget and D2)."""


def had_refuge(site: Site, pool: PoolId, lasted: Span, ailed: Mapping[PoolId, Sequence[Span]]) -> bool:
    """Tell whether every group that has the pool first had another that was well for long enough in that time.

    Long enough is TAKES_S, or all of the time where that is shorter.

    Args:
        site: whose pools they are.
        pool: the one that ailed.
        lasted: from when it ailed until its miners were well again.
        ailed: when something was wrong with each pool.
    """
    begun, over = lasted
    enough_s = min(TAKES_S, over - begun)
    return all(
        any(_longest_well_s(lasted, ailed.get(other, ())) >= enough_s for other in group.pools[1:])
        for group in site.pool_groups
        if group.pools[:1] == (pool,)
    )


def _longest_well_s(within: Span, ailed: Iterable[Span]) -> float:
    """Return the longest stretch of a time in which nothing was wrong, in s."""
    well_since, over = within
    longest_s = 0.0
    for begun, ended in sorted(ailed):
        longest_s = max(longest_s, min(begun, over) - well_since)
        well_since = max(well_since, ended)
    return max(longest_s, over - well_since)
