"""A look at one pool from the gateway: name, connection, TLS, subscription, login, work, under one deadline.

It goes the way a miner goes, tells at which stage the way ends, and leaves: no share is ever submitted, no redirection
followed, nothing kept. What the verdict is good for is not decided here.
"""

import asyncio
import errno
import ssl
from collections.abc import Sequence
from typing import Final

import msgspec

from agent.clock import Clock
from agent.codecs.stratum import (
    AUTHORIZE,
    RECONNECT,
    SUBSCRIBE,
    Answer,
    Notice,
    decode,
    garbage,
    is_job,
    redirection,
    request,
    subscription,
)
from agent.drivers.miners.connection import OWN_FAULTS
from agent.drivers.net import Dialer
from agent.drivers.pools.resolver import Resolver, is_address
from agent.drivers.pools.wire import PoolWire
from agent.model.errors import (
    AgentError,
    CodecError,
    DeviceError,
    PolicyError,
    RefusedError,
    ResetError,
    SilentError,
    TransportError,
)
from agent.model.probe import NameFault, ProbeResult, Stage, Step, Verdict
from agent.model.topology import Pool
from agent.model.words import one_line

DEADLINE_S: Final = 10.0
WORK_WAIT_S: Final = 2.0
"""How long a job is waited for after the login; pools send one right behind it."""
NO_PASSWORD: Final = "x"  # noqa: S105 - what miners send where the pool wants none
USER_AGENT: Final = "terrahash-agent"
DETAIL_CHARS: Final = 300
_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})


class PoolProbe:
    """Diagnoses pools, each look on a connection of its own."""

    def __init__(
        self,
        dialer: Dialer,
        resolver: Resolver,
        clock: Clock,
        *,
        deadline_s: float = DEADLINE_S,
        work_wait_s: float = WORK_WAIT_S,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._dialer = dialer
        self._resolver = resolver
        self._clock = clock
        self._deadline_s = deadline_s
        self._work_wait_s = work_wait_s
        self._verified = trust

    async def probe(
        self, pool: Pool, worker: str, password: str = NO_PASSWORD, *, context: ssl.SSLContext | None = None
    ) -> ProbeResult:
        """Look at a pool as `worker` and tell what was found; nothing of the connection is left when this returns.

        Args:
            pool: the endpoint.
            worker: the name to log in with.
            password: what goes with it.
            context: how a TLS pool is verified; against the system's certificate authorities where None.

        Raises:
            TransportError: this host could not open a connection at all, which says nothing of the pool.
        """
        at = self._clock.now()
        look = _Look(self._dialer, self._resolver, pool, self._deadline_s, self._work_wait_s)
        tls = (context or self._system_trust()) if pool.tls else None
        error: AgentError | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                await look.go(worker, password, tls)
        except TimeoutError:
            error = look.overdue()
        except AgentError as fault:
            error = fault
        finally:
            look.leave()
        if type(error) is TransportError:
            raise TransportError(f"{pool.host}:{pool.port}: {error}")
        return ProbeResult(
            pool=pool.id,
            at=at,
            steps=tuple(look.steps),
            verdict=Verdict.GOOD if error is None else _verdict(look.stage, error),
            detail="" if error is None else _presentable(f"{pool.host}:{pool.port}: {error}", password),
            has_work=look.has_work,
            name_fault=look.name_fault,
        )

    def _system_trust(self) -> ssl.SSLContext:
        if self._verified is None:
            self._verified = ssl.create_default_context()
        return self._verified


_VERDICTS: Final = (
    (Stage.DNS, AgentError, Verdict.DNS),
    (Stage.TCP, RefusedError, Verdict.REFUSED),
    (Stage.TCP, AgentError, Verdict.UNREACHABLE),
    (None, SilentError, Verdict.SILENT),
    (Stage.TLS, AgentError, Verdict.TLS),
    (None, ResetError, Verdict.DROPPED),
    (None, PolicyError, Verdict.DIFFERENT),
    (Stage.AUTHORIZE, DeviceError, Verdict.LOGIN_REFUSED),
    (None, AgentError, Verdict.PROTOCOL),
)
"""What an error means at the stage where it ended the look (None: at any); the first that fits counts."""


_EXPECTED: Final = {
    Stage.TCP: "a connection",
    Stage.TLS: "a TLS handshake",
    Stage.SUBSCRIBE: f"an answer to {SUBSCRIBE}",
    Stage.AUTHORIZE: f"an answer to {AUTHORIZE}",
}


def _verdict(stage: Stage, error: AgentError) -> Verdict:
    return next(verdict for at, kind, verdict in _VERDICTS if at in (None, stage) and isinstance(error, kind))


def _presentable(text: str, password: str) -> str:
    """Return a line fit for a log: bounded, printable, and without the password, should a pool have repeated it."""
    if password not in ("", NO_PASSWORD):
        for form in (password, msgspec.json.encode(password).decode()[1:-1]):  # as it is, and as we sent it
            text = text.replace(form, "***")
    return one_line(text, DETAIL_CHARS)


class _Look:
    """One look, stage by stage.

    Attributes:
        stage: where it is, or where it ended.
        steps: the stages begun so far.
        has_work: a job came.
        name_fault: why there was no address.
    """

    def __init__(self, dialer: Dialer, resolver: Resolver, pool: Pool, deadline_s: float, work_wait_s: float) -> None:
        self.stage = Stage.DNS
        self.steps: list[Step] = []
        self.has_work = False
        self.name_fault: NameFault | None = None
        self._dialer = dialer
        self._resolver = resolver
        self._pool = pool
        self._deadline_s = deadline_s
        self._work_wait_s = work_wait_s
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + deadline_s
        self._stage_began = self._loop.time()
        self._wire = PoolWire(self._loop)
        self._strangers = 0

    async def go(self, worker: str, password: str, tls: ssl.SSLContext | None) -> None:
        """Go all the way; raises the error that ends it, TimeoutError excepted."""
        addresses = await self._addresses()
        self._enter(Stage.TCP)
        await self._connect(addresses)
        if tls is not None:
            self._enter(Stage.TLS)
            await self._wire.secure(tls, self._pool.host)
        self._enter(Stage.SUBSCRIBE)
        subscription(await self._ask(1, SUBSCRIBE, USER_AGENT))
        self._enter(Stage.AUTHORIZE)
        await self._ask(2, AUTHORIZE, worker, password)
        self._enter(Stage.WORK)
        await self._wait_for_work()

    def leave(self) -> None:
        """Close what is open and note how long the last stage lasted."""
        self._wire.close()
        self._note()

    def overdue(self) -> AgentError | None:
        """Return what it means that the deadline came at this stage; None where the login was through."""
        waited = f"within {self._deadline_s:g} s"
        if self.stage is Stage.WORK:
            return None
        if self.stage is Stage.DNS:
            self.name_fault = NameFault.SILENT
            return SilentError(f"no nameserver answered {waited}")
        if self._wire.lines.partial:
            return garbage(self._wire.lines.partial)
        if self._strangers:
            return CodecError(f"expected an answer to our request {waited}, came answers to others only")
        return SilentError(f"expected {_EXPECTED[self.stage]} {waited}, nothing came")

    # -- stages --------------------------------------------------------------------------------------------------------

    def _enter(self, stage: Stage) -> None:
        self._note()
        self.stage = stage

    def _note(self) -> None:
        now = self._loop.time()
        if not (self.stage is Stage.DNS and is_address(self._pool.host)):
            self.steps.append(Step(self.stage, now - self._stage_began))
        self._stage_began = now

    async def _addresses(self) -> Sequence[str]:
        found = await self._resolver.look_up(self._pool.host)
        if found.fault is not None:
            self.name_fault = found.fault
            raise DeviceError(found.detail)
        return found.addresses

    async def _connect(self, addresses: Sequence[str]) -> None:
        """Try each address in turn, as miners do, with an even share of the time that is left."""
        errors: list[TransportError] = []
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            endpoint = self._dialer.endpoint(address, self._pool.port)
            share_s = (self._ends - self._loop.time()) / left
            self._wire = PoolWire(self._loop)
            try:
                async with asyncio.timeout(share_s):
                    await self._loop.create_connection(lambda: self._wire, *endpoint)
            except TimeoutError:  # ours, or the kernel's
                errors.append(SilentError(f"no answer from {address} within {share_s:.1f} s"))
            except (ConnectionRefusedError, ConnectionResetError):
                errors.append(RefusedError(f"{address} is up and refuses: nothing listens there"))
            except OSError as error:
                errors.append(self._explained(address, error))
            else:
                return
        raise next((error for error in errors if isinstance(error, RefusedError)), errors[-1])

    def _explained(self, address: str, error: OSError) -> TransportError:
        if error.errno in OWN_FAULTS:
            return TransportError(
                f"this host could not open a connection ({error.strerror}); raise its limits (LimitNOFILE)"
            )
        way = "there is no way to" if error.errno in _NO_WAY else "no connection to"
        return SilentError(f"{way} {address} ({error.strerror or type(error).__name__})")

    async def _ask(self, number: int, method: str, *params: str) -> object:
        """Return the result of a request, whatever else comes before it."""
        self._wire.send(request(number, method, *params))
        while True:
            answer = await self._hear()
            if answer is None:
                continue
            if answer.refusal is not None and answer.id in (number, None):
                raise DeviceError(f"the pool refused {method}: {answer.refusal}")
            if answer.id == number:
                return answer.result
            self._strangers += 1

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self._work_wait_s):
                while not self.has_work:
                    await self._hear()
        except TimeoutError:
            return

    async def _hear(self) -> Answer | None:
        """Take the next message: return an answer, heed a notice."""
        message = decode(await self._wire.line())
        if isinstance(message, Answer):
            return message
        self._heed(message)
        return None

    def _heed(self, notice: Notice) -> None:
        if notice.method in (SUBSCRIBE, AUTHORIZE):
            raise CodecError(f"expected an answer to {notice.method}, came the request back: an echo is no pool")
        if notice.method == RECONNECT:
            elsewhere = redirection(notice, self._pool.host, self._pool.port)
            if elsewhere is not None:
                raise PolicyError(
                    f"the pool sends its clients to {elsewhere[0]}:{elsewhere[1]}; not followed: is that one of yours?"
                )
        self.has_work = self.has_work or is_job(notice)
