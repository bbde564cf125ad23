"""PDUs and switches: what lands in the columns, how often they are read, and what a lost one costs."""

import asyncio
import math
from dataclasses import replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from agent.model.errors import DeviceError, SilentError
from agent.model.ids import MinerId, PduId, SwitchId
from agent.model.telemetry import OutletReading, OutletState, PduReading, PortReading
from agent.model.topology import Bank, Outlet, Pdu, Port, Switch
from agent.observe.infrastructure import READS_AT_ONCE
from agent.observe.settings import PollSettings
from agent.observe.timetable import phase
from simulators.virtual_time import run
from tests.observe.farm import EPOCH_S, Habit, observed, site_of

SETTINGS = PollSettings()


def pdu(name: str) -> Pdu:
    return Pdu(PduId(name), "127.81.0.1", "plain", 4, 230.0, (Bank(PduId(name), 1, (1, 2, 3, 4), 16.0),))


def switch(name: str) -> Switch:
    return Switch(SwitchId(name), "127.82.0.1", 4)


class PlainPdu:
    """Four outlets, the first of them on; tells of an outlet and a bank that the inventory does not know."""

    def __init__(self, *, takes_s: float = 0.2, error: Exception | None = None) -> None:
        self.takes_s = takes_s
        self.error = error
        self.read_at_s: list[float] = []

    async def read(self) -> PduReading:
        self.read_at_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        off = dict.fromkeys((2, 3, 4, 99), OutletReading(OutletState.OFF, 0.0))
        return PduReading({1: OutletReading(OutletState.ON, 14.5, 3300.0), **off}, {1: 14.5, 7: 1.0})


class PlainSwitch:
    """One port with a link, and one with a counter that cannot be read."""

    def __init__(self) -> None:
        self.read_at_s: list[float] = []
        self.closely: list[bool] = []

    async def read(self, *, closely: bool = False) -> dict[int, PortReading]:
        self.read_at_s.append(asyncio.get_running_loop().time())
        self.closely.append(closely)
        rare = (True, 0, 20) if closely else (None, None, None)
        first = PortReading(True, 1_000 * len(self.read_at_s), *rare)
        return {1: first, 2: PortReading(False), 77: PortReading(True, 1)}


def gaps_s(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def test_outlets_banks_and_ports_land_in_their_columns() -> None:
    async def main() -> None:
        site = site_of(2, pdus=(pdu("p"), pdu("not configured")), switches=(switch("s"),))
        sources = {PduId("p"): PlainPdu()}, {SwitchId("s"): PlainSwitch()}
        async with observed(site, SETTINGS, pdus=sources[0], switches=sources[1]) as (_, view, observer):
            await observer.start()
            await observer.first_full_poll()
            first = view.outlet(Outlet(PduId("p"), 1))
            assert (first.state, first.current_a, first.power_w) == (OutletState.ON, 14.5, 3300.0)
            read_at = EPOCH_S + sources[0][PduId("p")].read_at_s[0] + 0.2
            assert first.at == pytest.approx(read_at, abs=1e-3)
            second = view.outlet(Outlet(PduId("p"), 2))
            assert (second.state, second.current_a) == (OutletState.OFF, 0.0)
            assert math.isnan(second.power_w)
            assert view.outlet(Outlet(PduId("not configured"), 1)).state is OutletState.UNKNOWN
            assert view.port_up.value[view.port_rows[Port(SwitchId("s"), 1)]] == 1.0
            assert view.port_up.value[view.port_rows[Port(SwitchId("s"), 2)]] == 0.0
            assert math.isnan(view.port_octets.total[view.port_rows[Port(SwitchId("s"), 2)]])

    run(main(), timeout_wall_s=20)


def test_each_kind_keeps_its_own_period() -> None:
    async def main() -> None:
        p, s = PlainPdu(), PlainSwitch()
        site = site_of(1, pdus=(pdu("p"),), switches=(switch("s"),))
        async with observed(site, SETTINGS, pdus={PduId("p"): p}, switches={SwitchId("s"): s}) as (_, _, observer):
            await observer.start()
            await asyncio.sleep(600.0)
        assert p.read_at_s[0] <= SETTINGS.interval_s
        assert s.read_at_s[0] <= SETTINGS.interval_s
        assert gaps_s(p.read_at_s) == pytest.approx([SETTINGS.pdu_interval_s] * (len(p.read_at_s) - 1))
        assert gaps_s(s.read_at_s) == pytest.approx([SETTINGS.switch_interval_s] * (len(s.read_at_s) - 1))
        assert (len(p.read_at_s), len(s.read_at_s)) == (20, 10)

    run(main(), timeout_wall_s=20)


def test_focus_reads_at_once_then_often_and_only_what_serves_the_miner() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        pdus = {PduId(name): PlainPdu() for name in ("p0", "p1")}
        switches = {SwitchId(name): PlainSwitch() for name in ("s0", "s1")}
        site = site_of(2, pdus=(pdu("p0"), pdu("p1")), switches=(switch("s0"), switch("s1")))
        async with observed(site, SETTINGS, pdus=pdus, switches=switches) as (_, _, observer):
            await observer.start()
            await asyncio.sleep(95.0)
            began_s = loop.time()
            for _ in range(29):  # as the tick does: the same set again and again
                observer.focus([MinerId("m0")])
                await asyncio.sleep(2.0)
            for source in (pdus[PduId("p0")], switches[SwitchId("s0")]):
                in_focus = [at_s for at_s in source.read_at_s if at_s >= began_s]
                assert in_focus[0] == pytest.approx(began_s)
                assert gaps_s(in_focus) == pytest.approx([SETTINGS.focus_interval_s] * 5)
            assert max(gaps_s(pdus[PduId("p1")].read_at_s)) == pytest.approx(SETTINGS.pdu_interval_s)
            assert min(gaps_s(switches[SwitchId("s1")].read_at_s)) == pytest.approx(SETTINGS.switch_interval_s)

            observer.focus([])
            reads = len(pdus[PduId("p0")].read_at_s)
            await asyncio.sleep(300.0)
            assert len(pdus[PduId("p0")].read_at_s) - reads in {10, 11}

    run(main(), timeout_wall_s=20)


def test_focus_during_a_read_asks_for_another_one() -> None:
    async def main() -> None:
        slow = PlainPdu(takes_s=3.0)
        async with observed(site_of(1, pdus=(pdu("p"),)), SETTINGS, pdus={PduId("p"): slow}) as (_, _, observer):
            await observer.start()
            await asyncio.sleep(phase("p") * SETTINGS.interval_s + 1.0)
            assert len(slow.read_at_s) == 1
            observer.focus([MinerId("m0")])
            await asyncio.sleep(4.0)
            assert gaps_s(slow.read_at_s) == pytest.approx([3.0])

    run(main(), timeout_wall_s=20)


@pytest.mark.parametrize("error", [SilentError("no answer"), DeviceError("noAccess"), ZeroDivisionError("our bug")])
def test_a_failed_read_changes_nothing_and_is_news_once(error: Exception) -> None:
    async def main() -> list[str]:
        source = PlainPdu()
        with capture_logs() as logs:
            async with observed(site_of(1, pdus=(pdu("p"),)), SETTINGS, pdus={PduId("p"): source}) as (
                _,
                view,
                observer,
            ):
                await observer.start()
                await observer.first_full_poll()
                before = view.outlet(Outlet(PduId("p"), 1))
                source.error = error
                await asyncio.sleep(300.0)
                assert view.outlet(Outlet(PduId("p"), 1)) == before
                source.error = None
                await asyncio.sleep(300.0)
                assert view.outlet(Outlet(PduId("p"), 1)).at > before.at + 500.0
                assert observer.is_running
        return [entry["event"] for entry in logs]

    lost = "device_read_bug" if isinstance(error, ZeroDivisionError) else "device_lost"
    assert run(main(), timeout_wall_s=20) == [lost, "device_back"]


def test_pdus_that_hang_end_at_their_deadline_and_delay_no_other() -> None:
    async def main() -> None:
        hung = {PduId(f"h{k}"): PlainPdu(takes_s=math.inf) for k in range(3 * READS_AT_ONCE)}
        good = {PduId(f"g{k}"): PlainPdu() for k in range(READS_AT_ONCE)}
        sources = {**hung, **good}
        site = site_of(1, pdus=tuple(pdu(name) for name in sources))
        with capture_logs() as logs:
            async with observed(site, SETTINGS, pdus=sources) as (_, view, observer):
                await observer.start()
                await observer.first_full_poll()
                settled_s = asyncio.get_running_loop().time()
                await asyncio.sleep(600.0)
        for name, source in good.items():
            steady = [at_s for at_s in source.read_at_s if at_s >= settled_s]
            assert gaps_s(steady) == pytest.approx([SETTINGS.pdu_interval_s] * (len(steady) - 1))
            assert view.outlet(Outlet(name, 1)).state is OutletState.ON
        assert sorted(entry["device"] for entry in logs) == sorted(hung)
        assert {entry["event"] for entry in logs} == {"device_lost"}

    run(main(), timeout_wall_s=20)


def test_the_wait_for_the_first_full_poll_is_bounded() -> None:
    settings = PollSettings(interval_s=2.0, deadline_s=1.0)  # a read may hang for longer than the wait

    async def main() -> None:
        source = PlainPdu(takes_s=math.inf)
        with capture_logs() as logs:
            async with observed(site_of(1, pdus=(pdu("p"),)), settings, pdus={PduId("p"): source}) as (_, _, observer):
                await observer.start()
                await observer.first_full_poll()
                assert asyncio.get_running_loop().time() <= 4 * (settings.interval_s + settings.deadline_s)
        assert [(e["event"], e["miners_untried"], e["infrastructure_untried"]) for e in logs] == [
            ("first_poll_incomplete", 0, 1)
        ]

    run(main(), timeout_wall_s=20)


def test_what_serves_a_miner_that_fell_silent_just_now_is_read_at_once_and_closely() -> None:
    async def main() -> None:
        p, s, other = PlainPdu(), PlainSwitch(), PlainSwitch()
        site = site_of(1, pdus=(pdu("p"),), switches=(switch("s"), switch("t")))
        member = replace(site.miners[0], outlets=(Outlet(PduId("p"), 1),), port=Port(SwitchId("s"), 1))
        site = replace(site, miners=(member,))
        switches = {SwitchId("s"): s, SwitchId("t"): other}
        async with observed(site, SETTINGS, pdus={PduId("p"): p}, switches=switches) as (farm, _, observer):
            await observer.start()
            await observer.first_full_poll()
            await asyncio.sleep(100.0)
            assert not any(s.closely)
            silent_at_s = asyncio.get_running_loop().time()
            farm.habit[farm.hosts[0]] = Habit.SILENT
            await asyncio.sleep(6 * SETTINGS.interval_s)
            for source in (p, s):
                after = [at_s for at_s in source.read_at_s if at_s > silent_at_s + 2.0 * SETTINGS.interval_s]
                assert len(after) >= 2, "two readings tell whether something still comes from it"
            assert s.closely[-1]
            assert not any(other.closely)
            await asyncio.sleep(600.0)
            late = gaps_s(s.read_at_s[-3:])
            assert late == pytest.approx([SETTINGS.switch_interval_s] * 2), "one long silent is read as ever"
            assert not s.closely[-1]

    run(main(), timeout_wall_s=20)


def test_a_switch_in_focus_is_read_closely() -> None:
    async def main() -> None:
        s = PlainSwitch()
        site = site_of(1, switches=(switch("s"),))
        site = replace(site, miners=(replace(site.miners[0], port=Port(SwitchId("s"), 1)),))
        async with observed(site, SETTINGS, switches={SwitchId("s"): s}) as (_, view, observer):
            await observer.start()
            await observer.first_full_poll()
            observer.focus([site.miners[0].id])
            await asyncio.sleep(1.0)
            assert s.closely == [False, True]
            port = view.row(site.miners[0].id).port
            assert port is not None
            assert (port.admin_up, port.pvid) == (True, 20)
            observer.focus([])
            await asyncio.sleep(2 * SETTINGS.switch_interval_s)
            assert s.closely[-1] is False

    run(main(), timeout_wall_s=20)
