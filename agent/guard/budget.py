"""Rate budgets: how often the agent may take miners of a domain out of service in an hour, and of the site in a day.

Counted from the ledger's intents, so that a restart forgets nothing. An action that did not help counts like any other.
"""

from agent.guard.request import Request
from agent.model.domains import Domain, Kind
from agent.model.guard import Allow, Defer, GuardReason, Verdict

HOUR_S = 3600.0
DAY_S = 86_400.0

WHERE = frozenset({Kind.PDU, Kind.RACK, Kind.SWITCH, Kind.SITE})
LEAST = 12
"""So many an hour of any domain, however small; of a site twice as many an hour, four times as many a day."""


def budget(request: Request) -> Verdict:
    """Defer what would exceed a budget until enough of it is given back."""
    row = request.view.site.rows.get(request.action.miner)
    if not request.action.disrupts or request.is_duty or row is None:
        return Allow()
    domains = [domain for domain in request.view.domains.of(row) if domain.kind in WHERE]
    until = max((_free_at(request, domain) for domain in domains), default=0.0)
    return Allow() if until <= request.now else Defer(until, GuardReason.RATE_BUDGET)


def _free_at(request: Request, domain: Domain) -> float:
    """Return from when on (UTC s) the domain's budgets allow one more."""
    limits, size, rows = request.limits, len(domain.rows), request.view.site.rows
    inside = frozenset(domain.rows.tolist())
    done = [*request.memory.disruptions, *((request.now, action) for action in request.wanted if action.disrupts)]
    acts = [at for at, action in done for miner in action.targets if rows.get(miner) in inside]
    if domain.kind is Kind.SITE:
        hourly, daily = max(2 * LEAST, limits.site_hour_share * size), max(4 * LEAST, limits.site_day_share * size)
        return max(_freed(acts, int(hourly), HOUR_S), _freed(acts, int(daily), DAY_S))
    return _freed(acts, int(max(LEAST, limits.hour_share * size)), HOUR_S)


def _freed(acts: list[float], most: int, window_s: float) -> float:
    """Return when fewer than `most` of the acts, oldest first, lie within the window."""
    return acts[-most] + window_s if len(acts) >= most else 0.0
