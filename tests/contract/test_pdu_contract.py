"""What every PDU profile owes, shown on the simulated PDU of its family. A new profile is in here by being there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.drivers.pdus import PduDriver, pdu_driver, profile_names
from agent.drivers.pdus.profile import load_profile
from agent.drivers.snmp import SnmpAccess, SnmpClient
from agent.model.errors import DeviceError, PolicyError, SilentError, TransportError
from agent.model.telemetry import OutletState
from agent.model.topology import Outlet
from simulators.devices.pdu_habits import HABITS
from simulators.devices.snmp_agent import Community, SnmpAgent
from simulators.devices.snmp_mib import Mib, MibObject, Status, constant, integer, system_group
from simulators.loopback import LoopbackDialer, loopback_endpoint
from simulators.plant.journal import What
from simulators.secrets import SimulatedSecrets
from tests.contract.pdu_bench import PDU, V2C, V3, V3_VARIANTS, bench, bench_site, in_virtual_time

OFF_3 = (What.RELAY_OFF, 3)
ON_3 = (What.RELAY_ON, 3)


def _has_breaker(profile: str) -> bool:
    bank = load_profile(profile).bank
    return bank is not None and bank.breaker is not None


every_profile = pytest.mark.parametrize("profile", profile_names())


@every_profile
def test_reads_states_currents_and_banks_as_they_are_on_the_plant(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            b.plant.power.set_relay(Outlet(PDU, 5), False, 0.0)
            await asyncio.sleep(10.0)
            reading = await b.driver().read()
            power = b.plant.power
            assert reading.outlets.keys() == set(range(1, 9))
            for number, seen in reading.outlets.items():
                outlet = Outlet(PDU, number)
                assert seen.state is (OutletState.OFF if number == 5 else OutletState.ON)
                assert seen.current_a == pytest.approx(power.current_a(outlet), abs=0.06)
                if load_profile(profile).power is not None:
                    assert seen.power_w == pytest.approx(power.power_w(outlet), abs=1.0)
            assert reading.outlets[1].current_a == pytest.approx(15.0, rel=0.1)
            assert reading.outlets[5].current_a == 0.0
            for bank in b.pdu.banks:
                assert reading.bank_a[bank.number] == pytest.approx(power.bank_current_a(bank), abs=0.06)

    in_virtual_time(main())


@every_profile
def test_switches_one_outlet_off_and_on_and_no_other(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            driver = b.driver()
            await driver.switch(3, False)
            assert not b.is_on(3)
            await driver.switch(3, True)
            assert b.is_on(3)
            assert b.moves() == [OFF_3, ON_3]

    in_virtual_time(main())


@every_profile
def test_writes_nothing_where_the_outlet_already_is_as_wanted(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            b.faults.lies_accept.add(Outlet(PDU, 3))  # any SET would be accepted, and then found out not to have moved
            b.faults.lies_left = 1
            await b.driver().switch(3, True)
            assert b.faults.lies_left == 1

    in_virtual_time(main())


@every_profile
def test_is_not_fooled_by_a_set_that_is_accepted_and_does_nothing(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            b.faults.lies_accept.add(Outlet(PDU, 3))
            with pytest.raises(DeviceError, match=r"accepted.*did not move within 20 s"):
                await b.driver().switch(3, False)
            assert b.moves() == []

    in_virtual_time(main())


@every_profile
def test_is_not_fooled_by_a_set_that_is_refused_and_works(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            b.faults.lies_refuse.add(Outlet(PDU, 3))
            await b.driver().switch(3, False)
            assert b.moves() == [OFF_3]

    in_virtual_time(main())


@every_profile
def test_waits_for_a_pdu_that_answers_and_moves_slowly(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            b.faults.reply_delay_s = 2.5  # two tries of every read are too short, the third is not
            b.faults.relay_delay_s = 9.0
            await b.driver().switch(3, False)
            assert b.moves() == [OFF_3]
            assert (await b.driver().read()).outlets[3].state is OutletState.OFF

    in_virtual_time(main())


@every_profile
def test_tells_a_refusal_that_was_meant_with_its_remedy(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            read_only = SnmpAccess(community="ro")
            with pytest.raises(DeviceError, match=r"noAccess: use a login that may write.*did not move"):
                await b.driver(read_only).switch(3, False)
            assert b.moves() == []

    in_virtual_time(main())


@pytest.mark.parametrize("profile", ["apc_rpdu2", "eaton_epdu_g2_g3"])
def test_a_wrong_v3_passphrase_is_told_from_silence_and_changes_nothing(profile: str) -> None:
    async def main() -> None:
        async with bench(profile, V3) as b:
            with pytest.raises(DeviceError, match="authentication passphrase"):
                await b.driver(replace(V3, auth_credential="other")).switch(3, False)
            with pytest.raises(DeviceError, match="user name"):
                await b.driver(replace(V3, user="nobody")).switch(3, False)
            with pytest.raises(SilentError, match="privacy passphrase"):
                await b.driver(replace(V3, user="terrahash", priv_credential="other")).switch(3, False)
            assert b.moves() == []

    in_virtual_time(main())


@every_profile
def test_never_writes_to_a_device_of_another_kind(profile: str) -> None:
    other = "vertiv_geist_v5" if profile != "vertiv_geist_v5" else "apc_rpdu2"

    async def main() -> None:
        async with bench(profile) as b:
            driver = b.driver(profile=other)
            with pytest.raises(DeviceError) as mismatch:
                await driver.switch(3, False)
            assert str(load_profile(other).sysobjectid) in str(mismatch.value)
            assert await b.driver().identify() in str(mismatch.value)
            with pytest.raises(DeviceError, match="sysObjectID"):
                await driver.identify()
            assert b.moves() == []

    in_virtual_time(main())


@every_profile
def test_an_outlet_that_is_not_there_is_refused_before_anything_is_sent(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            for number in (0, -1, 9):
                with pytest.raises(PolicyError, match="from 1 to 8"):
                    await b.driver().switch(number, False)
            assert b.moves() == []

    in_virtual_time(main())


@every_profile
def test_a_silent_pdu_ends_in_silence_not_in_a_guess(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            driver = b.driver()
            await driver.read()
            b.faults.reply_delay_s = 1_000.0
            with pytest.raises(SilentError):
                await driver.read()
            with pytest.raises(SilentError):
                await driver.switch(3, False)
            assert b.moves() == []

    in_virtual_time(main())


@every_profile
def test_a_pdu_lost_after_the_set_leaves_the_outcome_open(profile: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            driver = b.driver()
            await driver.read()
            switching = asyncio.create_task(driver.switch(3, False))
            await asyncio.sleep(0.2)  # two looks and the SET are through; the relay moves at 1.5 s
            b.faults.reply_delay_s = 1_000.0
            with pytest.raises(TransportError, match="could not see what became of it"):
                await switching
            assert b.moves() == [OFF_3]

    in_virtual_time(main())


def test_a_pdu_that_is_still_at_it_leaves_the_outcome_open() -> None:
    async def main() -> None:
        async with bench("eaton_epdu_g2_g3") as b:
            b.faults.relay_delay_s = 60.0
            with pytest.raises(TransportError, match="pending"):
                await b.driver().switch(3, False)

    in_virtual_time(main())


def test_an_outlet_that_reads_off_and_draws_current_is_not_off() -> None:
    async def main() -> None:
        state = {"code": 2}

        def write(value: int) -> Status:
            state["code"] = 1 if value == 2 else 2
            return Status.OK

        root = (1, 3, 6, 1, 4, 1, 318, 1, 1, 26, 9)
        objects = [
            integer((*root, 2, 3, 1, 5, 1), lambda: state["code"]),
            integer((*root, 2, 4, 1, 5, 1), lambda: 1, write),
            constant((*root, 4, 3, 1, 6, 1), 148),
        ]
        async with _lone_pdu("apc_rpdu2", objects) as driver:
            with pytest.raises(DeviceError, match=r"off, 14\.80 A: a welded relay"):
                await driver.switch(1, False)

    in_virtual_time(main())


def test_the_row_of_a_chained_unit_is_not_the_outlets_number() -> None:
    async def main() -> None:
        root = (1, 3, 6, 1, 4, 1, 318, 1, 1, 26, 9, 2)
        relays = dict.fromkeys((1, 2, 3, 4), 2)
        owner = {1: (2, 1), 2: (2, 2), 3: (1, 1), 4: (1, 2)}

        def write(row: int) -> Callable[[int], Status]:
            def act(value: int) -> Status:
                relays[row] = {1: 2, 2: 1}[value]
                return Status.OK

            return act

        objects = []
        for row in relays:
            objects += [
                integer((*root, 3, 1, 2, row), lambda row=row: owner[row][0]),
                integer((*root, 3, 1, 4, row), lambda row=row: owner[row][1]),
                integer((*root, 3, 1, 5, row), lambda row=row: relays[row]),
                integer((*root, 4, 1, 5, row), lambda: 1, write(row)),
            ]
        async with _lone_pdu("apc_rpdu2", objects, outlets=2) as driver:
            await driver.switch(1, False)
            assert relays == {1: 2, 2: 2, 3: 1, 4: 2}
            assert (await driver.read()).outlets[1].state is OutletState.OFF
            owner.update({1: (1, 1), 2: (1, 2), 3: (2, 1), 4: (2, 2)})  # somebody re-plugs the chain
            with pytest.raises(DeviceError, match="the chain was changed"):
                await driver.switch(2, False)
            await driver.switch(2, False)
            assert relays == {1: 2, 2: 1, 3: 1, 4: 2}

    in_virtual_time(main())


@pytest.mark.parametrize("profile", [name for name in profile_names() if _has_breaker(name)])
def test_a_closed_relay_behind_an_open_breaker_is_not_on(profile: str) -> None:
    async def main() -> None:
        async with bench(profile, rating_a=2.0) as b:  # the inrush of one miner trips it at once
            driver = b.driver()
            await driver.switch(3, False)
            for _ in range(2):
                with pytest.raises(DeviceError, match=r"the breaker of pdu-a:bank1 is open"):
                    await driver.switch(3, True)
            assert b.is_on(3)
            assert not b.plant.power.energised(Outlet(PDU, 3))

    in_virtual_time(main())


def test_a_meter_that_is_still_settling_is_no_measurement() -> None:
    async def main() -> None:
        async with bench("servertech_sentry4") as b:
            driver = b.driver()
            assert (await driver.read()).outlets[3].current_a == pytest.approx(15.0, rel=0.1)
            await driver.switch(3, False)
            assert asyncio.get_running_loop().time() > 5.0  # relay 1.5 s, meter 4 s
            await driver.switch(3, True)
            await asyncio.sleep(1.0)
            assert (await driver.read()).outlets[3].current_a is None
            await asyncio.sleep(5.0)
            assert (await driver.read()).outlets[3].current_a is not None

    in_virtual_time(main())


@pytest.mark.parametrize("access", V3_VARIANTS, ids=lambda a: f"{a.auth}-{a.priv}")
def test_speaks_every_kind_of_snmp_v3(access: SnmpAccess) -> None:
    async def main() -> None:
        async with bench("raritan_px2_px3", access) as b:
            await b.driver().switch(3, False)
            assert b.moves() == [OFF_3]

    in_virtual_time(main())


def test_v3_goes_on_over_hours_of_a_clock_that_runs_ahead() -> None:
    async def main() -> None:
        async with bench("apc_rpdu2", V3) as b:
            driver = b.driver()
            for _ in range(4):
                await driver.read()
                await asyncio.sleep(3600.0)  # the device's clock is now far outside the window the client remembers
            await driver.switch(3, False)
            assert b.moves() == [OFF_3]

    in_virtual_time(main())


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    async def main() -> None:
        async with bench("apc_rpdu2") as b:
            with pytest.raises(PolicyError, match=r"'apc_rpdu3': expected one of apc_rpdu, apc_rpdu2, "):
                b.driver(profile="apc_rpdu3")

    in_virtual_time(main())


# What a careless client would do to the same simulated PDUs: the traps must be real, or avoiding them proves nothing.

CARELESS = [
    ("apc_rpdu2", "1.3.6.1.4.1.318.1.1.26.4.4.1.4.1", 3, "all off"),
    ("apc_rpdu", "1.3.6.1.4.1.318.1.1.12.3.1.1.0", 3, "all off"),
    ("apc_rpdu2", "1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.3", 3, "cycle"),
    ("apc_rpdu", "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.3", 5, "later"),
    ("cyberpower_epdu2", "1.3.6.1.4.1.3808.1.1.6.6.1.5.1.5.3", 5, "later"),
    ("raritan_px2_px3", "1.3.6.1.4.1.13742.6.4.1.2.1.2.1.3", 2, "cycle"),
    ("eaton_epdu_g2_g3", "1.3.6.1.4.1.534.6.6.7.6.6.1.3.0.3", 1, "later"),
    ("eaton_epdu_g2_g3", "1.3.6.1.4.1.534.6.6.7.6.6.1.5.0.3", 0, "cycle"),
    ("vertiv_geist_v5", "1.3.6.1.4.1.21239.5.2.3.5.1.6.3", 6, "cycle"),
    ("vertiv_geist_v5", "1.3.6.1.4.1.21239.5.2.3.5.1.6.3", 5, "later"),
    ("servertech_sentry4", "1.3.6.1.4.1.1718.4.1.8.5.1.2.1.1.3", 3, "cycle"),
    ("panduit_g5", "1.3.6.1.4.1.19536.10.1.5.2.1.4.1.3", 0, "cycle"),
    ("panduit_g5", "1.3.6.1.4.1.19536.10.1.5.2.1.2.1.3", 1, "later"),
]


@pytest.mark.parametrize(("profile", "oid", "value", "what"), CARELESS)
def test_the_traps_are_real(profile: str, oid: str, value: int, what: str) -> None:
    async def main() -> None:
        async with bench(profile) as b:
            await b.client.set(b.pdu.host, V2C, oid, value)
            await asyncio.sleep(1.6)
            at_once = b.moves()
            await asyncio.sleep(30.0)
            later = b.moves()[len(at_once) :]
            expected = {
                "all off": ([(What.RELAY_OFF, n) for n in range(1, 9)], []),
                "cycle": ([OFF_3], [ON_3]),
                "later": ([], [OFF_3]),
            }
            assert (at_once, later) == expected[what]

    in_virtual_time(main())


@asynccontextmanager
async def _lone_pdu(profile: str, objects: list[MibObject], outlets: int = 1) -> AsyncIterator[PduDriver]:
    """A PDU made by hand, without a plant."""
    pdu = replace(bench_site(profile).pdus[0], outlet_count=outlets, banks=())
    system = system_group("by hand", HABITS[profile].object_id, "x", lambda: 0.0)
    agent = SnmpAgent(Mib([*system, *objects]), engine_id=b"by-hand", communities=(Community(_secret("rw"), True),))
    client = SnmpClient(LoopbackDialer(), SimulatedSecrets(1))
    await agent.start(loopback_endpoint(pdu.host, 161))
    try:
        yield pdu_driver(pdu, SnmpAccess(community="rw"), client)
    finally:
        client.close()
        agent.stop()


def _secret(name: str) -> str:
    return SimulatedSecrets(1).get(name)
