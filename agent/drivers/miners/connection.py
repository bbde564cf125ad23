"""One request, one reply, one TCP connection: the wire under every cgminer-style API.

A reply ends at a NUL byte or where the device closes. Nothing is kept between requests.
"""

import asyncio
import errno

from agent.codecs.cgminer import Framer
from agent.model.errors import AgentError, CodecError, RefusedError, ResetError, SilentError, TransportError

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
