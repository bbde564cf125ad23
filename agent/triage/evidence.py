"""What is put on record of an incident: what its ill members show, and how many of them there are.

Of one miner it is what the detector that looks for its cause says of it; others of its class say other things. Of
several it is what it says of the first that is still ill, and counts of all: whoever is asked to look has to know how
large it is, and where to begin.
"""

from collections.abc import Sequence

from agent.model.incident import Evidence, Health, Incident
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts

NAMED = 5
"""So many members are named; the ledger has the others."""


def evidence_of(view: SiteView, incident: Incident, verdicts: Sequence[Verdicts]) -> Evidence:
    """Return the evidence of an incident as this tick's verdicts have it.

    Empty where no detector looks for its cause, or no member is in the inventory any more.
    """
    if incident.is_of_device:
        told_now = (ailing for verdict in verdicts for ailing in verdict.devices)
        same = (a.evidence() for a in told_now if (a.domain, a.cause) == (incident.domain, incident.cause))
        return next(same, {})
    rows = [view.site.rows[miner] for miner in incident.members if miner in view.site.rows]
    own = [verdict for verdict in verdicts if verdict.category is incident.category]
    if not rows or not own:
        return {}
    ill = [(row, verdict) for row in rows for verdict in own if verdict.health[row] == Health.FIRING]
    judged = [*ill, *((rows[0], verdict) for verdict in own)]
    told = next((verdict.evidence.of(row) for row, verdict in judged if incident.cause in verdict.evidence.reasons), {})
    if len(rows) == 1:
        return told
    return told | _counts(view, rows, list(dict.fromkeys(row for row, _ in ill)))


def _counts(view: SiteView, rows: Sequence[int], ill: Sequence[int]) -> Evidence:
    names = [view.site.miners[row].id for row in ill]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    silent = sum(int(view.misses[row]) > 0 for row in rows)
    return {
        "members": len(rows),
        "members_ill": len(ill),
        "members_silent": silent,
        "ill": ", ".join(names[:NAMED]) + more if names else None,
    }
