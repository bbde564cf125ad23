"""One request, one reply, one TCP connection: the wire under every cgminer-style API.

A reply ends at a NUL byte or where the device closes. Nothing is kept between requests.
"""

import asyncio
import errno

from agent.codecs.cgminer import Framer
from agent.model.errors import AgentError, CodecError, RefusedError, ResetError, SilentError, TransportError

OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Socket errors that tell of this host's limits and nothing of the device."""


class _Exchange(asyncio.Protocol):
    """Writes the request, collects the reply, and resolves `outcome` exactly once.

    The deadline is one timer and no `asyncio.timeout`, whose context costs 4 µs of the 60 of a whole exchange.
    """

    __slots__ = ("deadline_s", "framer", "gave_up_connecting", "outcome", "payload", "task", "transport")

    def __init__(self, payload: bytes, deadline_s: float, limit_bytes: int, loop: asyncio.AbstractEventLoop) -> None:
        self.payload = payload
        self.deadline_s = deadline_s
        self.framer = Framer(limit_bytes)
        self.outcome: asyncio.Future[bytes | AgentError] = loop.create_future()
        self.task: asyncio.Task[object] = asyncio.current_task(loop)  # type: ignore[assignment] # a coroutine has one
        self.transport: asyncio.Transport | None = None
        self.gave_up_connecting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # create_connection always makes a Transport
        transport.write(self.payload)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        try:
            reply = self.framer.feed(data)
        except CodecError as error:
            self._settle(error)
        else:
            if reply is not None:
                self._settle(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self.framer.size:
            self._settle(ResetError("expected a reply, the device reset the connection; its API is not serving"))
        else:
            self._settle(self.framer.end())

    def expire(self) -> None:
        """End the exchange at its deadline: only cancelling ends a connect, a reply is no longer waited for."""
        if self.transport is None:
            self.gave_up_connecting = True
            self.task.cancel()
        else:
            self._settle(self.silence())

    def silence(self) -> SilentError:
        return SilentError(f"expected a complete reply within {self.deadline_s:g} s, none came")

    def _settle(self, outcome: bytes | AgentError) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


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
    loop = asyncio.get_running_loop()
    exchange = _Exchange(payload, deadline_s, limit_bytes, loop)
    cancelled_before = exchange.task.cancelling()
    deadline = loop.call_later(deadline_s, exchange.expire)
    outcome: bytes | AgentError
    try:
        await loop.create_connection(lambda: exchange, endpoint[0], endpoint[1])
        outcome = await exchange.outcome
    except asyncio.CancelledError:
        if not exchange.gave_up_connecting or exchange.task.uncancel() > cancelled_before:
            raise  # somebody else wants this poll to end
        outcome = exchange.silence()
    except (ConnectionRefusedError, ConnectionResetError):
        outcome = RefusedError("connection refused; the host is up and nothing listens there")
    except OSError as error:
        outcome = _explained(error)
    finally:
        deadline.cancel()
        if exchange.transport is not None:
            exchange.transport.abort()
    if isinstance(outcome, AgentError):
        raise type(outcome)(f"{endpoint[0]}:{endpoint[1]}: {outcome}")
    return outcome


def _explained(error: OSError) -> TransportError:
    """Tell a device that cannot be reached from a host that cannot reach anything."""
    if error.errno in OWN_FAULTS:
        return TransportError(
            f"this host could not open a connection ({error.strerror}); raise its limits (LimitNOFILE)"
        )
    return SilentError(f"no connection ({error.strerror or type(error).__name__})")
