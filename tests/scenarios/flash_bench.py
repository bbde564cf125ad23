"""A bench for flashes that go wrong: the way to a miner is cut or the agent dies, at any byte or at any moment.

The agent is the real one with its real drivers, on the memory tier. Its ledger says that restart and reboot were tried
in vain, so that a flash is what comes next. What must hold afterwards is read from the plant's record and the ledger.
"""

import asyncio
import contextvars
import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.ledger.store import Ledger
from agent.model.action import Action, Result, Verb
from agent.model.events import AnyEvent, Escalated, IncidentOpened, Intended, RunStarted, Settled
from agent.model.ids import IncidentId, MinerId, RunId
from agent.model.incident import Category, Phase, Reason, Severity
from agent.model.topology import Family
from agent.remediate.machine import Table
from agent.shipped import load_playbooks
from simulators.loopback import loopback_endpoint
from simulators.memory_net import MemoryLoop
from simulators.memory_stream import Stream, pair
from simulators.plant.flash import FlashRecord
from simulators.plant.flash import Phase as Stage
from simulators.plant.state import Board
from tests.scenarios.site_bench import EPOCH_S, MODELS, NETWORK, Bench, configuration, play

WAY_IN = {Family.LUXOS: 22, Family.ANTMINER_STOCK: 80, Family.WHATSMINER: 4028}
BOARDS = {
    Family.ANTMINER_STOCK: ["ZYNQCtrl", "BBCtrl", "AMLCtrl", "CVCtrl"],
    Family.LUXOS: ["zynq", "beaglebone", "amlogic", "cvitek"],
    Family.WHATSMINER: ["H3OS", "H6OS"],
}
IMAGE = b"a firmware image " * 512
SHA = hashlib.sha256(IMAGE).hexdigest()
VERSION = "2026.9.9.1"
FIRST, NEXT, NEIGHBOUR = "m1", "m2", "m3"
"""Two miners that wait for the same image, the first to get it tapped; one that hangs, on the outlet of m1."""

LONGEST_S = 6 * 3600.0
CALM_S = 600.0
"""Twice as long as a flash and the start after it take."""


class Strikes(StrEnum):
    """What happens at one byte of the conversation."""

    NOTHING = "nothing"
    RESET = "reset"
    """The connection is reset, on both sides."""
    SILENCE = "silence"
    """Nothing comes through on that connection any more, either way."""
    CRASH = "crash"
    """The agent dies."""


class Truly(StrEnum):
    """What the image, or the board that gets it, really is."""

    GOOD = "good"
    BAD = "image.bad"
    SWAPPED = "image.wrong_model"
    WORN = "worn"


@dataclass(frozen=True)
class Place:
    """A place in what is said for a flash: the connection, a chunk of it, and how many of its bytes come through."""

    connection: int = 0
    chunk: int = 0
    passed: int = 0


@dataclass(frozen=True)
class Case:
    """One flash, and what befalls it.

    Attributes:
        strikes: what happens at `place`. dark_s: for so long nobody gets through to the miner afterwards.
        dies_s: when the agent dies, in s after it committed to the flash; None where it does not.
        down_s: how long it stays dead, whatever it died of.
        hangs: the neighbour has hung. Its power is wanted cut two minutes later, which is when the others are flashed.
    """

    family: Family
    truly: Truly = Truly.GOOD
    strikes: Strikes = Strikes.NOTHING
    place: Place = Place()
    dark_s: float = 0.0
    dies_s: float | None = None
    down_s: float = 10.0
    hangs: bool = False


# -- on the line -------------------------------------------------------------------------------------------------------


class _End(asyncio.Protocol):
    """One end of the line between agent and miner: what it receives is said at the other."""

    def __init__(self, line: "_Line") -> None:
        self._line = line
        self.other: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        self._line.heard(data, self.other)

    def eof_received(self) -> bool:
        if self.other is not None and not self._line.is_silent:
            self.other.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is None or self._line.is_silent:
            return
        if exc is None:
            self.other.close()
        else:
            self.other.abort()


class _Line:
    """One connection, with the tap on it."""

    def __init__(self, tap: "Tap", number: int) -> None:
        self.is_silent = False
        self.here, self.there = _End(self), _End(self)
        self._tap = tap
        self._number = number
        self._chunks = 0

    def join(self, here: Stream, there: asyncio.Transport) -> None:
        """Connect the two ends."""
        self.here.other, self.there.other = there, here

    def heard(self, data: bytes, other: asyncio.Transport | None) -> None:
        """Pass on what one side said, as far as it comes through."""
        if self.is_silent or other is None:
            return
        place = Place(self._number, self._chunks, len(data))
        self._chunks += 1
        self._tap.heard.append((asyncio.get_running_loop().time(), place))
        struck = self._tap.strikes_at(place)
        other.write(data if struck is None else data[:struck])
        if struck is not None:
            self._tap.strike(self)

    def cut(self) -> None:
        """Reset both sides; bytes that came before can still be read."""
        self.is_silent = True
        for end in (self.here, self.there):
            if isinstance(end.other, Stream):
                end.other.resets_on_close = True
                end.other.close()


@dataclass
class Tap:
    """Listens on one miner's way in once it is armed, and strikes once.

    Attributes:
        heard: every chunk that was said, in order: when, in s of the loop, and its place with its whole length.
        dark_until: nobody gets through before, in s of the loop.
    """

    address: tuple[str, int]
    case: Case
    armed: bool = False
    heard: list[tuple[float, Place]] = field(default_factory=list)
    dark_until: float = 0.0
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    crash: Any = None

    @property
    def is_dark(self) -> bool:
        return asyncio.get_running_loop().time() < self.dark_until

    def line(self) -> _Line:
        """Return the line of the next connection."""
        self.connections += 1
        return _Line(self, self.connections - 1)

    def strikes_at(self, place: Place) -> int | None:
        """Return how many bytes of that chunk still come through; None for all, and no harm."""
        aim = self.case.place
        is_due = not self.struck.is_set() and self.case.strikes is not Strikes.NOTHING
        if is_due and (aim.connection, aim.chunk) == (place.connection, place.chunk):
            return min(aim.passed, place.passed)
        return None

    def strike(self, line: _Line) -> None:
        """Let happen what is to happen."""
        self.struck.set()
        self.dark_until = asyncio.get_running_loop().time() + self.case.dark_s
        if self.case.strikes is Strikes.CRASH:
            self.crash()
        if self.case.strikes is Strikes.SILENCE:
            line.is_silent = True
        else:
            line.cut()


class TappedLoop(MemoryLoop):
    """The memory tier with a tap on one address. Whoever refuses a connection still refuses it."""

    tap: Tap | None = None

    async def create_connection(
        self, protocol_factory: Any, host: str | None = None, port: int | None = None, **options: Any
    ) -> tuple[asyncio.Transport, Any]:
        """Connect, by way of the tap where it listens."""
        tap = self.tap
        if tap is None or not tap.armed or (host, port) != tap.address:
            return await super().create_connection(protocol_factory, host, port, **options)
        if tap.is_dark:
            raise OSError(113, "No route to host")
        line = tap.line()
        there, _ = await super().create_connection(lambda: line.there, host, port)
        context = contextvars.copy_context()
        client, here = pair(self, self._watchable, (("127.0.0.1", 1), context), (tap.address, context.copy()))
        line.join(here, there)
        protocol = protocol_factory()
        client.open(protocol)
        here.open(line.here)
        return client, protocol


# -- the site ----------------------------------------------------------------------------------------------------------


def site(folder: Path, family: Family, *, pools: bool = False, miners: int = 3) -> dict[str, Any]:
    """Return a configuration of so many miners of a family and the image for them; the third is on the first's outlet.

    Without pools less is asked and said. A miner that forgets its own with the flash is then never proved to hash.
    """
    tree = configuration([(family, 1)] * miners)
    tree |= {"tick_s": 15, "poll": {"interval_s": 60, "pdu_interval_s": 120, "switch_interval_s": 300}}
    for row in tree["inventory"]:
        row["mac"] = f"02:54:48:00:00:{row['id'][1:]:0>2}"
    tree["inventory"][2]["outlets"] = tree["inventory"][0]["outlets"]
    tree["shared_outlets"] = ["pdu-a/1"]
    if pools:
        tree["pools"] = [{"id": "primary", "host": "primary.pool.example", "port": 3333}]
        tree["pool_groups"] = [{"id": "main", "pools": ["primary"]}]
        for row in tree["inventory"]:
            row["pool_group"] = "main"
    (folder / "fw.img").write_bytes(IMAGE)
    tree["images"] = [
        {
            "file": "fw.img",
            "sha256": SHA,
            "family": family.value,
            "models": [MODELS[family]],
            "control_boards": BOARDS[family],
            "version": VERSION,
        }
    ]
    return tree


@cache
def _table(name: str) -> Table:
    return next(table for table in load_playbooks() if table.playbook.name == name)


async def told_so_far(bench: Bench, *, hangs: bool = False, state: str = "judge_flash") -> None:
    """Write down that restart and reboot of the two were tried in vain, so that a flash comes next, from `state` on.

    And where the neighbour hangs, that it is known: its power is wanted cut in a while.
    """
    table = _table("firmware_crash")
    ledger = Ledger.open(bench.path, Clock.virtual(asyncio.get_running_loop(), EPOCH_S), threaded=False)
    for number, miner in enumerate((FIRST, NEXT), start=1):
        incident, run = IncidentId(f"inc-{number:06d}"), RunId(f"inc-{number:06d}/run-1")
        events: list[AnyEvent] = [
            IncidentOpened(
                incident=incident,
                category=Category.FIRMWARE,
                cause=Reason.CRASHED,
                severity=Severity.MEDIUM,
                members=(MinerId(miner),),
                detected_at=EPOCH_S + bench.now,
                evidence={},
            ),
            RunStarted(
                incident=incident,
                run=run,
                playbook=table.playbook.name,
                fingerprint=table.fingerprint,
                state=state,
            ),
        ]
        for attempt, verb in enumerate((Verb.RESTART, Verb.REBOOT), start=1):
            action = Action(verb=verb, miner=MinerId(miner))
            events += [
                Intended(incident=incident, run=None, state=verb, attempt=attempt, action=action),
                Settled(
                    incident=incident,
                    run=None,
                    attempt=attempt,
                    action=action,
                    result=Result.OK,
                    detail="",
                    from_state=verb,
                    to_state=verb,
                    trigger="",
                ),
            ]
        await ledger.append(events)
    if hangs:
        await ledger.append(_known_to_hang(bench))
    await ledger.close()


def _known_to_hang(bench: Bench) -> list[AnyEvent]:
    incident, table = IncidentId("inc-000003"), _table("stuck_miner")
    return [
        IncidentOpened(
            incident=incident,
            category=Category.STUCK,
            cause=Reason.UNRESPONSIVE,
            severity=Severity.MEDIUM,
            members=(MinerId(NEIGHBOUR),),
            detected_at=EPOCH_S + bench.now,
            evidence={},
        ),
        RunStarted(
            incident=incident,
            run=RunId(f"{incident}/run-1"),
            playbook=table.playbook.name,
            fingerprint=table.fingerprint,
            state=table.playbook.initial,
        ),
    ]


# -- a case ------------------------------------------------------------------------------------------------------------


@dataclass
class Played:
    """A case, when all is over.

    Attributes:
        said: everything that was said until the first flash had an outcome.
        result: that outcome.
    """

    bench: Bench
    said: list[Place]
    result: Result

    @property
    def flashes(self) -> list[FlashRecord]:
        return self.bench.simulated.plant.journal.flashes


def play_case(folder: Path, case: Case) -> Played:
    """Play one case to its end, and a while longer."""
    taps: list[Tap] = []

    async def story(bench: Bench) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TappedLoop)
        address = loopback_endpoint(f"{NETWORK}.1.1", WAY_IN[case.family])
        loop.tap = tap = Tap(address, case, crash=bench.cut)
        taps.append(tap)
        _break(bench, case)
        await told_so_far(bench, hangs=case.hangs)
        await bench.start()
        await bench.until_intent(Verb.FLASH, 3600.0)
        (flown,) = bench.agent.memory.flying.values()
        # Which of the two is the canary is not ours to say; the other's turn comes later, or never.
        loop.tap.address = loopback_endpoint(f"{NETWORK}.1.{flown.action.miner[1:]}", WAY_IN[case.family])
        tap.armed = True
        bench.tick()
        await _befall(bench, case, tap)
        await bench.until(lambda: _is_over(bench), LONGEST_S, look_s=30.0)
        await bench.run(CALM_S)

    bench = play(folder, site(folder, case.family), story, loop_type=TappedLoop)
    at, result = next(
        (record.at, record.event.result)
        for record in bench.records
        if isinstance(record.event, Settled) and record.event.action.verb is Verb.FLASH
    )
    return Played(bench, [place for heard_at, place in taps[0].heard if EPOCH_S + heard_at <= at], result)


def _break(bench: Bench, case: Case) -> None:
    if case.hangs:
        bench.break_("miner.control_board_hung", NEIGHBOUR)
    if case.truly in (Truly.BAD, Truly.SWAPPED):
        bench.break_(case.truly, f"image:{SHA}")
    for miner in (FIRST, NEXT):
        if case.truly is Truly.WORN and miner == FIRST:
            bench.break_("miner.flash_bricks", miner)
        else:
            bench.break_("miner.firmware_corrupt", miner, cured_by="flash")


async def _befall(bench: Bench, case: Case, tap: Tap) -> None:
    """Let time pass until everything has happened that is to happen to the agent."""
    if case.dies_s is not None:
        await _until_struck(bench, case, tap, bench.now + case.dies_s)
        await _restart(bench, case.down_s)
    if case.strikes is Strikes.CRASH:
        await _until_struck(bench, case, tap, bench.now + 1800.0)


async def _until_struck(bench: Bench, case: Case, tap: Tap, until: float) -> None:
    """Let time pass; an agent that dies of the tap in between is started anew."""
    had_struck = tap.struck.is_set()
    await bench.until(lambda: tap.struck.is_set() is not had_struck, until - bench.now, must=False)
    if case.strikes is Strikes.CRASH and tap.struck.is_set() and not had_struck:
        await _restart(bench, case.down_s)
        await bench.run(max(0.0, until - bench.now))


async def _restart(bench: Bench, down_s: float) -> None:
    await bench.kill()
    await bench.sleep(down_s)
    await bench.start()


def _is_over(bench: Bench) -> bool:
    """Whether both have ended, or one was verified and is being watched for its hour, for which the other waits."""
    mine = [i for i in bench.agent.memory.incidents.values() if NEIGHBOUR not in i.members]
    watched = any(i.run is not None and i.run.state == "prove" for i in mine)
    return watched or all(incident.phase in (Phase.CLOSED, Phase.ESCALATED) for incident in mine)


def hold(played: Played) -> None:
    """What holds of every flash, whatever befell it."""
    bench, flashes = played.bench, played.flashes
    memory, harm = bench.memory, bench.simulated.truth.harm()
    assert (harm.wrong_images, harm.flashes_twice, harm.power_cuts_while_flashing) == (0, 0, 0)
    for miner in (FIRST, NEXT):
        written = sum(f.miner == miner and f.phase is not Stage.REFUSED for f in flashes)
        assert written <= 1, "once at the most"
        meant = sum(e.action.verb is Verb.FLASH and e.action.miner == miner for e in bench.events(Intended))
        tried = [e for e in bench.events(Settled) if e.action.verb is Verb.FLASH and e.action.miner == miner]
        assert all(e.result is Result.FAILED for e in tried[:-1]), "repeated only where nothing was written"
        assert len(tried) <= 2, "and once"
        failed = sum(e.result is Result.FAILED for e in tried)
        assert written <= meant - failed, "failed means that nothing was written"
    for flash in flashes:
        assert flash.fits, "it was not for that miner, and anybody could have known"
        assert flash.phase in (Stage.DONE, Stage.REFUSED), "what was begun came to its end"
    for event in bench.events(Settled):
        if event.action.verb is Verb.VERIFY_FIRMWARE and event.result is Result.OK:
            assert bench.plant(event.action.miner).system.version == VERSION
    _hold_still(bench)
    bricked = [m for m in (FIRST, NEXT) if bench.plant(m).board is Board.BRICKED]
    assert len(bricked) <= 1, "an image costs one miner at most"
    for miner in bricked:
        incident = bench.incident(miner)
        assert incident.phase is Phase.ESCALATED, "and that one is reported"
        assert any(e.incident == incident.id for e in bench.events(Escalated))
        assert SHA in memory.frozen
    for miner in (FIRST, NEXT):
        resolved = bench.incident(miner).phase is Phase.CLOSED
        assert bench.plant(miner).healthy or not resolved, "taken for mended, and it is not"


def _hold_still(bench: Bench) -> None:
    """Nobody was committed to disturb a miner between the intent of its flash and the proof that it ended well."""
    fed = bench.settings.site.fed_by
    under_way: set[MinerId] = set()
    for record in bench.records:
        event = record.event
        if isinstance(event, Intended) and event.action.verb is Verb.FLASH:
            under_way.add(event.action.miner)
        elif isinstance(event, Intended) and event.action.disrupts and event.action.verb is not Verb.POWER_ON:
            touched = {event.action.miner, *(m for outlet in event.action.outlets for m in fed[outlet])}
            assert not touched & under_way, f"{event.action.verb} while a flash may be under way"
        elif (isinstance(event, Settled) and event.action.verb is Verb.FLASH and event.result is Result.FAILED) or (
            isinstance(event, Settled) and event.action.verb is Verb.VERIFY_FIRMWARE and event.result is Result.OK
        ):
            under_way.discard(event.action.miner)
