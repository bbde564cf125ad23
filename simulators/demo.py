"""The demo's own scenario: an hour in which every kind of fault happens somewhere on the configured site."""

from agent.model.topology import Family, Miner, Site
from simulators.rehearsal import Injection

DURATION_S = 3600.0
SEED = 7


def demo_faults(site: Site) -> tuple[Injection, ...]:
    """Return what goes wrong during the demo, placed on the site's miners by family.

    The site needs eight miners of each family.
    """
    stock = _members(site, Family.ANTMINER_STOCK)
    whatsminer = _members(site, Family.WHATSMINER)
    luxos = _members(site, Family.LUXOS)
    twin = next((m for m in reversed(site.miners) if len(m.outlets) > 1), stock[4])
    liar = luxos[2].outlets[0]
    return (
        *(Injection(90.0, "miner.process_died", _at(m)) for m in (stock[0], whatsminer[0], luxos[0])),
        Injection(150.0, "miner.hashing_stopped", _at(luxos[3])),
        Injection(210.0, "miner.control_board_hung", _at(stock[1]), params={"draw": "idle"}),
        Injection(210.0, "miner.control_board_hung", _at(luxos[1]), params={"draw": "full"}),
        Injection(215.0, "miner.control_board_hung", _at(twin), params={"draw": "idle"}),
        *(Injection(300.0, "miner.psu_latched", _at(m)) for m in (stock[2], whatsminer[2], luxos[2])),
        Injection(320.0, "pdu.set_lies", f"outlet:{liar}", for_s=600.0, params={"mode": "refuse"}),
        Injection(330.0, "pdu.slow", f"pdu:{stock[2].outlets[0].pdu}", for_s=400.0),
        Injection(360.0, "miner.psu_dead", _at(stock[3]), params={"standby_w": 0.0}),
        Injection(360.0, "miner.psu_dead", _at(stock[4]), params={"standby_w": 12.0}),
        Injection(420.0, "wire.garbage", _at(whatsminer[4]), for_s=500.0),
        Injection(420.0, "wire.silent", _at(luxos[5]), for_s=500.0),
        Injection(420.0, "wire.drop", _at(stock[6]), for_s=500.0),
    )


def _members(site: Site, family: Family) -> list[Miner]:
    return [m for m in site.miners if m.family is family and len(m.outlets) == 1]


def _at(miner: Miner) -> str:
    return f"miner:{miner.id}"
