"""Runs one scenario: the agent on a simulated site, in virtual time, and the scoreboard of what came of it.

`terrahash simulate` and `terrahash demo` both go through `play_scenario`: there is one way to run a simulation.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from rich.console import Console

from agent.api.approvals import Approve, Deny, answered
from agent.api.images import release
from agent.api.outlets import trusted
from agent.app import Agent
from agent.cli import logs
from agent.cli.expectations import Evidence, flattened, judge
from agent.cli.live import LiveView, site_rate
from agent.cli.redact import scrub
from agent.cli.service import Service
from agent.cli.simulated import SimulatedDisk, Staged, with_logins
from agent.cli.tiers import TIERS, Tier
from agent.clock import Clock, Stopwatch
from agent.config.scenario import Catalogue, Scenario, TierName, Timed, load_scenario
from agent.config.scenario.history import HistoryPlan
from agent.config.scenario.plan import MIX
from agent.ledger.fold import State
from agent.ledger.reader import read
from agent.ledger.store import Ledger
from agent.model.action import Verb
from agent.model.errors import InvariantError, PolicyError
from agent.model.events import Actor, ApprovalAsked, Intended
from agent.model.ids import ApprovalId, ImageId, IncidentId, MinerId, PduId
from agent.model.incident import Category, Incident, Outcome, Phase, Reason, Severity
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.observe.recorder import recording_beside
from agent.report.history import HistoryRecorder, SiteHistory
from agent.triage.orders import Order, begin, end
from simulators.faults import FAULT_KINDS
from simulators.mix import Happening, arrivals, drawn, play, shuffled
from simulators.people import Answer, Deed, People
from simulators.plant.history import BLOCK_MEAN_S, HistorySettings
from simulators.plant.site import SitePlant
from simulators.plant.weather import Climate
from simulators.scoreboard import Duty, RunFacts, scoreboard
from simulators.truth import FaultTruth, Harm

EPOCH_S = 1_767_225_600.0
"""UTC s at which site time begins (2026-01-01 00:00), so that two runs write the same ledger."""

LOOK_S = 5.0
"""Site time between two looks of the live view."""

WALL_LIMIT_S = 6 * 3600.0
"""A run that takes longer than this has come to a standstill."""

SHIPPED = "scenarios"

SOMEBODY = "somebody"
"""Who answers at a simulated site."""


Look = Callable[[SiteView, float], None]
"""Called with the agent's columns and the site time in s."""

Prepare = Callable[[SitePlant], None]
"""Called with the plant before any agent looks at it."""

IsEnough = Callable[[Memory], bool]
"""Called with what the agent remembers, now and then: whether the run is over before its time."""


@dataclass(frozen=True, slots=True)
class Played:
    """What one run left behind.

    Attributes:
        incidents: as the ledger has them at the end.
        faults: the truth about what went wrong.
        history: the site's hashrate as it went, in site time.
        refused: what people told the agent in vain: the line of the scenario, and why.
    """

    scenario: Scenario
    board: dict[str, Any]
    incidents: tuple[Incident, ...]
    faults: tuple[FaultTruth, ...]
    history: SiteHistory
    refused: tuple[tuple[int, str], ...] = ()


class _Over(NamedTuple):
    """A run that is over.

    Attributes:
        skipped: how many planned faults found no target that was well.
        answered: how many questions of the agent were answered by a person.
        refused: what was told in vain, as in `Played`.
    """

    staged: Staged
    skipped: int
    answered: int
    refused: tuple[tuple[int, str], ...]


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with the program, by name."""
    folder = Path(str(files("simulators").joinpath(SHIPPED)))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_scenario(path: Path, *, seed: int | None = None, tier: TierName | None = None) -> Scenario:
    """Return the scenario in a file. Raises ConfigError for what is wrong with it."""
    return load_scenario(path, catalogue(), seed=seed, tier=tier)


def catalogue() -> Catalogue:
    """Return what a scenario can refer to: the fault kinds, and the figures of a scoreboard in which all happened."""
    faults = [FaultTruth("", c, True, True, frozenset(), (MinerId(c),), 0.0, 1.0) for c in Category]
    incidents = [
        Incident(
            id=IncidentId(f"{category}-{severity}"),
            category=category,
            cause=Reason.UNRESPONSIVE,
            severity=severity,
            members=(MinerId(category),),
            evidence={},
            detected_at=0.0,
            alerted_at=0.0,
            phase=Phase.CLOSED,
            outcome=Outcome.AUTO_RESOLVED,
            resolved_at=1.0,
        )
        for category in Category
        for severity in Severity
    ]
    run = RunFacts(scenario="", seed=0, tier="", miners=1, site_s=1.0, epoch_s=0.0)
    board = scoreboard(run, faults, incidents, harm=Harm(), duty=Duty())
    board["truth"]["skipped"] = 0
    groups = ("truth", "detection", "remediation", "harm", "duty")
    return Catalogue(FAULT_KINDS, frozenset(flattened({group: board[group] for group in groups})))


def play_scenario(
    scenario: Scenario,
    ledger: Path,
    *,
    console: Console,
    log: TextIO,
    look: Look | None = None,
    records: bool = False,
    prepare: Prepare | None = None,
    is_enough: IsEnough | None = None,
) -> Played:
    """Run it from an empty ledger and return what came of it.

    Args:
        scenario: what to run.
        ledger: a file that does not exist yet.
        console: where the live view goes.
        log: where the agent's log goes.
        look: called with the agent's columns now and then, every LOOK_S of site time or once a tick.
        records: keep a flight recording of each incident, beside the ledger.
        prepare: brings the plant into another state than it begins in.
        is_enough: whether it may end before its time.
    """
    watch = Stopwatch()
    tier = TIERS[scenario.tier]
    recorder = HistoryRecorder(min(LOOK_S, scenario.duration_s))

    def note(view: SiteView, now: float) -> None:
        recorder.note(now, *site_rate(view))

    looks = (note, *((look,) if look else ()))
    hooks = _Hooks(looks, records, prepare or (lambda _: None), is_enough or (lambda _: False))
    main = _run(scenario, tier, ledger, hooks, console=console, log=log)
    over = tier.run(main, timeout_wall_s=WALL_LIMIT_S)
    return _played(scenario, over, ledger, history=recorder.history(), wall_s=watch.elapsed_s())


class _Hooks(NamedTuple):
    """What whoever has a scenario run wants besides."""

    looks: Sequence[Look]
    records: bool
    prepare: Prepare
    is_enough: IsEnough


async def _run(scenario: Scenario, tier: Tier, path: Path, hooks: _Hooks, *, console: Console, log: TextIO) -> "_Over":
    """Return the site as it is at the end."""
    loop = asyncio.get_running_loop()
    clock = Clock.virtual(loop, EPOCH_S)
    logs.configure(stream=log, now=clock.now)
    settings = with_logins(scenario.settings)
    async with tier.stage(settings, clock, seed=scenario.seed, history=_surroundings(scenario.history)) as staged:
        hooks.prepare(staged.plant)

        def open_ledger() -> SimulatedDisk:
            ledger = SimulatedDisk.open(path, clock, threaded=False, synced=False)
            ledger.host = staged.plant.host
            return ledger

        def make(ledger: Ledger) -> Agent:
            record = recording_beside(path, scrub, threaded=False) if hooks.records else None
            return Agent(settings, ledger, clock, touch=staged.touch(), simulated=True, on_auto=False, record=record)

        service = Service(open_ledger, make, staged.plant.host)
        try:
            await service.start()
            happenings = list(_happenings(scenario, staged.plant))
            faults = asyncio.create_task(play(staged.truth, staged.plant, happenings))
            running = asyncio.create_task(service.run())
            refused: list[tuple[int, str]] = []
            orders = asyncio.create_task(_told(service, scenario, refused))
            people = _people(scenario, staged, service)
            attending = asyncio.create_task(_attended(people, service, max(LOOK_S, settings.tick_s)))
            with LiveView(service.agent.view, service.agent.memory, console, scenario.duration_s) as view:

                def update(now: float) -> bool:
                    agent = service.agent
                    if service.is_up and not agent.observer.is_running:
                        raise InvariantError("the observer ended before the run did: its columns are out of date")
                    view.follow(agent.view, agent.memory)
                    view.update(now)
                    for look in hooks.looks:
                        look(agent.view, now)
                    return hooks.is_enough(agent.memory)

                await _watched(scenario.duration_s, settings.tick_s, (running, faults, orders, attending), update)
            for task in (running, orders, attending):
                task.cancel()
            await asyncio.gather(running, orders, attending, return_exceptions=True)
            staged.plant.advance(loop.time())
            await service.stop("simulation over")
            return _Over(staged, await faults, people.answered, tuple(refused))
        finally:
            await service.close()


async def _told(service: Service, scenario: Scenario, refused: list[tuple[int, str]]) -> None:
    """Tell the agent what people tell it in this scenario, each at its time, or as soon as it runs again.

    What it refuses, as it would a person's command, is noted in `refused` with its line.
    """
    loop, site = asyncio.get_running_loop(), scenario.settings.site
    for plan in scenario.orders:
        await asyncio.sleep(plan.at_s - loop.time())
        if plan.purpose is None:
            wanted = end(site, plan.scope)
        else:
            until = EPOCH_S + plan.at_s + plan.for_s
            order = Order(purpose=plan.purpose, scope=plan.scope, until=until, share=plan.share, why=plan.why)
            wanted = begin(site, order)
        while not service.is_up:  # noqa: ASYNC110 - nothing tells, and this is virtual time
            await asyncio.sleep(LOOK_S)
        try:
            await service.agent.change(wanted, Actor.OPERATOR)
        except PolicyError as error:
            refused.append((plan.line, str(error)))


async def _watched(
    until_s: float, tick_s: float, tasks: tuple[asyncio.Task[Any], ...], update: Callable[[float], bool]
) -> None:
    """Let site time pass and look now and then, until a look says that it is enough; what a task raises is raised."""
    loop = asyncio.get_running_loop()
    while loop.time() < until_s:
        await asyncio.sleep(min(max(LOOK_S, tick_s), until_s - loop.time()))
        for task in tasks:
            if task.done():
                task.result()
        if update(loop.time()):
            return


def _happenings(scenario: Scenario, plant: SitePlant) -> Iterator[Happening]:
    """Yield everything that is to go wrong; each line of the scenario draws from a stream of its own."""
    for line, fault in enumerate(scenario.faults):
        rng = plant.rng(f"faults/{line}")
        if isinstance(fault, Timed):
            targets = shuffled(rng, fault.targets, fault.count)
            yield Happening(fault.at_s, fault.kind, targets, fault.count, fault.for_s, fault.params)
            continue
        for at_s in arrivals(rng, fault.per_s, fault.until_s):
            kind, params = drawn(rng, fault.unfixable) if fault.kind == MIX else (fault.kind, dict(fault.params))
            # A target that is broken already cannot break again, so there is no second choice.
            yield Happening(at_s, kind, (rng.choice(fault.targets),), 1, fault.for_s, params, background=True)


def _people(scenario: Scenario, site: Staged, service: Service) -> People:
    """Return who answers what the agent asks."""
    answers = [
        Answer(plan.asked.fits, plan.after_s, tuple(Deed(deed) for deed in plan.does)) for plan in scenario.people
    ]

    async def release_image(image: ImageId) -> None:
        await service.agent.change(lambda memory, _: release(memory, image), Actor.OPERATOR)

    async def confirm(number: ApprovalId, approves: bool) -> None:
        answer = Approve(by=SOMEBODY) if approves else Deny(why="a person said no", by=SOMEBODY)
        await service.agent.change(lambda memory, now: answered(memory, number, answer, now), Actor.OPERATOR)

    async def trust(pdu: PduId) -> None:
        await service.agent.change(lambda memory, _: trusted(memory, pdu, "looked at by a person"), Actor.OPERATOR)

    return People(answers, site.plant, site.truth, release=release_image, trust=trust, confirm=confirm)


async def _attended(people: People, service: Service, every_s: float) -> None:
    """Have what the agent asks be heard and answered for as long as the run lasts."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(every_s)
        if service.is_up:
            await people.look(service.agent.memory, loop.time())


def _surroundings(plan: HistoryPlan) -> HistorySettings:
    return HistorySettings(
        block_mean_s=BLOCK_MEAN_S if plan.blocks else None,
        vardiff_mean_s=plan.difficulty_mean_s,
        lost_polls=plan.lost_polls,
        lost_by_shift=plan.lost_by_shift,
        climate=Climate(plan.weather),
    )


def _played(scenario: Scenario, over: _Over, path: Path, *, history: SiteHistory, wall_s: float) -> Played:
    """Return the ledger held against the simulated site's own truth, and against what the scenario expects."""
    site, plant = over.staged, over.staged.plant
    records = list(read(path))
    state = State()
    for record in records:
        state.apply(record)
    miners = len(plant.site.miners)
    run = RunFacts(scenario.name, scenario.seed, scenario.tier, miners, scenario.duration_s, EPOCH_S)
    intents: Counter[Verb] = Counter(r.event.action.verb for r in records if isinstance(r.event, Intended))
    faults = site.truth.faults()
    board = scoreboard(
        run,
        faults,
        state.incidents.values(),
        harm=site.truth.harm(),
        duty=Duty(
            dict(intents),
            approvals=sum(isinstance(r.event, ApprovalAsked) for r in records),
            answered=over.answered,
        ),
        cost={
            "wall_s": wall_s,
            "site_s_per_wall_s": scenario.duration_s / wall_s,
            "miner_hours_per_wall_s": miners * scenario.duration_s / 3600.0 / wall_s,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        },
    )
    board["truth"]["skipped"] = over.skipped
    unhealthy = sum(not miner.healthy for miner in plant.miners.values())
    board["expect"] = judge(scenario.expect, Evidence(records, faults, board, EPOCH_S, unhealthy))
    return Played(scenario, board, tuple(state.incidents.values()), tuple(faults), history, over.refused)
