"""One connection to a pool: lines out, lines in, TLS where it is wanted. What is said, the probe understands."""

import asyncio
import ssl

from agent.codecs.stratum import Lines, garbage
from agent.model.errors import CodecError, PolicyError, ResetError


class PoolWire(asyncio.Protocol):
    """Collects what the pool says, within the bounds of `Lines`. One reader at a time.

    Attributes:
        lines: what has come and was not taken yet.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lines = Lines()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._has_ended = False
        self._news: asyncio.Future[None] | None = None

    # -- asyncio's side ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the connection."""
        self._transport = transport  # type: ignore[assignment] # create_connection always makes a Transport

    def data_received(self, data: bytes) -> None:
        """Keep what came, within bounds."""
        self.lines.feed(data)
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        self._has_ended = True
        self._tell()

    # -- the probe's side ----------------------------------------------------------------------------------------------

    def send(self, line: bytes) -> None:
        """Send a line; a connection that has ended takes it and loses it."""
        if self._transport is not None:
            self._transport.write(line)

    async def line(self) -> bytes:
        """Return the next line.

        Raises:
            CodecError: the pool passed a bound, or ended the connection within a line.
            ResetError: the pool ended the connection.
        """
        while (line := self.lines.take()) is None:
            if self._has_ended and self.lines.partial:
                raise garbage(self.lines.partial)
            if self._has_ended:
                raise ResetError("the pool ended the connection before it answered")
            self._news = self._loop.create_future()
            await self._news
        return line

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Go on in TLS with the server that is to prove that it is `host`.

        Raises:
            PolicyError: its certificate is not to be trusted.
            CodecError: it does not speak TLS, or not so that both sides agree.
            ResetError: it ended the connection.
        """
        if self._transport is None or self.lines.has_begun:
            # What came in plain text must not be taken for something said under the certificate.
            raise CodecError("expected a TLS handshake, came plain text: does this port speak TLS?")
        try:
            self._transport = await self._loop.start_tls(self._transport, self, context, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise PolicyError(f"its certificate is not to be trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise CodecError(f"no TLS came about ({error.reason or 'closed'}): does this port speak TLS?") from None
        except OSError:
            raise ResetError("the pool ended the connection at the TLS handshake: does this port speak TLS?") from None
        except ValueError:
            raise PolicyError(f"{host!r} cannot stand in a certificate: check the pool's host") from None

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
