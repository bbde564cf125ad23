"""Silence that nobody saw begin: whoever has just come up sees who is silent, and not who fell silent with whom.

What an agent had on record of one miner fires at once when it is started again. That miner's neighbours have to miss
their polls anew. So nothing is decided about one alone, by the agent or by a person, until all that are silent beside
it have been judged as well, and what they share had the time to be named.
"""

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.domains import Domains, Kind
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.triage.cover import CAUSES, Symptom

MOST_MISSES = 12
"""Twice the polls after which silence is judged: who was not judged by then is not going to be."""

_SILENT = int(Reach.SILENT)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""

_KINDS = frozenset(CAUSES[Symptom.DARK] + CAUSES[Symptom.UNREACHABLE]) - {Kind.SITE}
"""What silent neighbours have in common. On a site of thousands somebody is always silent."""


def as_if_together(view: SiteView, rows: NDArray[np.int64], alone: Bools, since: Floats, *, window_s: float) -> Floats:
    """Return since when these rows count as silent, UTC s: of a silence that nobody saw begin, since the last of them.

    That holds for those that were missed first within `window_s` of each other. Other arguments as of `undecided`.
    """
    missing = np.where(_unseen(view, rows, alone), view.missing_since[rows], -np.inf)
    together = missing >= max(missing.max() - window_s, 0.0)
    return np.where(together, since[together].max(initial=-np.inf), since)


def undecided(
    view: SiteView, domains: Domains, rows: NDArray[np.int64], alone: Bools, since: Floats, *, hold_s: float, now: float
) -> Bools | None:
    """Return about whom nothing is decided alone for now, shape (n,); None for nobody.

    Args:
        view: the columns.
        domains: what they share.
        rows: who is judged to be silent.
        alone: which rows are free to be part of a shared cause, shape (n,).
        since: since when each of `rows` is, UTC s.
        hold_s: how long it takes from then until what several share is named.
        now: UTC s.
    """
    unseen = _unseen(view, rows, alone)
    if not unseen.any():
        return None
    open_ = (view.misses > 0) & (view.misses <= MOST_MISSES) & (view.reach == _SILENT)
    open_ &= np.isnan(view.answered_at) & view.watched()
    open_[rows] = unseen & (now - since < hold_s)
    silent = open_.copy()
    silent[rows[unseen]] = True
    shared = domains.of_kinds(_KINDS) & (domains.count(open_) > 0) & (domains.count(silent) > 1)
    return domains.under(shared) if shared.any() else None


def _unseen(view: SiteView, rows: NDArray[np.int64], alone: Bools) -> Bools:
    """Return which of these rows are free and have not answered since the agent came up; shape as of `rows`."""
    never: Bools = alone[rows] & np.isnan(view.answered_at[rows])
    return never
