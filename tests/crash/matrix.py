"""One case of the crash matrix: a small site, one thing that goes wrong, an agent that dies at given points.

The site is simulated on the memory tier. What came of the case is held against the same story without a death.
"""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from agent.app import Agent
from agent.cli.redact import redact, scrub
from agent.cli.scenario_run import EPOCH_S, read_scenario
from agent.cli.service import Service
from agent.cli.simulated import simulated_site, with_host_keys, with_logins
from agent.clock import Clock
from agent.config.scenario import Scenario, Timed
from agent.ledger.fold import State
from agent.ledger.reader import read
from agent.ledger.store import Ledger
from agent.model.action import Action, Repeat, Verb
from agent.model.events import RunStarted
from agent.model.ids import MinerId
from agent.model.incident import Outcome, Phase
from agent.report.kpis import kpis
from agent.touch import Wired
from simulators.memory_net import run_memory
from simulators.mix import play
from simulators.site import SimulatedSite
from tests.crash.points import MortalDialer, MortalHand, MortalLedger, Place, Point, Reaper, Watched, deeds
from tests.crash.stories import STORIES, Story
from tests.soak.check import left, repeated, violations
from tests.soak.outlive import happenings, told

DOWN_S = 15.0
"""What a service manager takes to start it again, and a little more."""

LOOK_S = 5.0
IN_FLIGHT = frozenset({Point.CALLING, Point.DEED, Point.RETURNED})
RESUME_POINTS = 6
"""Coming up is two points; taking up an action and settling it are four more."""
COME_UP = 2
NEVER_TWICE = frozenset(verb for verb in Verb if Action(verb=verb, miner=MinerId("m")).traits.repeat is Repeat.PROBE)

QUIET_S, HEALS_S = 60.0, 2400.0
"""Nothing more is expected once all incidents have been over, or a person's, for so long; and once one that is a
person's has had the time to end by itself, where its fault did: a loop whose last miners were just woken takes twenty
minutes to be calm again, and is watched for ten more."""


@dataclass(frozen=True)
class Ran:
    """What one case left behind.

    Attributes:
        ends: for each incident, what a person would read of how it ended; in no order.
        counted: incidents that count, and those of them that the agent ended by itself.
        passed: the points passed, by life.
        wrong: what must not be, whatever the story.
    """

    ends: tuple[tuple[str, ...], ...]
    counted: tuple[int, ...]
    passed: tuple[tuple[Place, ...], ...]
    playbooks: frozenset[str]
    wrong: tuple[str, ...]


def ran(story: Story, folder: Path, deaths: Sequence[int] = ()) -> Ran:
    """Play a story to its end."""
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump(story.tree(), sort_keys=False))
    ledger = folder / "ledger.sqlite3"
    ledger.unlink(missing_ok=True)
    return run_memory(_run(read_scenario(path), ledger, deaths), timeout_wall_s=600.0)


async def _run(scenario: Scenario, path: Path, deaths: Sequence[int]) -> Ran:
    loop = asyncio.get_running_loop()
    clock = Clock.virtual(loop, EPOCH_S)
    settings = with_logins(scenario.settings)
    async with simulated_site(settings, clock, seed=scenario.seed) as site:
        reaper = Reaper(deaths, lambda: _kill(site, service))
        site.plant.journal.entries = deeds(reaper, site.plant.journal.entries)
        for unit in site.plant.units.values():
            unit.moved = Watched(unit.moved, lambda move: reaper.note(Point.DEED, move.what))

        def open_ledger() -> MortalLedger:
            reaper.live()
            ledger = MortalLedger.open(path, clock, threaded=False, synced=False)
            ledger.reaper = reaper
            return ledger

        def make(ledger: Ledger) -> Agent:
            touch = Wired(
                with_host_keys(settings, scenario.seed),
                clock,
                dialer=MortalDialer(reaper),
                credentials=redact(site.secrets),
                scrub=scrub,
                nameservers=site.nameservers,
                host=site.host,
            )
            touch.actor = MortalHand(touch.actor, reaper)
            return Agent(settings, ledger, clock, touch=touch, simulated=True)

        service = Service(open_ledger, make, site.plant.host)
        running = asyncio.create_task(service.run())
        breaking = asyncio.create_task(play(site.truth, site.plant, happenings(scenario, site)))
        try:
            ended = await _settled(service, scenario, running)
            reaper.retire()
            await service.stop("case over")
        finally:
            running.cancel()
            breaking.cancel()
            await asyncio.gather(running, breaking, return_exceptions=True)
            await service.close()
        return _looked_at(path, told(site), reaper, in_time=ended)


def _kill(site: SimulatedSite, service: Service) -> None:
    for task in service.agent._acting - {asyncio.current_task()}:
        task.cancel()
    site.plant.host.kill_agent(DOWN_S)


async def _settled(service: Service, scenario: Scenario, running: "asyncio.Task[None]") -> bool:
    """Let time pass until all is over, or the scenario; tell which."""
    loop = asyncio.get_running_loop()
    faults = [fault for fault in scenario.faults if isinstance(fault, Timed)]
    last_s = max(fault.at_s + (fault.for_s or 0.0) for fault in faults)
    heals_s = HEALS_S if all(fault.for_s for fault in faults) else QUIET_S
    quiet_since = loop.time()
    while loop.time() < scenario.duration_s:
        await asyncio.sleep(LOOK_S)
        if running.done():
            running.result()
        memory = service.agent.memory if service.is_up else None
        owed = memory is None or memory.flying or memory.duties or memory.setpoints or memory.asleep
        busy = owed or memory is None or any(i.phase is not Phase.ESCALATED for i in memory.open_incidents)
        if busy or loop.time() < last_s or (memory is not None and not memory.incidents):
            quiet_since = loop.time()
        if loop.time() - quiet_since >= (heals_s if memory is not None and memory.open_incidents else QUIET_S):
            return True
    return False


def _looked_at(path: Path, site: Mapping[str, Any], reaper: Reaper, *, in_time: bool) -> Ran:
    records = list(read(path))
    state = State()
    for record in records:
        state.apply(record)
    report = kpis(state.incidents.values(), now=max(record.at for record in records)).fleet
    wrong = [] if in_time else ["it was not over in time"]
    wrong += [*violations(path, {"harm": site["harm"]}), *left(site, state), *repeated(site["deeds"], records)]
    return Ran(
        ends=tuple(
            sorted(
                (*sorted(i.members), i.category, i.phase, i.outcome, i.escalation_reason or "")
                for i in state.incidents.values()
                if i.outcome is not Outcome.SUPPRESSED
            )
        ),
        counted=(report.counted, report.auto_resolved),
        passed=tuple(map(tuple, reaper.passed)),
        playbooks=frozenset(record.event.playbook for record in records if isinstance(record.event, RunStarted)),
        wrong=tuple(wrong),
    )


# -- the cases ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A story, and after how many points the agent dies in it, each counted from the death before."""

    story: str
    deaths: tuple[int, ...]


@cache
def undisturbed(story: str) -> Ran:
    """Return the story without a death."""
    with tempfile.TemporaryDirectory(prefix="terrahash-crash-") as folder:
        found = ran(STORIES[story], Path(folder))
    if found.wrong or STORIES[story].playbook not in found.playbooks:
        raise AssertionError(f"{story}: {STORIES[story].playbook} was to run, {found.playbooks} did; {found.wrong}")
    return found


def cases(story: str, *, second: int = 1) -> Iterator[Case]:
    """Yield the cases of a story: a death at every point, and one in `second` of those that have another one.

    Where something was in flight, the next agent dies at each of the points at which it takes that up; elsewhere there
    is nothing to take up, and it dies as it has come up. What is left out of these is spread evenly.
    """
    (life,) = undisturbed(story).passed
    twice = 0
    for number, place in enumerate(life, 1):
        yield Case(story, (number,))
        for again in _again(place):
            if twice % second == 0:
                yield Case(story, (number, again))
            twice += 1


def _again(place: Place) -> Sequence[int]:
    """Return at which points the next agent is to die as well."""
    if place.point in IN_FLIGHT or (place.point is Point.COMMITTED and "intended" in place.of):
        return range(1, RESUME_POINTS + 1)
    return (COME_UP,) if place.point is Point.COMMITTED else ()


def failures(case: Case) -> list[str]:
    """Play a case; return what is not as it must be."""
    expected = undisturbed(case.story)
    with tempfile.TemporaryDirectory(prefix="terrahash-crash-") as folder:
        found = ran(STORIES[case.story], Path(folder), case.deaths)
    wrong = list(found.wrong)
    died_at = [life[-1] for life in found.passed[:-1]]
    if len(died_at) < len(case.deaths) and len(case.deaths) == 1:
        wrong.append("it did not die")
    if found.counted[0] != expected.counted[0]:
        wrong.append(f"{found.counted[0]} incidents counted, {expected.counted[0]} without a death")
    if found.ends != expected.ends and not _may_be_a_person_s(found, died_at):
        wrong.append(f"ended as {found.ends}, not as {expected.ends}")
    where = ", then ".join(map(str, died_at))
    return [f"{case.story}, {case.deaths} ({where}): {line}" for line in wrong]


def _may_be_a_person_s(found: Ran, died_at: Sequence[Place]) -> bool:
    """Whether nobody can know if something was done that must not be done twice, and a person was asked for that.

    A board that is looked into shows that a flash was never begun: the stories' boards are.
    """
    unknown = any(_is_unsure(place) for place in died_at)
    return unknown and all(Phase.ESCALATED in end or Phase.CLOSED in end for end in found.ends)


def _is_unsure(place: Place) -> bool:
    if place.point is Point.CALLING:
        return Verb(place.of) in NEVER_TWICE - {Verb.FLASH}
    return place.point in (Point.COMMITTED, Point.ANNOUNCED) and "intended" in place.of
