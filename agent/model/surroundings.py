"""What stands around a miner and tells of it without it: its outlets and switch port, where they were read lately."""

import math

from agent.model.playbook import Situation
from agent.model.site_view import OutletView, PortView
from agent.model.telemetry import OutletState

FRESH_S = 90.0
"""Older readings, and readings from before the symptom, prove nothing."""


def outlets_lately(s: Situation) -> tuple[OutletView, ...]:
    """Return the outlets that were read lately; all of them, or what they say is not known."""
    return tuple(o for o in s.row.outlets if _is_fresh(s, o.at))


def port_lately(s: Situation) -> PortView | None:
    """Return the switch port where it was read lately."""
    port = s.row.port
    return port if port is not None and _is_fresh(s, port.at) else None


def all_read_lately(s: Situation) -> bool:
    """Every outlet and the port were read lately, and since the symptom."""
    return len(outlets_lately(s)) == len(s.row.outlets) and (s.row.port is None or port_lately(s) is not None)


def is_fed_lately(s: Situation) -> bool:
    """Whether it has outlets, and every one was read to be on lately."""
    outlets = outlets_lately(s)
    return len(outlets) == len(s.miner.outlets) > 0 and all(o.state is OutletState.ON for o in outlets)


def watts_lately(s: Situation) -> float | None:
    """Return the watts over all its outlets.

    None where it has none, or one of them is not metered or was not read lately: of what is not metered nobody knows
    whether it draws.
    """
    outlets = outlets_lately(s)
    if not outlets or len(outlets) < len(s.miner.outlets):
        return None
    pdu = s.row.view.site.pdu
    amperes_w = [o.current_a * pdu[o.outlet.pdu].voltage_v for o in outlets]
    total_w = sum(a_w if math.isnan(o.power_w) else o.power_w for o, a_w in zip(outlets, amperes_w, strict=True))
    return None if math.isnan(total_w) else total_w


def _is_fresh(s: Situation, at: float) -> bool:
    return at >= max(s.incident.detected_at, s.now - FRESH_S)
