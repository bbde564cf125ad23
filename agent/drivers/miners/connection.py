"""One request, one reply, one TCP connection: the wire under every cgminer-style API.

A reply ends at a NUL byte or where the device closes. Nothing is kept between requests.
"""

import asyncio
import errno

from agent.codecs.cgminer import Framer
from agent.model.errors import AgentError, CodecError, RefusedError, SilentError, TransportError

OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""Socket errors that tell of this host's limits and nothing of the device."""


class _Exchange(asyncio.Protocol):
    """Writes the request, collects the reply, and resolves `outcome` exactly once."""

    __slots__ = ("framer", "outcome", "payload", "transport")

    def __init__(self, payload: bytes, limit_bytes: int, outcome: asyncio.Future[bytes | AgentError]) -> None:
        self.payload = payload
        self.framer = Framer(limit_bytes)
        self.outcome = outcome
        self.transport: asyncio.Transport | None = None

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
            self._settle(RefusedError("expected a reply, the device reset the connection; its API is not serving"))
        else:
            self._settle(self.framer.end())

    def _settle(self, outcome: bytes | AgentError) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


async def request(endpoint: tuple[str, int], payload: bytes, *, deadline_s: float, limit_bytes: int) -> bytes:
    """Send `payload` and return the reply without its NUL; the connection is gone when this returns.

    A reply cut off by a reset is returned as far as it came: what it is worth is the codec's business.

    Raises:
        RefusedError: nothing listens there, or the connection was reset before the first byte.
        SilentError: no complete reply within `deadline_s`, or no way to the host.
        CodecError: the reply is longer than `limit_bytes`.
        TransportError: this host could not open a connection at all.
    """
    loop = asyncio.get_running_loop()
    exchange = _Exchange(payload, limit_bytes, loop.create_future())
    try:
        async with asyncio.timeout(deadline_s):
            await loop.create_connection(lambda: exchange, endpoint[0], endpoint[1])
            outcome = await exchange.outcome
    except TimeoutError:
        raise SilentError(f"{_name(endpoint)}: expected a complete reply within {deadline_s:g} s, none came") from None
    except (ConnectionRefusedError, ConnectionResetError):
        raise RefusedError(f"{_name(endpoint)}: connection refused; the host is up and nothing listens there") from None
    except OSError as error:
        raise _explain(_name(endpoint), error) from None
    finally:
        if exchange.transport is not None:
            exchange.transport.abort()
    if isinstance(outcome, AgentError):
        raise type(outcome)(f"{_name(endpoint)}: {outcome}")
    return outcome


def _name(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


def _explain(where: str, error: OSError) -> TransportError:
    """Tell a device that cannot be reached from a host that cannot reach anything."""
    if error.errno in OWN_FAULTS:
        return TransportError(
            f"{where}: this host could not open a connection ({error.strerror}); raise its limits (LimitNOFILE)"
        )
    return SilentError(f"{where}: no connection ({error.strerror or type(error).__name__})")
