"""How many miners the agent may have out of service at the same time, of each domain and of the site.

Actions in flight count, and so do miners that an earlier action has not given back yet. A miner that still hashes
counts with those of its domain that do not: it would be one more.
"""

from agent.guard.request import Request
from agent.model.domains import Domain, Kind
from agent.model.guard import Allow, Defer, GuardReason, Verdict
from agent.model.site_view import Expected

WHERE = frozenset({Kind.PDU, Kind.RACK, Kind.SWITCH, Kind.SITE})
LEAST = 2
"""So many may be out of service of any domain, however small; of a site, twice as many."""

RECHECK_S = 10.0
"""How soon to ask again: a start takes minutes."""

WORKS_SHARE = 0.5
"""A miner that hashes at this share of its target is lost by an action, not by its illness alone."""


def blast_radius(request: Request) -> Verdict:
    """Defer what would take more of a domain, or of the site, out of service at once than the limits allow."""
    view, row = request.view, request.view.site.rows.get(request.action.miner)
    if not request.action.disrupts or row is None:
        return Allow()
    busy = {view.site.rows.get(miner) for action in request.busy if action.disrupts for miner in action.targets}
    acting = view.expected == int(Expected.ACTING)
    works = not view.misses[row] and view.row(request.action.miner).rate_share >= WORKS_SHARE
    for domain in view.domains.of(row):
        if domain.kind not in WHERE:
            continue
        rows = domain.rows.tolist()
        out = busy.intersection(rows) | set(domain.rows[acting[domain.rows]].tolist())
        if works and domain.kind is not Kind.SITE:
            out |= {r for r in rows if request.memory.is_down(view.site.miners[r].id)}
        if len(out - {row}) >= _limit(request, domain):
            return Defer(request.now + RECHECK_S, GuardReason.TOO_MANY_AT_ONCE)
    return Allow()


def _limit(request: Request, domain: Domain) -> float:
    limits, size = request.limits, len(domain.rows)
    if domain.kind is Kind.SITE:
        return max(2 * LEAST, limits.site_at_once_share * size)
    return max(LEAST, limits.at_once_share * size)
