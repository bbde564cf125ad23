"""Bring outlets back after lost power: one by one, once each, and only where somebody has shown that the line is live.

A breaker that tripped cannot be closed from afar, and closed onto all its supplies it trips again (facts "failures",
row 11). So a person is asked to switch its outlets off, to close it, and to switch one of them on: power that is drawn
there is the sign that the breaker holds and that nobody works behind it any more. The others follow from here. A PDU
whose feed has returned and that leaves its outlets off is brought back the same way.

Like the duty to switch on it is worked out anew each tick from the ledger and the view.
"""

import math
from collections.abc import Iterable

from agent.model.action import Action, Verb
from agent.model.ids import MinerId
from agent.model.incident import Incident, Phase, Reason
from agent.model.memory import Memory
from agent.model.site_view import OutletView, SiteView
from agent.model.telemetry import OutletState
from agent.model.topology import Outlet

STATE = "reenergise"
"""Stands where an attempt made outside any run would name its playbook state."""

OUTLETS_OFF = "outlets_off"
"""Why a person was asked whose outlets were off before: nothing tripped, and somebody wants it so."""

APART_S = 10.0
"""Least time between two outlets: twice that of the bank's inrush (facts "control", section 2)."""

SEEN_S = 5.0
"""A breaker that an inrush trips has done so by then: the next outlet waits for a reading from after that."""

FRESH_S = 90.0
"""Older readings say nothing of the line."""

LIVE_W = 3.0
"""More than a dead line gives, and less than any supply takes in standby."""


def owed(memory: Memory, view: SiteView, now: float) -> list[tuple[Incident, Action]]:
    """Return the outlets to switch on now, at most one miner's for each incident."""
    due: list[tuple[Incident, Action]] = []
    for incident in memory.open_incidents:
        asked_at = incident.escalated_at
        if incident.cause is not Reason.POWER_LOST or incident.phase is not Phase.ESCALATED or asked_at is None:
            continue
        if incident.escalation_reason == OUTLETS_OFF:
            continue
        last_on = _last_on(memory, view, incident)
        if incident.in_flight is not None or now - last_on < APART_S:
            continue
        since = max(asked_at, last_on + SEEN_S, now - FRESH_S)
        for miner, outlets in _waiting(memory, view, incident, asked_at):
            if all(_is_live(view, outlet, since) for outlet in outlets):
                due.append((incident, Action(verb=Verb.POWER_ON, miner=miner, outlets=outlets)))
                break
    return due


def _waiting(
    memory: Memory, view: SiteView, incident: Incident, asked_at: float
) -> Iterable[tuple[MinerId, tuple[Outlet, ...]]]:
    """Yield the members with outlets that are off since a person was asked, and that were not switched on since."""
    for miner in incident.members:
        if miner not in view.site.rows:
            continue
        off = tuple(
            outlet
            for outlet in view.site.miner(miner).outlets
            if _was_left_off(view, outlet, asked_at)
            and outlet not in view.site.protected
            and memory.switched_on.get(outlet, -math.inf) < asked_at
        )
        if off:
            yield miner, off


def _was_left_off(view: SiteView, outlet: Outlet, asked_at: float) -> bool:
    seen = view.outlet(outlet) if outlet in view.outlet_rows else None
    return seen is not None and seen.state is OutletState.OFF and seen.at >= asked_at


def _is_live(view: SiteView, outlet: Outlet, since: float) -> bool:
    """Whether something is drawn behind the same breaker, by a reading from `since` on."""
    bank = view.site.bank.get(outlet)
    numbers = bank.outlets if bank is not None else range(1, view.site.pdu[outlet.pdu].outlet_count + 1)
    seen = (view.outlet(other) for k in numbers if (other := Outlet(outlet.pdu, k)) in view.outlet_rows)
    return any(o.state is OutletState.ON and o.at >= since and _draw_w(view, o) > LIVE_W for o in seen)


def _draw_w(view: SiteView, seen: OutletView) -> float:
    """Return what is drawn in W; NaN where it is not metered."""
    volts = view.site.pdu[seen.outlet.pdu].voltage_v
    return seen.current_a * volts if math.isnan(seen.power_w) else seen.power_w


def _last_on(memory: Memory, view: SiteView, incident: Incident) -> float:
    """Return when an outlet of one of its members was last switched on from here, in UTC s."""
    outlets = (o for m in incident.members if m in view.site.rows for o in view.site.miner(m).outlets)
    return max((memory.switched_on.get(outlet, -math.inf) for outlet in outlets), default=-math.inf)
