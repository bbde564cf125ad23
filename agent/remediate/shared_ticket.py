"""The ticket of a shared cause: what a technician has to go to, what hangs on it, and what was read around it.

Bounded and printable; counts for all members, names for a few. What the cause was weighed against is in the incident's
own evidence.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from agent.model.domains import Kind
from agent.model.incident import Evidence, Incident
from agent.model.probe import Verdict
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletState, Reach
from agent.model.topology import Outlet

NAMED = 8
"""So many devices or racks are named; of the others there is a count."""

FRESH_S = 120.0
"""A device that was not read for so long does not answer."""

DEAD_W = 3.0

BRING_BACK = "switch all its outlets off, unplug what must not start, restore power, switch one on: the others follow"
"""What is asked of who restores power behind a breaker (agent.remediate.reenergise)."""


def shared_ticket(view: SiteView, incident: Incident, now: float) -> Evidence:
    """Return where a shared cause lies, what hangs on it and what its surroundings show, units in the keys."""
    kind, _, name = incident.domain.partition(":")
    rows = [view.site.rows[miner] for miner in incident.members if miner in view.site.rows]
    racks = Counter(view.site.miners[row].rack or "no rack" for row in rows)
    return {
        "place": incident.domain,
        **_where(view, kind, name),
        "racks": _listed(f"{rack} {count}" for rack, count in racks.most_common()),
        "power_missing_w": round(float(view.nominal_w[rows].sum())),
        "hashrate_missing_th": round(float(view.nominal_th[rows].sum()), 1),
        "members_silent": sum(int(view.reach[row]) == Reach.SILENT for row in rows),
        **_outlets(view, rows, now),
        **_network(view, rows, now),
    }


def _where(view: SiteView, kind: str, name: str) -> Evidence:
    """Return what stands at the place, as the inventory has it."""
    site = view.site
    if kind == Kind.SWITCH:
        return {"host": next((switch.host for switch in site.switches if switch.id == name), None)}
    if kind == Kind.PDU:
        pdu = next((pdu for pdu in site.pdus if pdu.id == name), None)
        found: Evidence = {} if pdu is None else {"host": pdu.host, "model": pdu.profile}
        return {**found, "bring_back": BRING_BACK}
    bank = next((bank for bank in site.bank.values() if str(bank) == name), None)
    if kind == Kind.BREAKER and bank is not None:
        outlets = ", ".join(map(str, bank.outlets))
        return {"outlets": outlets, "rating_a": bank.rating_a, "bring_back": BRING_BACK}
    return {}


def _outlets(view: SiteView, rows: list[int], now: float) -> Evidence:
    """Return what the members' outlets say, and which PDUs say nothing."""
    used = [outlet for row in rows for outlet in view.site.miners[row].outlets if outlet in view.outlet_rows]
    if not used:
        return {}
    fresh = [seen for outlet in used if now - (seen := view.outlet(outlet)).at <= FRESH_S]
    heard = {seen.outlet for seen in fresh}
    on = [seen for seen in fresh if seen.state is OutletState.ON]
    draws = [seen.power_w >= DEAD_W or seen.current_a > 0.0 for seen in on]
    dead = [seen.power_w < DEAD_W or seen.current_a == 0.0 for seen in on]
    return {
        "outlets_off": sum(seen.state is OutletState.OFF for seen in fresh),
        # A supply that idles draws some watts at a current that a strip rounds to none.
        "outlets_on_without_draw": sum(is_dead and not drawing for is_dead, drawing in zip(dead, draws, strict=True)),
        "outlets_on_drawing": sum(draws),
        "pdus_silent": _listed(_pdus(outlet for outlet in used if outlet not in heard)),
    }


def _pdus(outlets: Iterable[Outlet]) -> Iterable[str]:
    return dict.fromkeys(str(outlet.pdu) for outlet in outlets)


def _network(view: SiteView, rows: list[int], now: float) -> Evidence:
    """Return what the members' switch ports say, which switches say nothing, and which pools the gateway finds good."""
    ports = [port for row in rows if (port := view.site.miners[row].port) in view.port_rows and port is not None]
    places = np.array([view.port_rows[port] for port in ports], dtype=np.int64)
    pools = {
        "pools_good": _listed(str(pool) for pool, found in view.probes.items() if found.verdict is Verdict.GOOD),
    }
    if not places.size:
        return {**pools}
    with np.errstate(invalid="ignore"):
        heard = now - view.port_up.at[places] <= FRESH_S
    up = view.port_up.value[places]
    silent = dict.fromkeys(
        str(port.switch) for port, is_heard in zip(ports, heard.tolist(), strict=True) if not is_heard
    )
    return {
        "ports_with_link": int((heard & (up == 1.0)).sum()),
        "ports_without_link": int((heard & (up == 0.0)).sum()),
        "switches_silent": _listed(silent),
        **pools,
    }


def _listed(names: Iterable[str]) -> str | None:
    """Return names in a row, some of them where there are many; None for none."""
    found = list(names)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more if found else None
