"""One TCP connection in memory: two transports that hand each other bytes, ends and resets on one event loop.

Modelled on asyncio's selector transport over Linux loopback sockets, as a protocol sees the two together:
- bytes written in one turn arrive together, and with them an end right behind them;
- a pipe holds PIPE_BYTES, what is more waits with the writer under asyncio's flow control;
- closing or aborting tells the peer of the end, unless bytes are left unread or SO_LINGER was set to zero: then it is a
  reset. Bytes that came before a reset can still be read;
- writing to a peer that is gone is lost, the reset it brings is seen by the next write or read.

Who listens where is not known here.
"""

import asyncio
import contextvars
import os
import socket
import struct
from collections.abc import Callable
from errno import ECONNRESET, ENOTCONN, EPIPE
from typing import Any, TypeVar

Address = tuple[str, int]
_Error = TypeVar("_Error", bound=OSError)

PIPE_BYTES = 262_144
"""What is on its way to one side at most; as much as asyncio reads at a time."""
HIGH_WATER_BYTES = 65_536
"""Beyond this much unsent a protocol is asked to pause, unless it sets other limits; asyncio's own default."""


def broken(kind: type[_Error], code: int) -> _Error:
    """Return the error that the system would raise."""
    return kind(code, os.strerror(code))


class Watchable:
    """Two descriptors for whoever polls one instead of reading: one always readable, one never."""

    def __init__(self) -> None:
        self._pipes: list[tuple[int, int]] = []

    def fileno(self, *, readable: bool) -> int:
        """Return the descriptor that tells this."""
        if not self._pipes:
            self._pipes = [os.pipe(), os.pipe()]
            os.write(self._pipes[True][1], b"\0")
        return self._pipes[readable][0]

    def close(self) -> None:
        """Close both."""
        for ends in self._pipes:
            for end in ends:
                os.close(end)
        self._pipes.clear()


class _Socket:
    """What a transport shows as its socket: addresses, lingering, and whether there is something to read."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, stream: "Stream", watchable: Watchable) -> None:
        self._stream = stream
        self._watchable = watchable

    def getsockname(self) -> Address:
        """Return this side's address."""
        return self._stream.local

    def getpeername(self) -> Address:
        """Return the other side's address."""
        return self._stream.remote

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Heed SO_LINGER; nothing else makes a difference in memory."""
        if level == socket.SOL_SOCKET and option == socket.SO_LINGER and isinstance(value, bytes):
            switched_on, wait_s = struct.unpack("ii", value)
            self._stream.resets_on_close = bool(switched_on) and wait_s == 0

    def fileno(self) -> int:
        """Return a descriptor that polls as this socket would, now; -1 once it is closed."""
        return -1 if self._stream.is_gone else self._watchable.fileno(readable=self._stream.is_readable)


class Stream(asyncio.Transport):
    """One side of a connection.

    Attributes:
        resets_on_close: the peer sees a reset when this side closes, and not an end.
        is_gone: this side's socket is closed.
        on_end: called once the connection of an opened side has ended.
        peer, held, backlog: the other side; bytes on their way here; bytes that wait with this side as the writer.
    """

    _start_tls_compatible = True  # asyncio asks for it before it puts TLS over a transport

    __slots__ = (
        "_closing",
        "_context",
        "_due",
        "_eof",
        "_failure",
        "_fin",
        "_high",
        "_inbox",
        "_loop",
        "_lost",
        "_low",
        "_paused",
        "_protocol",
        "_reading",
        "_throttled",
        "_watchable",
        "backlog",
        "held",
        "is_gone",
        "local",
        "on_end",
        "peer",
        "remote",
        "resets_on_close",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        watchable: Watchable,
        addresses: tuple[Address, Address],
        context: contextvars.Context,
    ) -> None:
        self._loop = loop
        self._watchable = watchable
        self.local, self.remote = addresses
        self._context = context
        self.peer: Stream
        self._protocol: Any = None
        self.on_end: Callable[[], None] | None = None
        # what comes in
        self._inbox: list[bytes] = []
        self.held = 0
        self._fin = False
        self._failure: OSError | None = None
        self._reading = self._paused = self._due = False
        # what goes out
        self.backlog = bytearray()
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._throttled = self._eof = False
        # how it ends
        self._closing = self._lost = False
        self.is_gone = self.resets_on_close = False

    def schedule(self, step: Callable[..., object], *arguments: object) -> None:
        """Call something in this side's own context, after what is ready."""
        self._loop.call_soon(step, *arguments, context=self._context)

    def open(self, protocol: Any) -> None:
        """Begin: tell the protocol, then read what has come already."""
        self._protocol = protocol
        try:
            protocol.connection_made(self)
        except Exception as error:
            self._spoilt(error)
            return
        if not (self._paused or self._closing):
            self._reading = True
            if self._inbox:
                self._read()
            else:
                self._read_on()

    def refuse(self) -> None:
        """Reset the peer in place of being opened."""
        self.is_gone = self._lost = self._closing = True
        self.peer.reset_by_peer()

    # -- asyncio's transport -------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `sockname`, `peername` or `socket`."""
        if name == "peername":
            return self.remote
        if name == "sockname":
            return self.local
        return _Socket(self, self._watchable) if name == "socket" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Go on with another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol  # type: ignore[no-any-return] # what a factory made

    def is_closing(self) -> bool:
        """Tell whether this side is closing or closed."""
        return self._closing

    def is_reading(self) -> bool:
        """Tell whether the protocol is given what comes."""
        return not (self._closing or self._paused)

    @property
    def is_readable(self) -> bool:
        """Whether a read would return at once."""
        return bool(self._inbox) or self._fin or self._failure is not None

    def pause_reading(self) -> None:
        """Let what comes wait."""
        if not (self._closing or self._paused):
            self._paused = True
            self._reading = False

    def resume_reading(self) -> None:
        """Take what comes again."""
        if self._paused and not self._closing:
            self._paused = False
            self._read_on()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set what pauses and resumes the protocol's writing, in bytes."""
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"expected high >= low >= 0, came high {high!r} and low {low!r}")
        self._high, self._low = high, low
        self._throttle()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return low and high in bytes."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait with the writer."""
        return len(self.backlog)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what the pipe cannot hold waits."""
        if type(data) is not bytes:
            if not isinstance(data, bytes | bytearray | memoryview):
                raise TypeError(f"expected bytes, came {type(data).__name__}")
            data = bytes(data)
        if self._eof:
            raise RuntimeError("expected no write after write_eof")
        if not data or self._lost:
            return
        if not self.backlog:
            if self._failure is not None:
                self._end(self._failure)
                return
            peer = self.peer
            if peer.is_gone:
                self.reset_by_peer()
                return
            room = PIPE_BYTES - peer.held
            if len(data) <= room:
                peer.take(data)
                return
            if room > 0:
                peer.take(data[:room])
                data = data[room:]
        self.backlog += data
        self._throttle()

    def can_write_eof(self) -> bool:
        """Say yes."""
        return True

    def write_eof(self) -> None:
        """Tell the peer that nothing more comes, once everything has been sent."""
        if self._closing or self._eof:
            return
        self._eof = True
        if self._failure is not None:
            raise broken(OSError, ENOTCONN)
        if not self.backlog:
            self.peer.ended_by_peer()

    def close(self) -> None:
        """Read no more, send what waits, and end."""
        if self._closing:
            return
        self._closing = True
        self._reading = False
        if not self.backlog:
            self._lost = True
            if not (self._inbox or self.resets_on_close):
                self.peer.expect_end()
            self.schedule(self._finish, None)

    def abort(self) -> None:
        """End now; what waits is lost."""
        self._end(None)

    def _force_close(self, exc: Exception | None) -> None:
        """End now, for a reason: what asyncio's TLS asks of a transport."""
        self._end(exc)

    # -- between the two sides -----------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Receive what the peer sent."""
        self._inbox.append(data)
        self.held += len(data)
        if self._reading and not self._due:
            self._due = True
            self._loop.call_soon(self._read, context=self._context)

    def expect_end(self) -> None:
        """Receive the peer's end along with bytes that are on their way; else it comes by itself."""
        self._fin = self._fin or bool(self._due and self._inbox)

    def ended_by_peer(self) -> None:
        """Receive the peer's end."""
        if not self._fin:
            self._fin = True
            self._look()

    def reset_by_peer(self) -> None:
        """Fail from now on: as a broken pipe where the peer's end had come, else as a reset."""
        if self.is_gone or self._failure is not None:
            return
        self._failure = broken(BrokenPipeError, EPIPE) if self._fin else broken(ConnectionResetError, ECONNRESET)
        if self.backlog:
            self.schedule(self.flush)
        self._look()

    def flush(self) -> None:
        """Send of what waits as much as there is room for."""
        if self._lost:
            return
        if self._failure is not None:
            self._end(self._failure)
            return
        room = PIPE_BYTES - self.peer.held
        if room > 0 and self.backlog:
            self.peer.take(bytes(self.backlog[:room]))
            del self.backlog[:room]
        if self._throttled and len(self.backlog) <= self._low:
            self._throttled = False
            self._protocol.resume_writing()
        if not self.backlog and self._closing:
            self._lost = True
            self._finish(None)
        elif not self.backlog and self._eof:
            self.peer.ended_by_peer()

    def _throttle(self) -> None:
        if not self._throttled and len(self.backlog) > self._high:
            self._throttled = True
            self._protocol.pause_writing()

    # -- reading -------------------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        self._reading = True
        if self._inbox or self._fin or self._failure is not None:
            self._look()

    def _look(self) -> None:
        """Look, soon, at what has come."""
        if self._reading and not self._due:
            self._due = True
            self._loop.call_soon(self._read, context=self._context)

    def _read(self) -> None:
        """Hand over what has come: first bytes, then the end or the reset behind them."""
        self._due = False
        if not self._reading:
            return
        inbox = self._inbox
        if inbox:
            data = inbox[0] if len(inbox) == 1 else b"".join(inbox)
            inbox.clear()
            self.held = 0
            if self.peer.backlog:
                self.peer.schedule(self.peer.flush)
            try:
                _hand_over(self._protocol, data)
            except Exception as error:
                self._spoilt(error)
                return
            if self._failure is not None:
                self._look()
            elif self._fin and self._reading and not self._inbox:
                self._read_end()
        elif self._fin:
            self._read_end()
        elif self._failure is not None:
            self._end(self._failure)

    def _read_end(self) -> None:
        self._reading = False
        try:
            keeps_open = self._protocol.eof_received()
        except Exception as error:
            self._spoilt(error)
            return
        if not keeps_open:
            self.close()

    # -- the end -------------------------------------------------------------------------------------------------------

    def _spoilt(self, error: Exception) -> None:
        """End because the protocol failed, and say so unless the wire is to blame."""
        if not isinstance(error, OSError):
            self._loop.call_exception_handler(
                {
                    "message": "a protocol failed at what it received",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._lost:
            return
        self.backlog.clear()
        self._closing = self._lost = True
        self._reading = False
        self.schedule(self._finish, error)

    def _finish(self, error: Exception | None) -> None:
        """Tell the protocol, then the peer."""
        try:
            self._protocol.connection_lost(error)
        finally:
            self.is_gone = True
            self._protocol = None
            peer = self.peer
            if peer.is_gone:
                del self.peer, peer.peer  # no cycle outlives a connection
            elif self._inbox or self.resets_on_close:
                peer.reset_by_peer()
            else:
                peer.ended_by_peer()
            self._inbox.clear()
            if self.on_end is not None:
                self.on_end()
                self.on_end = None


def _hand_over(protocol: Any, data: bytes) -> None:
    """Give data to a protocol of either kind; TLS reads into buffers of its own."""
    if not isinstance(protocol, asyncio.BufferedProtocol):
        protocol.data_received(data)
        return
    rest = memoryview(data)
    while rest:
        buffer = memoryview(protocol.get_buffer(len(rest)))
        taken = min(len(buffer), len(rest))
        buffer[:taken] = rest[:taken]
        protocol.buffer_updated(taken)
        rest = rest[taken:]


def pair(
    loop: asyncio.AbstractEventLoop,
    watchable: Watchable,
    client: tuple[Address, contextvars.Context],
    server: tuple[Address, contextvars.Context],
) -> tuple[Stream, Stream]:
    """Return the two sides of a new connection, neither of them opened."""
    here = Stream(loop, watchable, (client[0], server[0]), client[1])
    there = Stream(loop, watchable, (server[0], client[0]), server[1])
    here.peer, there.peer = there, here
    return here, there
