"""One client's connection to a simulated stratum V1 pool: what the pool answers, and what it says unasked.

Shares are taken on trust: form, job and repetition are looked at, the proof of work is not. When sockets open and close
is `stratum`'s business; what befalls the pool, the plant's.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import msgspec

from agent.model.topology import Pool
from simulators.devices.host import SILENT_CLOSE_S, Presence, reset
from simulators.plant.pools import PoolPlant

MAX_LINE_BYTES: Final = 16 * 1024
MAX_CONNECTIONS: Final = 256
MAX_SHARES: Final = 4096
"""Shares remembered for one client since the last new block, to tell a repeated one."""
JOBS_KEPT: Final = 8
"""Jobs a share may still be for; a new block leaves none of the old."""
LOGIN_WAIT_S: Final = 60.0
"""A client that has not logged in by then is dropped."""
DIFFICULTY: Final = 65_536
EXTRANONCE2_BYTES: Final = 4
VERSION_MASK: Final = "1fffe000"
_BRANCHES: Final = 12

OTHER, STALE, DUPLICATE, LOW_DIFFICULTY, UNAUTHORIZED, NOT_SUBSCRIBED, NO_METHOD = 20, 21, 22, 23, 24, 25, -3
_SUBMIT: Final = re.compile("[0-9a-fA-F]{8} [0-9a-fA-F]{8} [0-9a-fA-F]{8}( [0-9a-fA-F]{8})?")


class RefusedError(Exception):
    """The pool says no. Carries stratum's code and words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Job:
    """One job: its id, and the parameters of `mining.notify` behind it but for the last."""

    id: str
    params: tuple[object, ...]


@dataclass(slots=True, eq=False)
class PoolHost:
    """One pool as its clients see it.

    Attributes:
        plant: what is wrong with it.
        now: returns the site time in s, and brings the plant up to it.
        epoch_s: UTC s at site time zero.
        latency_s: how long an answer takes.
        jobs: those a share may be for, oldest first.
        sessions: the connections there are.
        accepted, rejected: shares so far.
        judged: those that nothing was wrong with.
        withdrawn: its server has stopped.
        heard: whether the network between it and its clients here carries anything; those are none of the miners.
    """

    spec: Pool
    plant: PoolPlant
    now: Callable[[], float]
    epoch_s: float
    latency_s: float
    jobs: list[Job] = field(default_factory=list)
    sessions: set["StratumSession"] = field(default_factory=set)
    accepted: int = 0
    rejected: int = 0
    judged: int = 0
    withdrawn: bool = False
    heard: Callable[[], bool] = lambda: True
    _blocks: int = 0
    _jobs_made: int = 0
    _clients: int = 0

    def presence(self) -> Presence:
        """Tell how the pool treats a client, as far as the plant has come."""
        if self.withdrawn or not self.plant.accepts:
            return Presence.REFUSES
        return Presence.ANSWERS if self.plant.answers and self.heard() else Presence.SILENT

    def drop_all(self) -> None:
        """End every connection at once."""
        for session in tuple(self.sessions):
            session.drop()

    def judge(self) -> bool:
        """Tell whether the next good share is taken: the plant's part of them is rejected, evenly spread."""
        self.judged += 1
        part = self.plant.reject_share
        return int(self.judged * part) == int((self.judged - 1) * part)

    def new_job(self, *, new_block: bool) -> None:
        """Make the next job, and give it to everybody who has logged in."""
        if new_block:
            self._blocks += 1
            self.jobs.clear()
        self._jobs_made += 1
        self.jobs.append(self._job())
        del self.jobs[:-JOBS_KEPT]
        if self.presence() is Presence.ANSWERS:
            for session in tuple(self.sessions):
                session.notify(clean=new_block)

    def next_extranonce(self) -> str:
        """Return an extranonce1 that no other client has."""
        self._clients += 1
        return f"{self._clients & 0xFFFFFFFF:08x}"

    def _job(self) -> Job:
        def digest(name: str) -> str:
            return hashlib.sha256(f"{self.spec.id}/{name}".encode()).hexdigest()

        number = self._jobs_made
        id_ = f"{number:x}"
        first = f"01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20{number:08x}"
        second = f"ffffffff0100f2052a010000001976a914{digest('payout')[:40]}88ac00000000"
        branches = [digest(f"{number}/branch/{n}") for n in range(_BRANCHES)]
        when = f"{int(self.epoch_s + self.now()) & 0xFFFFFFFF:08x}"
        return Job(id_, (id_, digest(f"block {self._blocks}"), first, second, branches, "20000000", "17034219", when))


class StratumSession(asyncio.Protocol):
    """One connection. What comes before `connection_made`, as it does behind a TLS handshake, waits for it."""

    def __init__(self, host: PoolHost) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._sending: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._extranonce = ""
        self._workers: set[str] = set()
        self._shares: set[tuple[object, ...]] = set()

    # -- asyncio's side ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client, or reset it, as the pool's state wants."""
        self._transport = cast(asyncio.Transport, transport)  # a loop hands a TCP server nothing else
        self._host.now()
        presence = self._host.presence()
        if presence is Presence.REFUSES or len(self._host.sessions) >= MAX_CONNECTIONS:
            self.drop()
            return
        self._host.sessions.add(self)
        wait_s = SILENT_CLOSE_S if presence is Presence.SILENT else LOGIN_WAIT_S
        self._patience = self._loop.call_later(wait_s, self.drop)
        self._read()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._inbox += data
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._host.sessions.discard(self)
        for timer in (self._sending, self._patience):
            if timer is not None:
                timer.cancel()

    # -- the pool's side -----------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            reset(self._transport)

    def notify(self, *, clean: bool) -> None:
        """Send the newest job to a client that has logged in."""
        if self._workers and self._extranonce and self._host.jobs:
            if clean:
                self._shares.clear()
            self._say({"id": None, "method": "mining.notify", "params": [*self._host.jobs[-1].params, clean]})

    def _read(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._host.now()
        if self._host.presence() is Presence.SILENT:
            self._inbox.clear()
            return
        *lines, rest = bytes(self._inbox).split(b"\n")
        self._inbox[:] = rest
        if len(rest) > MAX_LINE_BYTES or any(len(line) > MAX_LINE_BYTES for line in lines):
            self.drop()
            return
        for line in lines:
            if line.strip() and not self._hear(line):
                self.drop()
                return

    def _hear(self, line: bytes) -> bool:
        """Answer a line; False where it is no request."""
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            return False
        params = message.get("params")
        number, method = message.get("id"), message["method"]
        try:
            result = self._answer(method, params if isinstance(params, list) else [])
        except RefusedError as no:
            self._say({"id": number, "result": None, "error": [no.code, no.words, None]})
            return True
        self._say({"id": number, "result": result, "error": None})
        if method == "mining.authorize":
            self._say({"id": None, "method": "mining.set_difficulty", "params": [DIFFICULTY]})
            self.notify(clean=True)
        return True

    def _answer(self, method: str, params: list[object]) -> object:
        match method:
            case "mining.subscribe":
                return self._subscribe()
            case "mining.authorize":
                return self._authorize(params)
            case "mining.submit":
                return self._submit(params)
            case "mining.configure":
                return _configured(params)
            case "mining.extranonce.subscribe" | "mining.suggest_difficulty":
                return True
            case _:
                raise RefusedError(NO_METHOD, "Method not found")

    def _subscribe(self) -> object:
        self._extranonce = self._extranonce or self._host.next_extranonce()
        id_ = self._extranonce
        return [[["mining.set_difficulty", id_], ["mining.notify", id_]], id_, EXTRANONCE2_BYTES]

    def _authorize(self, params: list[object]) -> object:
        worker = params[0] if params else None
        if not isinstance(worker, str) or not worker or not self._host.plant.logs_in:
            raise RefusedError(UNAUTHORIZED, "Unauthorized worker")
        if len(self._workers) >= MAX_CONNECTIONS:
            raise RefusedError(OTHER, "Too many workers")
        self._workers.add(worker)
        if self._patience is not None:
            self._patience.cancel()
        return True

    def _submit(self, params: list[object]) -> object:
        try:
            self._check(params)
        except RefusedError:
            self._host.rejected += 1
            raise
        self._host.accepted += 1
        return True

    def _check(self, params: list[object]) -> None:
        """Raise RefusedError for a share that is not taken."""
        if not self._extranonce:
            raise RefusedError(NOT_SUBSCRIBED, "Not subscribed")
        if not 5 <= len(params) <= 6 or not all(isinstance(part, str) for part in params):
            raise RefusedError(OTHER, "Malformed share")
        worker, job, *words = cast(list[str], params)
        if worker not in self._workers:
            raise RefusedError(UNAUTHORIZED, "Unauthorized worker")
        if _SUBMIT.fullmatch(" ".join(words)) is None:
            raise RefusedError(OTHER, "Malformed share")
        if job not in (known.id for known in self._host.jobs):
            raise RefusedError(STALE, "Job not found")
        share = (job, *words)
        if share in self._shares:
            raise RefusedError(DUPLICATE, "Duplicate share")
        if len(self._shares) < MAX_SHARES:
            self._shares.add(share)
        if not self._host.judge():
            raise RefusedError(LOW_DIFFICULTY, "Low difficulty share")

    def _say(self, message: Mapping[str, object]) -> None:
        """Send a message after the pool's latency, in the order in which it was said."""
        self._outbox += msgspec.json.encode(message) + b"\n"
        if self._sending is None:
            self._sending = self._loop.call_later(self._host.latency_s, self._send)

    def _send(self) -> None:
        self._sending = None
        self._host.now()
        if self._transport is not None and self._host.presence() is Presence.ANSWERS:
            self._transport.write(bytes(self._outbox))
        self._outbox.clear()


def _configured(params: list[object]) -> object:
    """Return what of the extensions asked for is granted: rolling the version, and nothing else."""
    wanted = params[0] if params and isinstance(params[0], list) else []
    granted: dict[str, object] = {name: False for name in wanted if isinstance(name, str)}
    if "version-rolling" in granted:
        granted |= {"version-rolling": True, "version-rolling.mask": VERSION_MASK}
    return granted
