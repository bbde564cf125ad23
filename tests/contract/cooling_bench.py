"""A cooling unit of memory: registers served over Modbus TCP by a few lines that share nothing with the driver."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agent.drivers.cooling.profile import Point, Profile, load_profile
from agent.drivers.cooling.unit import CoolingModbus
from agent.model.ids import CoolingUnitId
from agent.model.topology import Cooling, CoolingUnit

HOST, PORT, DEVICE = "127.9.0.1", 502, 7


class Local:
    """Everything is where it says."""

    def endpoint(self, host: str, port: int) -> tuple[str, int]:
        return host, port


def unit_of(profile: str, *, host: str = HOST, port: int = PORT) -> CoolingUnit:
    """A unit with that profile whose flow every register holds."""
    return CoolingUnit(
        CoolingUnitId("cdu-1"), host, profile, "loop-1", Cooling.HYDRO, 35.0, 25.0, 40.0, 50.0, 42.0, port, DEVICE
    )


def driver_of(profile: str, *, host: str = HOST, port: int = PORT) -> CoolingModbus:
    return CoolingModbus(unit_of(profile, host=host, port=port), load_profile(profile), Local())


@dataclass
class Registers:
    """What a unit holds: by function code 3 (holding) and 4 (input), and what was written, in order.

    Attributes:
        stubborn: takes a write and keeps its value. mute_after_write: acts on a write and never answers it.
        deaf_to_writes: loses a write and never answers it. refused: registers it answers with exception 2.
        answer: bytes sent instead of any answer.
    """

    words: dict[tuple[int, int], int] = field(default_factory=dict)
    writes: list[tuple[int, list[int]]] = field(default_factory=list)
    stubborn: bool = False
    mute_after_write: bool = False
    deaf_to_writes: bool = False
    refused: set[int] = field(default_factory=set)
    answer: bytes | None = None
    before_read: Callable[[], None] = lambda: None

    def put(self, point: Point, value: float) -> None:
        """Have a reading show a value."""
        raw = round(value / point.scale) + point.offset
        self.words[(point.function, point.register)] = raw & 0xFFFF

    def well(self, profile: Profile, setpoint_c: float = 35.0) -> "Registers":
        """Be a unit that is well, in remote and automatic mode."""
        for name, value in {
            "supply_c": 35.2,
            "return_c": 43.5,
            "flow_lpm": 50.0,
            "setpoint_c": setpoint_c,
            "flow_setpoint_lpm": 50.0,
            "ambient_c": 30.0,
            "humidity": 0.6,
        }.items():
            point = profile.readings.points().get(name)
            if point is not None:
                self.put(point, value)
        for flag in (profile.write_enable, profile.mode):
            if flag is not None:
                self.words[(flag.function, flag.register)] = flag.mask & 1 if flag.equals is None else flag.equals
        for pump in profile.pumps.running if profile.pumps is not None else ():
            self.words[(pump.function, pump.register)] = 1
        return self

    def serve(self, function: int, body: bytes) -> bytes | None:
        """Answer one request; None for silence."""
        register, second = struct.unpack(">HH", body[:4])
        if function in {3, 4}:
            self.before_read()
            if any(r in self.refused for r in range(register, register + second)):
                return bytes((function | 0x80, 2))
            words = [self.words.get((function, register + i), 0) for i in range(second)]
            return struct.pack(f">BB{second}H", function, 2 * second, *words)
        words = [second] if function == 6 else list(struct.unpack(f">{second}H", body[5:]))
        self.writes.append((register, words))
        if not (self.stubborn or self.deaf_to_writes):
            self.words.update({(3, register + i): word for i, word in enumerate(words)})
        if self.mute_after_write or self.deaf_to_writes:
            return None
        return bytes((function,)) + body[:4]


@asynccontextmanager
async def served(registers: Registers, *, host: str = HOST, port: int = PORT) -> AsyncIterator[None]:
    """Listen for the time of the context."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(7)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                if registers.answer is not None:
                    writer.write(registers.answer)
                    continue
                reply = registers.serve(body[0], body[1:])
                if reply is not None:
                    writer.write(head[:4] + (len(reply) + 1).to_bytes(2, "big") + head[6:7] + reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, host, port)
    try:
        yield
    finally:
        server.close()
        await asyncio.sleep(0.1)
