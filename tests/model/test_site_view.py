"""The site view where writers and readers disagree about what there is: devices that are not in the inventory."""

import math

import numpy as np

from agent.model.ids import CoolingUnitId, PduId, SwitchId
from agent.model.site_view import SiteView
from agent.model.telemetry import CoolingReading, OutletReading, OutletState, PortReading
from agent.model.topology import Outlet, Port
from tests.factory import EPOCH, PDU, put_outlets, put_ports, site

STRANGE_OUTLETS = (Outlet(PDU, 99), Outlet(PduId("pdu-9"), 1))
STRANGE_PORTS = (Port(SwitchId("sw-9"), 1), Port(SwitchId("sw-1"), 99))


def test_what_devices_tell_of_strangers_is_let_go_and_touches_nobody() -> None:
    """A PDU has more outlets than the inventory, a switch more ports: one read of it brings all of them."""
    view = SiteView(site(3))
    put_outlets(view, EPOCH)
    put_ports(view, EPOCH, octets=1_000)
    states, ports = view.outlet_state.value.copy(), view.port_up.value.copy()
    for outlet in STRANGE_OUTLETS:
        view.put_outlet(outlet, EPOCH + 1.0, OutletReading(OutletState.OFF, 0.0, 0.0))
    for port in STRANGE_PORTS:
        view.put_port(port, EPOCH + 1.0, PortReading(up=False))
    view.put_cooling(CoolingUnitId("cdu-9"), EPOCH + 1.0, CoolingReading(leak=True))
    assert np.array_equal(view.outlet_state.value, states, equal_nan=True)
    assert np.array_equal(view.port_up.value, ports, equal_nan=True)
    assert view.cooling.rows == {}


def test_an_outlet_whose_pdu_is_not_configured_is_unknown_and_never_off() -> None:
    view = SiteView(site(3))
    put_outlets(view, EPOCH)
    for outlet in STRANGE_OUTLETS:
        seen = view.outlet(outlet)
        assert seen.state is OutletState.UNKNOWN
        assert math.isnan(seen.power_w)
    assert view.outlet(Outlet(PDU, 1)).state is OutletState.ON


def test_nobody_says_what_is_usual_on_a_switch_without_miners() -> None:
    view = SiteView(site(3))
    assert view.usual_pvid(Port(SwitchId("sw-9"), 1)) is None
