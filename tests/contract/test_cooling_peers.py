"""The Modbus driver against a server that is not ours: pyModbusTCP's, over real sockets."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from agent.drivers.cooling.profile import load_profile, profile_names
from agent.model.errors import PolicyError
from tests.contract.cooling_bench import Registers, driver_of

server = pytest.importorskip("pyModbusTCP.server", reason="pyModbusTCP is not installed: make .venv/.stamp-dev")

LOOPBACK = "127.0.0.1"


@pytest.fixture
def bank() -> Iterator[tuple[int, object]]:
    """A running server on a free port, and its registers."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port: int = taken.getsockname()[1]
    running = server.ModbusServer(LOOPBACK, port, no_block=True)
    running.start()
    try:
        yield port, running.data_bank
    finally:
        running.stop()


@pytest.mark.parametrize("name", profile_names())
def test_a_foreign_server_is_read_and_set(name: str, bank: tuple[int, object]) -> None:
    port, data = bank
    profile = load_profile(name)
    for (function, register), word in Registers().well(profile).words.items():
        store = data.set_holding_registers if function == 3 else data.set_input_registers  # type: ignore[attr-defined]
        store(register, [word])
    driver = driver_of(name, host=LOOPBACK, port=port)

    async def main() -> None:
        before = await driver.read()
        assert before.setpoint_c == pytest.approx(35.0)
        assert before.is_remote is True
        await driver.set_supply(34.0, was=35.0)
        assert (await driver.read()).setpoint_c == pytest.approx(34.0)
        with pytest.raises(PolicyError, match="somebody else"):
            await driver.set_supply(32.0, was=35.0)

    asyncio.run(main())
    written = data.get_holding_registers(profile.writes.supply_c.register)  # type: ignore[attr-defined]
    assert written == profile.writes.supply_c.encode(34.0)
