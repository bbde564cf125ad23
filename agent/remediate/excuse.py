"""What excuses an image for a flash that did not end well: another incident that alone accounts for it.

An excuse is evidence that something else happened, never the want of evidence that the image did it: one that loses
boards has to be stopped after the first of them (docs/decisions/0019-people-and-frozen-images.md).
"""

from agent.model.action import VERB_TRAITS, Result, Verb
from agent.model.incident import Incident, Reason
from agent.model.memory import Flash, Memory
from agent.model.site_view import SiteView

LATE_S = 600.0
"""A loss of power is known six polls after it began, and a board that nobody hears any more writes for minutes."""


def excuse_of(view: SiteView, memory: Memory, incident: Incident) -> Incident | None:
    """Return the loss of power that several miners share and that cut the incident's flash short; None for none.

    The loss began after the flash did, and nobody saw that end: what was seen to have ended was not cut.
    """
    flash = memory.flashes.get(incident.members[0]) if len(incident.members) == 1 else None
    if flash is None or flash.incident != incident.id or flash.verified:
        return None
    begun = [attempt for attempt in incident.attempts if attempt.verb is Verb.FLASH]
    if not begun or begun[-1].result is Result.OK:
        return None
    settled_at = begun[-1].settled_at
    last_at = LATE_S + (flash.at + VERB_TRAITS[Verb.FLASH].timeout_s if settled_at is None else settled_at)
    return next((other for other in memory.incidents.values() if _took_its_power(view, other, flash, last_at)), None)


def _took_its_power(view: SiteView, other: Incident, flash: Flash, last_at: float) -> bool:
    if other.cause is not Reason.POWER_LOST or not flash.at <= other.detected_at <= last_at:
        return False
    domain, row = view.domains.get(other.domain), view.site.rows.get(flash.miner)
    return domain is not None and row is not None and row in domain.rows
