"""One request, one reply, one TCP connection: the wire under every cgminer-style API.

A reply ends at a NUL byte or where the device closes. Nothing is kept between requests.
"""

import asyncio
import errno
from collections.abc import Iterator

from agent.codecs.cgminer import Framer
from agent.model.errors import (
    AgentError,
    CodecError,
    InvariantError,
    RefusedError,
    ResetError,
    SilentError,
    TransportError,
)

OFFER_DEADLINE_S = 15.0
OFFER_LIMIT_BYTES = 16_384
UPLOAD_DEADLINE_S = 900.0
UPLOAD_PIECE_BYTES = 65_536

OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Socket errors that tell of this host's limits and nothing of the device."""


class Exchange(asyncio.Protocol):
    """One request and its reply, each once. It has no deadline: whoever has it carried out calls `expire` in time."""

    __slots__ = ("_endpoint", "_expired", "_framer", "_outcome", "_payload", "_task", "_transport")

    def __init__(self, endpoint: tuple[str, int], payload: bytes, limit_bytes: int) -> None:
        self._endpoint = endpoint
        self._payload = payload
        self._framer = Framer(limit_bytes)
        self._expired: SilentError | None = None
        self._task: asyncio.Task[object] | None = None
        self._transport: asyncio.Transport | None = None
        self._outcome: asyncio.Future[bytes | AgentError] | None = None

    async def reply(self) -> bytes:
        """Carry it out and return the reply without its NUL; the connection is gone when this returns.

        Raises what `request` raises.
        """
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes | AgentError] = loop.create_future()
        self._outcome = waiting
        task: asyncio.Task[object] = asyncio.current_task(loop)  # type: ignore[assignment] # a coroutine has one
        cancelled_before = task.cancelling()
        outcome: bytes | AgentError
        try:
            if self._expired is None:
                self._task = task
                await loop.create_connection(lambda: self, self._endpoint[0], self._endpoint[1])
                self._task = None
            outcome = await waiting if self._expired is None else self._expired
        except asyncio.CancelledError:
            if self._expired is None or task.uncancel() > cancelled_before:
                raise  # somebody else wants this to end
            outcome = self._expired
        except (ConnectionRefusedError, ConnectionResetError):
            outcome = RefusedError("connection refused; the host is up and nothing listens there")
        except OSError as error:
            outcome = _explained(error)
        finally:
            self._task = None
            if self._transport is not None:
                self._transport.abort()
        if isinstance(outcome, AgentError):
            raise type(outcome)(f"{self._endpoint[0]}:{self._endpoint[1]}: {outcome}")
        return outcome

    def expire(self, why: str) -> None:
        """End it with a SilentError, whatever it is waiting for."""
        if self._expired is not None:
            return
        error = SilentError(why)
        if self._transport is not None:
            self._settle(error)
            return
        self._expired = error
        if self._task is not None:
            self._task.cancel()  # nothing else ends a connect

    # -- asyncio's protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self._transport = transport  # type: ignore[assignment] # create_connection always makes a Transport
        transport.write(self._payload)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Collect the reply."""
        try:
            reply = self._framer.feed(data)
        except CodecError as error:
            self._settle(error)
        else:
            if reply is not None:
                self._settle(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take what came for the reply."""
        if exc is not None and not self._framer.size:
            self._settle(ResetError("expected a reply, the device reset the connection; its API is not serving"))
        else:
            self._settle(self._framer.end())

    def _settle(self, outcome: bytes | AgentError) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)


async def request(endpoint: tuple[str, int], payload: bytes, *, deadline_s: float, limit_bytes: int) -> bytes:
    """Send `payload` and return the reply without its NUL; the connection is gone when this returns.

    A reply cut off by a reset is returned as far as it came: what it is worth is the codec's business.

    Raises:
        RefusedError: nothing listens there.
        ResetError: the connection was reset before the first byte.
        SilentError: no complete reply within `deadline_s`, or no way to the host.
        CodecError: the reply is longer than `limit_bytes`.
        TransportError: this host could not open a connection at all.
    """
    exchange = Exchange(endpoint, payload, limit_bytes)
    deadline = asyncio.get_running_loop().call_later(deadline_s, exchange.expire, no_reply_within(deadline_s))
    try:
        return await exchange.reply()
    finally:
        deadline.cancel()


async def answers_at(endpoint: tuple[str, int], deadline_s: float) -> bool:
    """Whether somebody accepts a connection there within `deadline_s`.

    Raises TransportError where this host could not open a connection at all.
    """
    try:
        async with asyncio.timeout(deadline_s):
            _, writer = await asyncio.open_connection(*endpoint)
    except TimeoutError:
        return False
    except OSError as error:
        if error.errno in OWN_FAULTS:
            raise _explained(error) from None
        return False
    writer.transport.abort()
    return True


def no_reply_within(deadline_s: float) -> str:
    """Return what to say of a device that missed its deadline."""
    return f"expected a complete reply within {deadline_s:g} s, none came"


def _explained(error: OSError) -> TransportError:
    """Tell a device that cannot be reached from a host that cannot reach anything."""
    if error.errno in OWN_FAULTS:
        return TransportError(
            f"this host could not open a connection ({error.strerror}); raise its limits (LimitNOFILE)"
        )
    return SilentError(f"no connection ({error.strerror or type(error).__name__})")


class Upload:
    """One connection on which a request is answered and bytes follow: a firmware image after its announcement."""

    def __init__(self, endpoint: tuple[str, int]) -> None:
        self._endpoint = endpoint
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> "Upload":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()

    async def offer(self, payload: bytes, **_ignored: object) -> bytes:
        """Send the announcement and return the reply; the connection stays open. Raises as `request` does."""
        where = f"{self._endpoint[0]}:{self._endpoint[1]}"
        try:
            async with asyncio.timeout(OFFER_DEADLINE_S):
                self._streams = await asyncio.open_connection(*self._endpoint)
                self._streams[1].write(payload)
                return await self._reply()
        except TimeoutError:
            raise SilentError(f"{where}: {no_reply_within(OFFER_DEADLINE_S)}") from None
        except ConnectionRefusedError:
            raise RefusedError(f"{where}: connection refused; the host is up and nothing listens there") from None
        except OSError as error:
            raise _explained(error) from None

    async def send(self, data: bytes) -> None:
        """Send size and bytes, and wait until the device closes the connection.

        Raises SilentError and TransportError: nobody knows what the device does with what came.
        """
        if self._streams is None:
            raise InvariantError("an upload was begun before it was offered")
        reader, writer = self._streams
        where = f"{self._endpoint[0]}:{self._endpoint[1]}"
        try:
            async with asyncio.timeout(UPLOAD_DEADLINE_S):
                for piece in (len(data).to_bytes(4, "little"), *_pieces(data)):
                    writer.write(piece)
                    await writer.drain()
                while await reader.read(UPLOAD_PIECE_BYTES):
                    pass  # what it says is no proof of anything; that it took all of it is told by the orderly end
        except TimeoutError:
            raise SilentError(f"{where}: expected the upload to end within {UPLOAD_DEADLINE_S:g} s") from None
        except OSError as error:
            raise TransportError(f"{where}: the connection broke under the upload ({type(error).__name__})") from None

    async def _reply(self) -> bytes:
        """Return what comes up to a NUL, or to what a JSON object ends with."""
        reader = self._streams[0] if self._streams else None
        reply = bytearray()
        while reader is not None and len(reply) <= OFFER_LIMIT_BYTES:
            piece = await reader.read(OFFER_LIMIT_BYTES)
            reply += piece
            if not piece or reply.endswith(b"\0") or reply.rstrip().endswith(b"}"):
                return bytes(reply.partition(b"\0")[0])
        raise CodecError(f"expected a reply of at most {OFFER_LIMIT_BYTES} bytes, more came; is this a miner's API?")


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + UPLOAD_PIECE_BYTES] for start in range(0, len(data), UPLOAD_PIECE_BYTES))
