"""Coolant units over Modbus TCP, spoken to by a library that the simulators do not use."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators.devices.cooling_units import CoolingServers
from simulators.loopback import loopback_endpoint
from simulators.memory_net import run_memory
from simulators.plant.site import SitePlant
from simulators.plant.unit import Refusal, UnitPlant
from tests.simulators.heat_site import HYDRO, UNIT, heat_site

RPU_SUPPLY_SET, RPU_FLOW_SET, RPU_SUPPLY, RPU_RETURN, RPU_FLOW, RPU_HUMIDITY = 37918, 37917, 37550, 37549, 37527, 37548
RPU_REMOTE, RPU_MODE, RPU_LEAK, RPU_PUMP_1 = 37888, 37904, 37519, 36865


class Bench:
    """A unit on the wire, and a client."""

    def __init__(self, plant: SitePlant, client: AsyncModbusTcpClient) -> None:
        self.plant = plant
        self.unit: UnitPlant = plant.units[UNIT]
        self.client = client

    async def read(self, address: int, *, function: int = 3) -> int:
        """One register."""
        ask = self.client.read_holding_registers if function == 3 else self.client.read_input_registers
        reply = await ask(address, count=1)
        assert not reply.isError(), reply
        return int(reply.registers[0])

    async def write(self, address: int, value: int) -> int:
        """Write one register; 0, or the exception's code."""
        reply = await self.client.write_register(address, value)
        return int(reply.exception_code) if reply.isError() else 0


def on_wire(test: Callable[[Bench], Awaitable[None]], profile: str = "ocp_rpu2") -> None:
    async def main() -> None:
        plant = SitePlant(heat_site(HYDRO, profile=profile), seed=1)
        servers = CoolingServers(plant)
        await servers.start()
        host, port = loopback_endpoint("10.0.3.1", 502)
        client = AsyncModbusTcpClient(host, port=port, timeout=1.0, retries=0)
        try:
            assert await client.connect()
            await test(Bench(plant, client))
        finally:
            client.close()
            await servers.stop()

    run_memory(main(), timeout_wall_s=20.0)


def test_an_rpu2_tells_its_loop_and_takes_a_supply_temperature() -> None:
    async def test(b: Bench) -> None:
        assert await b.read(RPU_SUPPLY) == 350
        assert await b.read(RPU_RETURN) == pytest.approx(436, abs=2)
        assert await b.read(RPU_FLOW) == 540
        assert await b.read(RPU_HUMIDITY) == 500
        assert [await b.read(r) for r in (RPU_REMOTE, RPU_MODE, RPU_LEAK)] == [1, 0b100, 0]
        assert await b.read(RPU_PUMP_1) > 0
        assert await b.write(RPU_SUPPLY_SET, 330) == 0
        assert await b.read(RPU_SUPPLY_SET) == 330
        await asyncio.sleep(600.0)
        assert await b.read(RPU_SUPPLY) == pytest.approx(330, abs=2)
        assert await b.write(RPU_FLOW_SET, 594) == 0
        assert await b.read(RPU_FLOW) == 594
        assert b.unit.writes == 2
        assert [(w.what, w.value) for w in b.unit.moved] == [("supply_c", 33.0), ("flow_lpm", 59.4)]

    on_wire(test)


def test_registers_that_are_not_there_or_nobody_may_write_are_refused_by_address() -> None:
    async def test(b: Bench) -> None:
        assert await b.write(37911, 0) == 2  # the pumps' duty
        assert await b.write(37888, 0) == 2
        reply = await b.client.read_holding_registers(37917, count=4)
        assert reply.exception_code == 2
        assert b.unit.writes == 0

    on_wire(test)


@pytest.mark.parametrize(("how", "code"), [(Refusal.VALUE, 3), (Refusal.BUSY, 6), (Refusal.IGNORES, 0)])
def test_a_unit_that_refuses_stays_as_it_is(how: Refusal, code: int) -> None:
    async def test(b: Bench) -> None:
        b.unit.trouble.refusal = how
        assert await b.write(RPU_SUPPLY_SET, 330) == code
        assert await b.read(RPU_SUPPLY_SET) == 350
        assert b.unit.moved == []

    on_wire(test)


def test_in_local_mode_writes_are_taken_and_ignored() -> None:
    async def test(b: Bench) -> None:
        b.unit.trouble.local = True
        assert await b.write(RPU_SUPPLY_SET, 330) == 0
        assert await b.read(RPU_SUPPLY_SET) == 350
        assert [await b.read(r) for r in (RPU_REMOTE, RPU_MODE)] == [0, 0b001]

    on_wire(test)


def test_a_plc_clamps_what_is_outside_without_a_word() -> None:
    async def test(b: Bench) -> None:
        assert await b.write(RPU_SUPPLY_SET, 20) == 0
        assert await b.read(RPU_SUPPLY_SET) == 100
        assert await b.write(RPU_FLOW_SET, 1) == 0
        assert await b.read(RPU_FLOW_SET) == 270

    on_wire(test)


def test_a_silent_unit_takes_connections_and_says_nothing_and_another_device_is_not_there() -> None:
    async def test(b: Bench) -> None:
        reply = await b.client.read_holding_registers(RPU_SUPPLY, count=1, device_id=7)
        assert reply.exception_code == 11
        b.unit.trouble.silent = True
        with pytest.raises(Exception, match="No response"):
            await b.client.read_holding_registers(RPU_SUPPLY, count=1)

    on_wire(test)


def test_a_liebert_chiller_has_whole_degrees_to_set_and_tenths_to_read() -> None:
    async def test(b: Bench) -> None:
        assert await b.read(492, function=4) == 350
        assert await b.read(473) == await b.read(473, function=4) == 35
        assert [await b.read(r, function=4) for r in (483, 484, 509, 510)] == [1, 0, 1, 1]
        assert await b.write(473, 33) == 0
        assert await b.read(494, function=4) == 330
        assert await b.write(486, 0) == 2  # on and off
        b.plant.cooling.loops["c1-loop"].set_pumps(b.plant.now, run=False)
        assert await b.read(482, function=4) == 16

    on_wire(test, "liebert_hpc")


def test_a_plc_counts_from_three_thousand() -> None:
    async def test(b: Bench) -> None:
        assert await b.read(10601) == 3350
        assert await b.read(10602) == 3540
        assert await b.write(10601, 3255) == 0
        assert b.plant.cooling.loops["c1-loop"].circuit.setpoint_c == 25.5

    on_wire(test, "cdu_plc_3000")


def test_a_lying_sensor_lies_about_the_supply_alone() -> None:
    async def test(b: Bench) -> None:
        b.unit.trouble.lie_k = 6.0
        assert await b.read(RPU_SUPPLY) == 410
        assert b.plant.cooling.loops["c1-loop"].supply_c(b.plant.now) == 35.0
        heat = b.plant.miners[b.plant.site.miners[0].id].readings(b.plant.now)
        assert heat.warmth.inlet_c == 35.0

    on_wire(test)
