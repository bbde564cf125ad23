"""A UDP endpoint in memory: datagrams handed over one a turn, in their order, dropped where the queue is full.

Who is bound where is not known here; the loop tells.
"""

import asyncio
import contextvars
from collections.abc import Callable
from errno import ECONNREFUSED, EMSGSIZE
from typing import Any

from simulators.memory_stream import Address, broken

QUEUE_BYTES = 212_992
"""What waits to be read at most; Linux's default receive buffer. More is lost, as on the wire."""
DATAGRAM_MAX_BYTES = 65_507
LOOPBACK = "127.0.0.1"
"""Where one speaks from who names no address, as on a real loopback interface."""
ANY = "0.0.0.0"  # noqa: S104 - nothing is bound outside this process


class DatagramEnd(asyncio.DatagramTransport):
    """One endpoint.

    Attributes:
        address: where it is bound; set before it is opened.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        at: Callable[[Address], "DatagramEnd | None"],
        release: Callable[[Address], None],
        remote: Address | None,
    ) -> None:
        super().__init__()
        self.address: Address = (ANY, 0)
        self._loop = loop
        self._at = at
        self._release = release
        self._remote = remote
        self._context = contextvars.copy_context()
        self._protocol: Any = None
        self._held = 0
        self._closing = False

    def schedule(self, step: Callable[..., object], *arguments: object) -> None:
        """Call something in this endpoint's own context, after what is ready."""
        self._loop.call_soon(step, *arguments, context=self._context)

    def open(self, protocol: Any) -> None:
        """Begin."""
        self._protocol = protocol
        protocol.connection_made(self)

    # -- asyncio's transport -------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `sockname` or `peername`."""
        if name == "sockname":
            return self.address
        return self._remote if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Go on with another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol  # type: ignore[no-any-return] # what a factory made

    def is_closing(self) -> bool:
        """Tell whether it is closing or closed."""
        return self._closing

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        """Send one datagram; nobody is told where none is there to take it, except by a connected endpoint."""
        if self._closing or not data:
            return
        if len(data) > DATAGRAM_MAX_BYTES:
            self._protocol.error_received(broken(OSError, EMSGSIZE))
            return
        if self._remote is not None and addr is not None and tuple(addr) != self._remote:
            raise ValueError(
                f"expected no address but {self._remote}, which this endpoint is connected to; came {addr}"
            )
        to = self._remote if addr is None else (addr[0], addr[1])
        if to is None:
            raise ValueError("expected an address: this endpoint is not connected to one")
        receiver = self._at(to)
        if receiver is not None:
            receiver._take(bytes(data), self._source)  # noqa: SLF001 - another of the same kind
        elif self._remote is not None:
            self.schedule(self._complain)

    def close(self) -> None:
        """Close; what has not been read is lost."""
        if not self._closing:
            self._closing = True
            self.schedule(self._finish)

    def abort(self) -> None:
        """Close."""
        self.close()

    # -- between endpoints ---------------------------------------------------------------------------------------------

    @property
    def _source(self) -> Address:
        host, port = self.address
        return (LOOPBACK if host == ANY else host, port)

    def _take(self, data: bytes, sender: Address) -> None:
        if self._held + len(data) > QUEUE_BYTES or (self._remote is not None and sender != self._remote):
            return
        self._held += len(data)
        self.schedule(self._deliver, data, sender)

    def _deliver(self, data: bytes, sender: Address) -> None:
        self._held -= len(data)
        if not self._closing:
            self._protocol.datagram_received(data, sender)

    def _complain(self) -> None:
        if not self._closing:
            self._protocol.error_received(broken(ConnectionRefusedError, ECONNREFUSED))

    def _finish(self) -> None:
        try:
            self._protocol.connection_lost(None)
        finally:
            self._release(self.address)
