"""Makes the configuration of a generated site, as an operator would have written it. Nothing here is random.

Ids: miners `r<rack>-<position>` with racks counted through the whole site, PDUs `c<container>-p<number>`, switches
`c<container>-sw`, cooling units `c<container>-cdu` on loops `c<container>-loop`, pools `primary`, `backup`, `pool-3`
and so on. The same section always gives the same site, whatever the seed.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from agent.config.models import ModelTable
from agent.config.scenario.entry import Entry
from agent.config.source import Node
from agent.config.wording import choice, closest, number_text, shown
from agent.drivers.cooling.profile import profile_names as cooling_profiles
from agent.drivers.pdus.profile import profile_names
from agent.model.topology import Family

Word = TypeVar("Word", bound=str)

COOLING = ("air", "hydro", "immersion")
MODELS: Mapping[str, Mapping[Family, str]] = {
    "air": {Family.ANTMINER_STOCK: "S19 Pro", Family.WHATSMINER: "M50", Family.LUXOS: "S19k Pro"},
    "hydro": {Family.ANTMINER_STOCK: "S21 Hyd", Family.WHATSMINER: "M53", Family.LUXOS: "S21 Hyd"},
    "immersion": {Family.ANTMINER_STOCK: "S19 Pro", Family.WHATSMINER: "M66S", Family.LUXOS: "S19k Pro"},
}
"""A model that is cooled so and runs that family."""

SUPPLY_C = {"hydro": (35, 25, 40), "immersion": (40, 25, 45)}
"""Supply temperature of a loop when all is well, and the coldest and hottest that may be asked for, in °C."""

FLOW_LPM = {"hydro": 9, "immersion": 12}
"""Coolant for each miner in L/min: facts "control", section 3 and "detection", section 5."""

MAX_FLOW_LPM = 6500
"""More than that no unit's registers hold."""

VOLTAGE_V = {"air": 240, "hydro": 415, "immersion": 415}
BREAKERS_A = (20, 30, 40, 60, 80, 100, 125, 160, 200, 250, 320, 400, 500, 630, 800, 1000, 1600, 2000, 3200, 4000)
BREAKER_LOAD = 0.75
"""Each bank gets the smallest usual breaker that its miners load to no more than this share."""

OUTLETS_IN_BANK = 3
MAX_BANKS = 64
MAX_MINERS = 50_000
NETWORK = "10.64.0.0/12"
LAST_OCTET = 200
"""Addresses beyond it in each 256 are nobody's: a miner that loses its lease gets one of them."""

POOLS = ("primary", "backup")
CONTROL_BOARDS: Mapping[Family, tuple[str, ...]] = {
    Family.ANTMINER_STOCK: ("ZYNQCtrl", "BBCtrl", "AMLCtrl", "CVCtrl"),
    Family.LUXOS: ("zynq", "beaglebone", "amlogic", "cvitek"),
    Family.WHATSMINER: ("H3OS", "H6OS"),
}
IMAGE_VERSION = "2026.2.1.0"
"""Simulated miners have one of these boards, and tell this version once they run a generated site's image."""

POOL_GROUP = "pools"
"""The one group of a generated site: every pool in order of priority, every miner."""

POOL_PORT = 3333

KEYS = (
    "miners",
    "containers",
    "racks_per_container",
    "miners_per_pdu",
    "outlets_per_miner",
    "pdus",
    "cooling",
    "cdus",
    "families",
    "pools",
    "network",
)


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated site's section with every default filled in; `cooling` is each container's."""

    miners: int
    containers: int
    racks_per_container: int
    miners_per_pdu: int
    outlets_per_miner: int
    pdus: str
    cooling: tuple[str, ...]
    cdus: str
    families: Mapping[Family, float]
    pools: tuple[str, ...]
    network: ipaddress.IPv4Network


def read_generated(entry: Entry) -> Generated | None:
    """Read the section; None where it was refused."""
    before = len(entry.problems)
    if not entry.check_keys(KEYS, required=("miners",)):
        return None
    miners = entry.whole("miners", 1, MAX_MINERS, default=1)
    pools = entry.whole("pools", 1, 8, default=1)
    containers = entry.whole("containers", 1, 1000, default=1)
    made = Generated(
        miners=miners,
        containers=containers,
        racks_per_container=entry.whole("racks_per_container", 1, 100, default=1),
        miners_per_pdu=entry.whole("miners_per_pdu", 1, 96, default=24),
        outlets_per_miner=entry.whole("outlets_per_miner", 1, 2, default=1),
        pdus=entry.choice("pdus", profile_names()) or "apc_rpdu2",
        cooling=_cooling(entry, containers),
        cdus=entry.choice("cdus", cooling_profiles()) or "ocp_rpu2",
        families=_families(entry),
        pools=tuple(POOLS[k] if k < len(POOLS) else f"pool-{k + 1}" for k in range(pools)),
        network=_network(entry, miners),
    )
    racks = made.containers * made.racks_per_container
    if racks > miners and len(entry.problems) == before:
        got = f"{miners} miners in {racks} racks"
        entry.refuse("miners", expected="a miner for each rack", got=got, remedy="fewer racks, or more miners")
    return made if len(entry.problems) == before else None


def configuration(made: Generated) -> dict[str, Any]:
    """Return the configuration of the site: PDUs of one profile, a switch for each container, the miners."""
    table = ModelTable()
    hosts = _hosts(made.network)
    tree: dict[str, Any] = {
        "site": {"name": "generated"},
        "mode": "auto",
        "logins": {
            "antminer_stock": {"user": "root", "password": {"credential": "antminer-password"}},
            "whatsminer": {"user": "admin", "password": {"credential": "whatsminer-password"}},
        },
        "pdus": [],
        "switches": [],
        "pools": [{"id": pool, "host": _pool_host(pool, made.network), "port": POOL_PORT} for pool in made.pools],
        "pool_groups": [{"id": POOL_GROUP, "pools": list(made.pools)}],
        "cooling": [],
        "inventory": [],
    }
    kinds = [kind for kind in COOLING if kind in made.cooling]
    tree["images"] = [
        _image(family, list(dict.fromkeys(MODELS[kind][family] for kind in kinds)))
        for family, share in made.families.items()
        if share
    ]
    families = _dealt(made.families, made.miners)
    racks = _shared_out(made.miners, made.containers * made.racks_per_container)
    width = max(2, len(str(max(racks))))
    first = 0
    for container in range(made.containers):
        here = racks[container * made.racks_per_container : (container + 1) * made.racks_per_container]
        rows = []
        for k, size in enumerate(here):
            rack = container * made.racks_per_container + k + 1
            rows += [
                {"id": f"r{rack}-{p:0{width}}", "rack": f"r{rack}", "position": str(p)} for p in range(1, size + 1)
            ]
        switch, cooling = f"c{container + 1}-sw", made.cooling[container]
        tree["switches"].append(
            {
                "id": switch,
                "host": next(hosts),
                "ports": len(rows),
                "snmp": {
                    "community": {"credential": "switch-read"},
                    "write_community": {"credential": "switch-write"},
                },
            }
        )
        watts = []
        for place, row in enumerate(rows):
            family = families[first + place]
            model = MODELS[cooling][family]
            figures = table.get(model)
            watts.append(figures.power_w if figures is not None else 0.0)
            host = next(hosts)
            row.update(host=host, mac=_mac(host), model=model, family=family.value, port=f"{switch}/{place + 1}")
            row["pool_group"] = POOL_GROUP
            if cooling != "air":
                row["loop"] = f"c{container + 1}-loop"
        if cooling != "air":
            tree["cooling"].append(_cooling_unit(made, container + 1, len(rows), next(hosts)))
        tree["pdus"] += _connected(made, container + 1, rows, watts, hosts)
        tree["inventory"] += rows
        first += len(rows)
    return tree


def _image(family: Family, models: list[str]) -> dict[str, Any]:
    """Return a firmware image for these models, on whatever control board."""
    file = Path(__file__).parent / "images" / f"{family}.img"
    return {
        "file": str(file),
        "sha256": sha256(file.read_bytes()).hexdigest(),
        "family": family.value,
        "models": models,
        "control_boards": list(CONTROL_BOARDS[family]),
        "version": IMAGE_VERSION,
    }


def as_node(plain: Any, at: Node) -> Node:
    """Return a tree all of whose values stand where the section stands that they were made from."""
    if isinstance(plain, dict):
        children = {key: as_node(value, at) for key, value in plain.items()}
        return Node(at.place, children, dict.fromkeys(children, at.place))
    if isinstance(plain, list):
        return Node(at.place, [as_node(value, at) for value in plain])
    return Node(at.place, plain)


def _cooling_unit(made: Generated, container: int, miners: int, host: str) -> dict[str, Any]:
    kind = made.cooling[container - 1]
    setpoint_c, least_c, most_c = SUPPLY_C[kind]
    return {
        "id": f"c{container}-cdu",
        "host": host,
        "model": made.cdus,
        "loop": f"c{container}-loop",
        "kind": kind,
        "setpoint_c": setpoint_c,
        "min_c": least_c,
        "max_c": most_c,
        "design_flow_lpm": min(FLOW_LPM[kind] * miners, MAX_FLOW_LPM),
    }


def _connected(
    made: Generated, container: int, rows: list[dict[str, Any]], watts: Sequence[float], hosts: Iterator[str]
) -> list[dict[str, Any]]:
    """Give each miner its outlets, and return the PDUs they are on."""
    voltage_v = VOLTAGE_V[made.cooling[container - 1]]
    pdus = []
    for number, start in enumerate(range(0, len(rows), made.miners_per_pdu), 1):
        name = f"c{container}-p{number}"
        outlet_w: list[float] = []
        for row, power_w in zip(
            rows[start : start + made.miners_per_pdu], watts[start : start + made.miners_per_pdu], strict=True
        ):
            outlets = range(len(outlet_w) + 1, len(outlet_w) + made.outlets_per_miner + 1)
            row["outlets"] = " ".join(f"{name}/{k}" for k in outlets)
            outlet_w += [power_w / made.outlets_per_miner] * made.outlets_per_miner
        size = max(OUTLETS_IN_BANK, -(-len(outlet_w) // MAX_BANKS))
        banks = [outlet_w[k : k + size] for k in range(0, len(outlet_w), size)]
        rating_a = _breaker_a(max(sum(bank) for bank in banks) / voltage_v)
        pdus.append(
            {
                "id": name,
                "host": next(hosts),
                "model": made.pdus,
                "outlets": len(outlet_w),
                "voltage_v": voltage_v,
                "banks": [
                    {"number": k + 1, "outlets": f"{k * size + 1}-{k * size + len(bank)}", "rating_a": rating_a}
                    for k, bank in enumerate(banks)
                ],
                "snmp": {
                    "community": {"credential": "pdu-read"},
                    "write_community": {"credential": "pdu-write"},
                },
            }
        )
    return pdus


def _mac(host: str) -> str:
    """Return a locally administered hardware address that no other address of the site shares."""
    return "02:54:" + ipaddress.IPv4Address(host).packed.hex(":")


def _breaker_a(load_a: float) -> int:
    return next((rating for rating in BREAKERS_A if load_a <= BREAKER_LOAD * rating), BREAKERS_A[-1])


def _shared_out(whole: int, parts: int) -> list[int]:
    """Return `parts` sizes that differ by one at most and add up to `whole`."""
    small, larger = divmod(whole, parts)
    return [small + (k < larger) for k in range(parts)]


def _dealt(shares: Mapping[Word, float], count: int) -> list[Word]:
    """Return what each of so many gets: after any number of them the shares are met as nearly as can be."""
    given = dict.fromkeys(shares, 0)
    dealt = []
    for place in range(1, count + 1):
        word = max(shares, key=lambda w: shares[w] * place - given[w])
        given[word] += 1
        dealt.append(word)
    return dealt


def _families(entry: Entry) -> dict[Family, float]:
    section = entry.mapping("families")
    if section is None:
        return dict.fromkeys(Family, 1 / len(Family))
    shares = _shares(section, [family.value for family in Family], "{antminer_stock: 0.5, whatsminer: 0.5}")
    # In the order of the enumeration: how the section is sorted must not decide who gets what.
    return {family: shares[family] for family in Family if shares.get(family)}


def _cooling(entry: Entry, containers: int) -> tuple[str, ...]:
    """Return how each container is cooled: all alike, or by shares."""
    written = entry.node.child("cooling")
    if written is None or not isinstance(written.value, dict):
        return (entry.choice("cooling", COOLING) or "air",) * containers
    section = entry.mapping("cooling")
    shares = {} if section is None else _shares(section, COOLING, "{air: 0.6, hydro: 0.4}")
    dealt = {kind: shares[kind] for kind in COOLING if shares.get(kind)}
    return tuple(_dealt(dealt or {"air": 1.0}, containers))


def _shares(section: Entry, names: Sequence[str], such_as: str) -> dict[str, float]:
    """Return the share of each of these names that the section has; they add up to 1, or it is refused."""
    shares: dict[str, float] = {}
    for key in section.keys:
        if key not in names:
            close = closest(key, names)
            remedy = f"did you mean {close!r}?" if close else "use one of these names"
            section.refuse(key, expected=choice(names), got=f"{key[:60]!r}", remedy=remedy)
        else:
            shares[key] = section.number(key, 0, 1, default=0.0)
    total = sum(shares.values())
    if len(shares) == len(section.keys) and abs(total - 1) > 1e-6:
        remedy = f"correct the shares, such as {such_as}"
        section.refuse(expected="shares that add up to 1", got=number_text(round(total, 9)), remedy=remedy)
    return shares


def _pool_host(pool: str, network: ipaddress.IPv4Network) -> str:
    """Return a pool's name; sites on networks of their own have pools of their own."""
    own = "" if str(network) == NETWORK else f".{network.network_address}".replace(".", "-").replace("-", ".", 1)
    return f"{pool}{own}.pool.example"


def _network(entry: Entry, miners: int) -> ipaddress.IPv4Network:
    text = entry.text("network", "an IPv4 network such as 10.64.0.0/12", default=NETWORK)
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        remedy = "write its first address and prefix length"
        entry.refuse("network", expected="an IPv4 network such as 10.64.0.0/12", got=shown(text), remedy=remedy)
        return ipaddress.IPv4Network(NETWORK)
    # A PDU each miner and a switch each rack would be the most devices there can be.
    if network.num_addresses < 4 * miners + 8:
        remedy = f"write a larger one, or leave it out for {NETWORK}"
        entry.refuse("network", expected=f"room for {miners} miners and their PDUs", got=shown(text), remedy=remedy)
    return network


def _hosts(network: ipaddress.IPv4Network) -> Iterator[str]:
    """Yield addresses in order, none that ends in 0; of each 256 some stay free, as a DHCP server wants them."""
    for address in network.hosts():
        if 0 < int(address) & 0xFF <= LAST_OCTET:
            yield str(address)
