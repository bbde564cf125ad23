"""Faults of the network between the miners and everybody else: ports, cables, VLANs, addresses, switches."""

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network

from agent.model.action import Verb
from agent.model.ids import MinerId
from agent.model.incident import Category, Reason
from agent.model.topology import Port, Site
from simulators.faults.kind import COVERAGE, COVERS, FaultKind, Knob, Objection, On, Values, number, ports_of
from simulators.plant.network import USUAL_VLAN, NetworkPlant
from simulators.plant.site import SitePlant

_CUT_OFF = frozenset({Reason.CUT_OFF})
_ON_A_PORT = frozenset({On.PORT, On.MINER})

Change = Callable[[NetworkPlant, Port, float, Values], None]
Repair = Callable[[NetworkPlant, Port, float], None]


def _port_at(site: Site, target: str) -> Port | None:
    """Return the port of a target that is a port, or the one a miner is behind."""
    word, _, name = target.partition(":")
    return site.miner(MinerId(name)).port if word == On.MINER else ports_of(site, target)[0]


def _needs_a_miner(site: Site, target: str, _: Values) -> Objection | None:
    """A fault of a port is somebody's only where a miner is behind it."""
    port = _port_at(site, target)
    if port is not None and port in site.ports:
        return None
    return Objection("the target", "a port with a miner behind it", "none", "name another, or give the miner its port")


def _has_a_mac(plant: SitePlant, target: str, _: Values) -> bool:
    """Whether the inventory says by which hardware address the miner at the target is known."""
    port = _port_at(plant.site, target)
    return any(miner.port == port and miner.mac is not None for miner in plant.site.miners)


def _port_fault(
    name: str,
    *,
    change: Change,
    repair: Repair,
    does: str,
    signature: str,
    remedy: Verb | None = None,
    curable: Callable[[SitePlant, str, Values], bool] | None = None,
    **knobs: Knob,
) -> FaultKind:
    """Return a fault kind of one port."""

    def start(plant: SitePlant, target: str, now: float, values: Values) -> None:
        if (port := _port_at(plant.site, target)) is not None:
            change(plant.network, port, now, values)

    def stop(plant: SitePlant, target: str, now: float) -> None:
        if (port := _port_at(plant.site, target)) is not None:
            repair(plant.network, port, now)

    return FaultKind(
        name=f"network.{name}",
        category=Category.NETWORK,
        counts=True,
        remedy=remedy,
        causes=_CUT_OFF,
        does=does,
        signature=signature,
        on=_ON_A_PORT,
        start=start,
        stop=stop,
        knobs=knobs,
        objects=_needs_a_miner,
        curable=curable,
    )


def _cabled_elsewhere(plant: SitePlant, _: str, miners: tuple[MinerId, ...], away: bool) -> None:
    ports = [port for miner in miners if (port := plant.site.miner(miner).port) is not None]
    (plant.network.elsewhere.update if away else plant.network.elsewhere.difference_update)(ports)


def _lose_subnet(lost: bool, plant: SitePlant, target: str, now: float, _: Values | None = None) -> None:
    plant.network.lose(IPv4Network(target.partition(":")[2]), lost, now)


def _cut_core(down: bool, plant: SitePlant, _: str, now: float, __: Values | None = None) -> None:
    plant.network.cut_core(down, now)
    for pdu in plant.power.pdu.values():
        pdu.cut_off = down
    for unit in plant.units.values():
        unit.trouble.silent = down


def _needs_a_switch(site: Site, _: str, __: Values) -> Objection | None:
    if any(miner.port is not None for miner in site.miners):
        return None
    return Objection("the target", "a site with miners at switch ports", "none", "give the miners their ports")


def _switch_down(plant: SitePlant, target: str, now: float, _: Values) -> None:
    plant.network.kill(ports_of(plant.site, target)[0].switch, True, now)


def _switch_up(plant: SitePlant, target: str, now: float) -> None:
    plant.network.kill(ports_of(plant.site, target)[0].switch, False, now)


NETWORK_FAULTS = (
    _port_fault(
        "port_hung",
        change=lambda network, port, now, _: network.hang(port, True, now),
        repair=lambda network, port, now: network.hang(port, False, now),
        remedy=Verb.BOUNCE_PORT,
        does="The switch port hangs: it keeps its link, hears the miner and passes nothing on until it was taken down.",
        signature=(
            "API and web silent, port up and receiving, full watts; 150 s later the work runs out and the watts fall."
        ),
    ),
    _port_fault(
        "cable_errors",
        change=lambda network, port, now, values: network.damage(port, number(values, "share"), now),
        repair=lambda network, port, now: network.damage(port, 0.0, now),
        does="A bad cable or plug: a large part of the frames arrives damaged.",
        signature="Hardly a poll comes through, port up, its error counter grows; the pool's connection does not hold.",
        share=Knob(0.6, "share of the frames that is damaged, from 0.5 to 1", span=(0.5, 1.0)),
    ),
    _port_fault(
        "cable_cut",
        change=lambda network, port, now, _: network.plug(port, False, now),
        repair=lambda network, port, now: network.plug(port, True, now),
        does="The cable is out, or cut.",
        signature="API and web silent, port without link, full watts until the work runs out.",
    ),
    _port_fault(
        "wrong_vlan",
        change=lambda network, port, now, values: network.set_vlan(port, int(number(values, "vlan")), now),
        repair=lambda network, port, now: network.set_vlan(port, USUAL_VLAN, now),
        does="Somebody put the port into another VLAN, where neither gateway nor pool is.",
        signature="API and web silent, port up and receiving, its PVID is not that of the other miners' ports.",
        vlan=Knob(999, "the VLAN it is put into", span=(100, 4094), whole=True),
    ),
    _port_fault(
        "address_moved",
        change=lambda network, port, now, _: network.move(port, now, within=True),
        repair=lambda network, port, now: network.move_back(port, now),
        remedy=Verb.REBIND,
        curable=_has_a_mac,
        does="The miner got another address by DHCP: it works on, and nobody is at the inventory's address.",
        signature=(
            "API and web silent, port up and receiving, full watts for good; the same MAC address on the same port, "
            "and at another address of the site's."
        ),
    ),
    _port_fault(
        "address_lost",
        change=lambda network, port, now, _: network.move(port, now, within=False),
        repair=lambda network, port, now: network.move_back(port, now),
        does="The miner got an address of another network, from a DHCP server that has no business on the site.",
        signature="As with one that moved, but at no address of the site's.",
    ),
    FaultKind(
        name="network.switch_down",
        category=Category.NETWORK,
        counts=True,
        remedy=None,
        causes=_CUT_OFF,
        does="The switch is down with all its ports.",
        signature="All miners behind one switch fall silent together at full watts, and so does the switch's SNMP.",
        on=frozenset({On.SWITCH}),
        start=_switch_down,
        stop=_switch_up,
        knobs={COVERAGE: COVERS},
        apart=_cabled_elsewhere,
    ),
    FaultKind(
        name="network.subnet_down",
        category=Category.NETWORK,
        counts=True,
        remedy=None,
        causes=_CUT_OFF,
        does="The DHCP server gives out no addresses of one network any more: its miners have none.",
        signature="All miners of 256 addresses fall silent together at full watts; their ports are up and receiving.",
        on=frozenset({On.SUBNET}),
        start=partial(_lose_subnet, True),
        stop=partial(_lose_subnet, False),
        knobs={COVERAGE: COVERS},
        apart=_cabled_elsewhere,
    ),
    FaultKind(
        name="network.core_down",
        category=Category.NETWORK,
        counts=True,
        remedy=None,
        causes=_CUT_OFF,
        does="What connects the site's switches with each other is down; the gateway has its way out.",
        signature="Miners, switches, PDUs and coolant units fall silent together; pools answer the gateway as ever.",
        on=frozenset({On.SITE}),
        start=partial(_cut_core, True),
        stop=partial(_cut_core, False),
        objects=_needs_a_switch,
        knobs={COVERAGE: COVERS},
        apart=_cabled_elsewhere,
    ),
)
