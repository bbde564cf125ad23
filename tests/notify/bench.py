"""Somebody who listens on loopback, and a desk that tells them from a ledger. Time is virtual, sockets are real."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.ledger.fold import State
from agent.ledger.reader import read
from agent.ledger.store import Ledger
from agent.model.errors import PolicyError
from agent.model.events import Actor, AnyEvent, Escalated, IncidentOpened, NoticeSettled
from agent.model.ids import ChannelId, IncidentId, MinerId
from agent.model.incident import Category, Reason, Severity
from agent.model.memory import Memory
from agent.notify.notifier import Notifier, Patience
from agent.notify.settings import Channel
from simulators import virtual_time
from tests.factory import EPOCH

KEY = "hook-key-0123456789"
SECRET_PATH = "T0KEN-in-the-path"
HOOK = Channel(ChannelId("hook"), webhook="hook-url", key="hook-key")
APPRISE = Channel(ChannelId("crew"), apprise="crew-url")
QUICK = Patience(gather_s=5.0, first_s=5.0, most_s=60.0, tries=6, answer_s=0.3)


@dataclass
class Heard:
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Listener:
    """Answers with these statuses, the last one for ever; 0 stands for no answer before `released`."""

    statuses: list[int] = field(default_factory=lambda: [204])
    heard: list[Heard] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def secrets(self) -> "Secrets":
        where = f"127.0.0.1:{self.port}"
        return Secrets(
            {"hook-url": f"http://{where}/{SECRET_PATH}", "hook-key": KEY, "crew-url": f"json://{where}/{SECRET_PATH}"}
        )


@dataclass(frozen=True)
class Secrets:
    known: dict[str, str]

    def get(self, name: str) -> str:
        if name not in self.known:
            raise PolicyError(f"expected the credential {name!r}, got none")
        return self.known[name]


@contextmanager
def listening(*statuses: int) -> Iterator[Listener]:
    """Listen on a free port of loopback."""
    listener = Listener(list(statuses) or [204])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = listener.statuses.pop(0) if len(listener.statuses) > 1 else listener.statuses[0]
            listener.heard.append(Heard(dict(self.headers), body))
            if status == 0:
                listener.released.wait(20.0)
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield listener
        finally:
            listener.released.set()
            server.shutdown()
            thread.join()


class Desk:
    """A ledger, what it remembers, and a notifier: the agent as far as notices need it."""

    def __init__(self, path: Path, channels: Sequence[Channel], secrets: Secrets, patience: Patience = QUICK) -> None:
        loop = asyncio.get_running_loop()
        self._clock = Clock.virtual(loop, EPOCH + loop.time())
        self._ledger = Ledger.open(path, self._clock, threaded=False)
        self.path = path
        self.memory = State()
        for record in self._ledger.records():
            self.memory.apply(record)
        self.notifier = Notifier(
            "north", channels, secrets, lambda text: text.replace(SECRET_PATH, "[redacted]"), patience
        )

    def now(self) -> float:
        return self._clock.now()

    async def change(self, wanted: Callable[[Memory, float], Sequence[AnyEvent]], actor: Actor) -> None:
        events = wanted(self.memory, self.now())
        events = [*events, *self.notifier.due(events, self.memory, self._clock.now())]
        for record in await self._ledger.append(events, actor):
            self.memory.apply(record)
        self.notifier.wake()

    async def tell(self, *events: AnyEvent) -> None:
        await self.change(lambda _memory, _now: events, Actor.AGENT)

    async def stop(self) -> None:
        await self.notifier.stop()
        await self._ledger.close()

    @property
    def settled(self) -> list[NoticeSettled]:
        return [r.event for r in read(self.path) if isinstance(r.event, NoticeSettled)]


def escalation(number: int, reason: str = "still_stuck") -> tuple[IncidentOpened, Escalated]:
    """Return an incident of one miner, and that a person is asked."""
    incident = IncidentId(f"inc-{number:06d}")
    opened = IncidentOpened(
        incident=incident,
        category=Category.STUCK,
        cause=Reason.UNRESPONSIVE,
        severity=Severity.MEDIUM,
        members=(MinerId(f"m{number}"),),
        detected_at=EPOCH,
        evidence={"polls_missed": 7},
    )
    evidence = {"rack": "r1", "foreign_worker": "thief.1", "logs": "long", "note": f"see {SECRET_PATH}", "fans": None}
    return opened, Escalated(incident=incident, reason=reason, tried=(), evidence=evidence)


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    virtual_time.run(story(), timeout_wall_s=30.0)
