"""Asks whoever serves a Unix socket, for commands that run and end: blocking, with one deadline, everything bounded."""

import socket
from pathlib import Path
from typing import TypeVar

import h11
import msgspec

from agent.api.routes import PREFIX, Failure
from agent.api.socket import require_short
from agent.model.errors import CodecError, PolicyError, RefusedError, TransportError

DEADLINE_S = 10.0
MAX_REPLY_BYTES = 1 << 20
READ_BYTES = 65_536

T = TypeVar("T")


def ask(path: Path, method: str, target: str, answer: type[T], body: object = None) -> T:
    """Send one request and return what is answered.

    Args:
        path: of the socket.
        method: as HTTP has it.
        target: the path below the protocol's version.
        answer: what is expected.
        body: sent as JSON; None sends nothing.

    Raises:
        PolicyError: it was refused, and why.
        RefusedError: nobody serves that socket.
        TransportError, CodecError: somebody does, and nothing sensible came back.
    """
    require_short(path)
    sent = b"" if body is None else msgspec.json.encode(body)
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=READ_BYTES)
    headers = [("Host", "localhost"), ("Content-Length", str(len(sent))), ("Connection", "close")]
    request = h11.Request(method=method, target=f"{PREFIX}{target}", headers=headers)
    head = connection.send(request) or b""
    whole = head + (connection.send(h11.Data(data=sent)) or b"") + (connection.send(h11.EndOfMessage()) or b"")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(DEADLINE_S)
        try:
            wire.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise RefusedError(f"{path}: nobody serves it") from error
        except PermissionError as error:
            raise PolicyError(f"{path}: only the user that the agent runs as may open it: ask as that user") from error
        except OSError as error:
            raise TransportError(f"{path}: {error.strerror or error}") from error
        try:
            wire.sendall(whole)
            status, came = _reply(connection, wire)
        except OSError as error:
            raise TransportError(f"{path}: the connection broke: {error}") from error
        except h11.RemoteProtocolError as error:
            raise CodecError(f"{path}: expected an answer in HTTP/1.1: {error}") from error
    try:
        if status != 200:
            raise PolicyError(msgspec.json.decode(came, type=Failure).error)
        return msgspec.json.decode(came, type=answer)
    except msgspec.DecodeError as error:
        raise CodecError(f"{path}: expected {answer.__name__} in JSON: {error}; is it of another version?") from error


def _reply(connection: h11.Connection, wire: socket.socket) -> tuple[int, bytes]:
    status, body = 0, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(wire.recv(READ_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_REPLY_BYTES:
                raise CodecError(f"expected an answer of at most {MAX_REPLY_BYTES} bytes; more came")
        elif isinstance(event, h11.EndOfMessage):
            return status, bytes(body)
        else:
            raise CodecError("expected an answer; the connection was closed before one came")
