"""Small sites and readings for tests of the deciding column."""

from dataclasses import replace

from agent.model.action import Risk
from agent.model.ids import MinerId, PduId, PoolGroupId, PoolId, SwitchId
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletReading, OutletState, PortReading, Telemetry
from agent.model.topology import Bank, Family, Miner, Outlet, Pdu, Pool, PoolGroup, Port, Site, Switch

PDU = PduId("pdu-1")
SWITCH = SwitchId("sw-1")
NOMINAL_TH = 110.0
NOMINAL_W = 3250.0
EPOCH = 1_800_000_000.0


def miner(number: int, *, outlets: tuple[int, ...] | None = None, family: Family = Family.ANTMINER_STOCK) -> Miner:
    """Miner `m<number>` on the outlet of the same number, unless others are given."""
    return Miner(
        id=MinerId(f"m{number}"),
        host=f"10.0.0.{number}",
        family=family,
        model="S19 Pro",
        hashrate_th=NOMINAL_TH,
        power_w=NOMINAL_W,
        outlets=tuple(Outlet(PDU, k) for k in (outlets or (number,))),
        port=Port(SWITCH, number),
    )


def site(
    miners: int | tuple[Miner, ...] = 4, *, protected: tuple[int, ...] = (), rating_a: float = 60.0, bank_size: int = 3
) -> Site:
    """A site with one PDU of 24 outlets in banks of `bank_size`, and one switch."""
    chosen = tuple(miner(k) for k in range(1, miners + 1)) if isinstance(miners, int) else miners
    banks = tuple(
        Bank(PDU, i + 1, tuple(range(first, min(first + bank_size, 25))), rating_a)
        for i, first in enumerate(range(1, 25, bank_size))
    )
    pdu = Pdu(PDU, "10.0.1.1", "apc_rpdu2", 24, 240.0, banks)
    return Site("test", chosen, (pdu,), (Switch(SWITCH, "10.0.2.1", 48),), frozenset(Outlet(PDU, k) for k in protected))


def pooled(site: Site, *names: str) -> Site:
    """The site with these pools, all its miners working for them in that order."""
    pools = tuple(Pool(PoolId(name), f"{name}.pool.example", 3333) for name in names)
    group = PoolGroup(PoolGroupId("pools"), tuple(pool.id for pool in pools))
    miners = tuple(replace(m, pool_group=group.id) for m in site.miners)
    return replace(site, miners=miners, pools=pools, pool_groups=(group,))


def healthy(elapsed_s: float, *, rate_th: float = NOMINAL_TH, work_s: float | None = None) -> Telemetry:
    """What a miner tells that has hashed at `rate_th` for `work_s` of its `elapsed_s`."""
    worked_s = elapsed_s if work_s is None else work_s
    return Telemetry(
        hashrate_th=rate_th,
        expected_th=NOMINAL_TH,
        work_gh=worked_s * NOMINAL_TH * 1e3,
        elapsed_s=elapsed_s,
        accepted=float(int(worked_s * 0.3)),
        rejected=0.0,
        share_diff=65_536.0,
        pool_alive=True,
        suspended=False,
    )


def put_outlets(view: SiteView, now: float, *, power_w: float = NOMINAL_W, state: OutletState = OutletState.ON) -> None:
    """Every used outlet reads alike."""
    for outlet, fed in view.site.fed_by.items():
        shares = sum(1 / len(view.site.miner(m).outlets) for m in fed)
        view.put_outlet(outlet, now, OutletReading(state, power_w * shares / 240.0, power_w * shares))


def put_ports(view: SiteView, now: float, octets: int, *, up: bool = True) -> None:
    """Every used port reads alike."""
    for m in view.site.miners:
        if m.port is not None:
            view.put_port(m.port, now, PortReading(up=up, in_octets=octets))


ALL_RISKS = tuple(Risk)
