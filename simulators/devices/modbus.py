"""A Modbus TCP server of one device: frames, the four functions coolant units know, exceptions. No register lives here.

Written against the Modbus application protocol V1.1b3 and its messaging on TCP/IP; deliberately not with the library
that the agent speaks it with.
"""

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Protocol

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY, NOBODY = 1, 2, 3, 6, 11
MAX_READ, MAX_WRITE = 125, 123
MAX_FRAME = 260
HEAD = struct.Struct(">HHHB")
MAX_CONNECTIONS = 8
GATEWAY_S = 0.05
"""What a gateway takes to say that there is no such device behind it."""


class ModbusError(Exception):
    """The device answers with that exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Registers(Protocol):
    """What a device has behind its addresses."""

    @property
    def silent(self) -> bool:
        """Whether it takes requests and never answers."""
        ...

    @property
    def reply_s(self) -> float:
        """How long it thinks about a reply, in s."""
        ...

    def read(self, function: int, first: int, count: int) -> list[int]:
        """Return registers; raises ModbusError."""
        ...

    def write(self, first: int, values: list[int]) -> None:
        """Take registers; raises ModbusError."""
        ...


class ModbusConnection(asyncio.Protocol):
    """One connection: a request at a time, in the order in which they came."""

    def __init__(self, devices: Mapping[int, Registers], open_ones: set["ModbusConnection"]) -> None:
        self._devices = devices
        self._open = open_ones
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._pending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or end it where there are too many."""
        if not isinstance(transport, asyncio.WriteTransport):
            return
        self._transport = transport
        if len(self._open) >= MAX_CONNECTIONS:
            transport.abort()
            return
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        del exc
        self._open.discard(self)
        if self._pending is not None:
            self._pending.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._buffer += data
        if self._pending is None:
            self._next()

    def drop(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        """Begin with the next request that is complete; what is no Modbus ends the connection."""
        self._pending = None
        if len(self._buffer) < HEAD.size:
            return
        _, protocol, length, device = HEAD.unpack_from(self._buffer)
        if protocol != 0 or not 2 <= length <= MAX_FRAME - HEAD.size + 1:
            self.drop()
            return
        end = HEAD.size - 1 + length
        if len(self._buffer) < end:
            return
        frame, self._buffer = self._buffer[:end], self._buffer[end:]
        registers = self._devices.get(device)
        reply_s = GATEWAY_S if registers is None else registers.reply_s
        self._pending = asyncio.get_running_loop().call_later(reply_s, self._answer, frame)

    def _answer(self, frame: bytes) -> None:
        transaction, _, _, device = HEAD.unpack_from(frame)
        body, registers = frame[HEAD.size :], self._devices.get(device)
        try:
            reply = bytes((body[0] | 0x80, NOBODY)) if registers is None else _perform(registers, body[0], body[1:])
        except ModbusError as error:
            reply = bytes((body[0] | 0x80, error.code))
        if self._transport is not None and (registers is None or not registers.silent):
            self._transport.write(HEAD.pack(transaction, 0, len(reply) + 1, device) + reply)
        self._next()


def _perform(registers: Registers, function: int, data: bytes) -> bytes:
    """Return the reply to one request; raises ModbusError."""
    if function not in (READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY):
        raise ModbusError(ILLEGAL_FUNCTION)
    if len(data) < 4:
        raise ModbusError(ILLEGAL_VALUE)
    first, second = struct.unpack_from(">HH", data)
    if function in (READ_HOLDING, READ_INPUT):
        if not 1 <= second <= MAX_READ or len(data) != 4:
            raise ModbusError(ILLEGAL_VALUE)
        words = registers.read(function, first, second)
        return bytes((function, 2 * len(words))) + struct.pack(f">{len(words)}H", *words)
    if function == WRITE_ONE:
        registers.write(first, [second])
    else:
        if not 1 <= second <= MAX_WRITE or len(data) != 5 + 2 * second or data[4] != 2 * second:
            raise ModbusError(ILLEGAL_VALUE)
        registers.write(first, list(struct.unpack_from(f">{second}H", data, 5)))
    return bytes((function,)) + data[:4]


async def serve_modbus(
    devices: Mapping[int, Registers], address: str, port: int
) -> tuple[asyncio.Server, Callable[[], None]]:
    """Listen for the devices of these Modbus addresses; return the server, and what ends its connections.

    Raises OSError where the address is taken.
    """
    open_ones: set[ModbusConnection] = set()

    def end() -> None:
        for connection in tuple(open_ones):
            connection.drop()

    server = await asyncio.get_running_loop().create_server(lambda: ModbusConnection(devices, open_ones), address, port)
    return server, end
