"""Which of a site's pools a miner says that it works for, and whether under the name that its group gives it."""

import math

from agent.model.topology import Site

POOL_UNKNOWN = -1
POOL_FOREIGN = -2
"""Stand in the column `pool` where no pool's place does: the miner did not say, or named one that is not the site's."""


class PoolBook:
    """Recognises the site's pools and workers in what miners say."""

    __slots__ = ("_codes", "_workers")

    def __init__(self, site: Site) -> None:
        self._codes = {_endpoint(pool.url): place for place, pool in enumerate(site.pools)}
        groups = [site.pool_group.get(m.pool_group) if m.pool_group is not None else None for m in site.miners]
        self._workers = [g.worker_of(m.id) if g is not None else None for g, m in zip(groups, site.miners, strict=True)]

    def code(self, url: str) -> int:
        """Return the pool's place in the site's list; unknown where the site lists none, or the miner names none."""
        if not self._codes or not url:
            return POOL_UNKNOWN
        return self._codes.get(_endpoint(url), POOL_FOREIGN)

    def worker_fits(self, row: int, user: str | None) -> float:
        """Return 1.0 if the name is the one that the row's group gives it, else 0.0; NaN where that is not known."""
        wanted = self._workers[row]
        return math.nan if wanted is None or user is None else float(user == wanted)


def _endpoint(url: str) -> str:
    """Return host and port of a pool's address, whatever scheme it is written with."""
    return url.rpartition("://")[2].strip("/").lower()
