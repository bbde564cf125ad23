"""Modbus TCP: one connection, one request at a time, frames and messages by pymodbus.

pymodbus' own client repeats what it got no answer to, writes too (facts "control", section 6); here nothing is sent
twice. Deadlines are the caller's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from agent.model.errors import CodecError, DeviceError, RefusedError, ResetError, SilentError

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
MAX_FRAME_BYTES = 260
_HEAD_BYTES = 6

_EXCEPTIONS = {
    1: "it knows no such function",
    2: "it has no such register, or not for that",
    3: "it does not take that value",
    4: "it failed",
    6: "it is busy",
}


class ModbusLink:
    """An open connection to one device."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, device_id: int) -> None:
        self._reader = reader
        self._writer = writer
        self._device_id = device_id
        self._framer = FramerSocket(DecodePDU(False))
        self._turn = 0

    async def read(self, function: int, register: int, count: int) -> list[int]:
        """Return registers; raises DeviceError where it does not tell them, and what `_ask` raises."""
        kind = ReadHoldingRegistersRequest if function == READ_HOLDING else ReadInputRegistersRequest
        answer = await self._ask(kind(address=register, count=count, dev_id=self._device_id))
        words = list(answer.registers)
        if len(words) != count:
            raise CodecError(f"register {register}: expected {count} registers, came {len(words)}")
        return words

    async def write(self, function: int, register: int, words: list[int]) -> None:
        """Write registers, once; raises DeviceError where it did not take them, and what `_ask` raises."""
        request: ModbusPDU
        if function == WRITE_ONE:
            request = WriteSingleRegisterRequest(address=register, registers=words, dev_id=self._device_id)
        else:
            request = WriteMultipleRegistersRequest(address=register, registers=words, dev_id=self._device_id)
        await self._ask(request)

    async def _ask(self, request: ModbusPDU) -> ModbusPDU:
        """Send one request and return its answer.

        Raises:
            DeviceError: the device answered no.
            CodecError: what came is no answer to it.
            ResetError, SilentError: the connection ended before it.
        """
        self._turn = request.transaction_id = self._turn % 0xFFFF + 1
        try:
            self._writer.write(self._framer.buildFrame(request))
            await self._writer.drain()
            answer = await self._answer(request)
        except asyncio.IncompleteReadError:
            raise ResetError("expected an answer, the device closed the connection") from None
        except OSError as error:
            raise ResetError(f"expected an answer, the connection broke ({error.strerror})") from None
        if isinstance(answer, ExceptionResponse):
            why = _EXCEPTIONS.get(answer.exception_code, "it gave no usual reason")
            raise DeviceError(
                f"register {request.address}: refused with Modbus exception {answer.exception_code}: {why}"
            )
        if answer.function_code != request.function_code:
            raise CodecError(f"expected an answer to function {request.function_code}, came {answer.function_code}")
        return answer

    async def _answer(self, request: ModbusPDU) -> ModbusPDU:
        """Return the next frame that answers the request; a late answer to an earlier one is passed over."""
        while True:
            head = await self._reader.readexactly(_HEAD_BYTES)
            length = int.from_bytes(head[4:6], "big")
            if head[2:4] != b"\0\0" or not 2 <= length <= MAX_FRAME_BYTES - _HEAD_BYTES:
                raise CodecError("expected a Modbus frame, came something else; is this a cooling unit's port?")
            frame = head + await self._reader.readexactly(length)
            try:
                _, answer = self._framer.handleFrame(frame, self._device_id, request.transaction_id)
            except (ModbusException, ValueError, IndexError, LookupError) as error:
                raise CodecError(
                    f"expected a Modbus answer, came one that means nothing ({type(error).__name__})"
                ) from None
            except Exception as error:
                raise CodecError(f"expected a Modbus answer, came garbage ({type(error).__name__})") from None
            if answer is not None:
                return answer


@asynccontextmanager
async def connected(endpoint: tuple[str, int], device_id: int) -> AsyncIterator[ModbusLink]:
    """Open a connection for the time of the context.

    Raises:
        RefusedError: nothing listens there. SilentError: no way there.
    """
    where = f"{endpoint[0]}:{endpoint[1]}"
    try:
        reader, writer = await asyncio.open_connection(*endpoint, limit=4 * MAX_FRAME_BYTES)
    except (ConnectionRefusedError, ConnectionResetError):
        raise RefusedError(f"{where}: connection refused; the host is up and nothing listens there") from None
    except OSError as error:
        raise SilentError(f"{where}: no connection ({error.strerror})") from None
    try:
        yield ModbusLink(reader, writer, device_id)
    finally:
        writer.transport.abort()
