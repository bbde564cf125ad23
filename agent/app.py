"""The composition root: wiring, start and stop, the tick's loop, resume on boot.

The two columns meet here and nowhere else: stages decide, the ledger remembers, the actor acts.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence

import structlog

from agent import __version__
from agent.act import Outcome
from agent.announce import Anchors, announce
from agent.clock import Clock
from agent.config import Settings
from agent.config.canonical import encoded
from agent.detect.degraded import DegradedDetector
from agent.detect.firmware import FirmwareDetector
from agent.detect.foreign_pool import ForeignPoolDetector
from agent.detect.hardware import HardwareDetector
from agent.detect.heat import HeatWatch
from agent.detect.hiccup import HiccupDetector
from agent.detect.loop import LoopDetector
from agent.detect.network import NetworkDetector
from agent.detect.pool import PoolDetector
from agent.detect.rejects import RejectDetector
from agent.detect.stuck import StuckDetector
from agent.detect.thermal import ThermalDetector
from agent.detect.unit import UnitDetector
from agent.detect.unsteady_pool import UnsteadyPoolDetector
from agent.detect.witness import Witness
from agent.guard.order import GATES
from agent.ledger.fold import State
from agent.ledger.store import Ledger
from agent.model.action import Risk, Verb
from agent.model.errors import InvariantError
from agent.model.events import (
    Actor,
    AgentStarted,
    AgentStopped,
    AnyEvent,
    HoldChanged,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
    Intended,
    Moved,
    Rebound,
    RunStarted,
)
from agent.model.guard import Mode
from agent.model.incident import Incident, Phase
from agent.model.itself import Part
from agent.model.memory import Memory
from agent.model.recording import FORMAT, Head
from agent.model.site_view import SiteView
from agent.model.verdicts import Detector
from agent.notify.notifier import Notifier
from agent.observe.hold import HoldFile
from agent.observe.recorder import Records
from agent.remediate.settle import settled
from agent.remediate.tables import Tables
from agent.resume import Resume
from agent.shipped import load_playbooks
from agent.stages import Stages
from agent.touch import Touch
from agent.triage.schedule import Timetable

_log = structlog.get_logger(__name__)

PROVE_S, PROVE_EVERY_S = 1.0, 5.0
"""A ledger that took so long for its last commit is tried again this often, until it is quick."""

QUIET_S = 120.0
"""A ledger that has had nothing to commit for so long is tried: a disk that fails on a quiet night is known before it
is needed. That is a page of 4 KiB each time, 3 MB a day."""

SOON_S = 0.1
"""Where something has just begun or gone on, the next tick does not wait for its turn: what follows may be due now."""

_GOES_ON = IncidentOpened | IncidentReclassified | IncidentRelapsed | IncidentUpdated | RunStarted | Moved

SETTLE_ON_STOP_S = 20.0
"""How long a stop waits for actions in flight; what is left is resumed at the next start."""


class Agent:
    """One site's agent.

    Args:
        touch: its devices.
        simulated: what the ledger says about the site.
        notifier: tells people; None where nobody is to be told.
        hold: what tells that a person wants the agent to keep its hands off; None where nobody can.
        record: makes the flight recorder; None where nothing is recorded.
        on_auto: act within the guards whatever the settings' mode is; by default on a simulated site, and only there.

    Attributes:
        view: the columns, kept current while it runs.
        memory: the fold over its ledger.
        tables: its playbooks.
        ticks: how many ticks were decided and committed; with `heartbeat` the proof that it lives.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        clock: Clock,
        *,
        touch: Touch,
        simulated: bool,
        on_auto: bool | None = None,
        hold: HoldFile | None = None,
        notifier: Notifier | None = None,
        record: Callable[[SiteView, Memory, Stages, Callable[[Incident], Head]], Records] | None = None,
    ) -> None:
        self.view = touch.view
        self.observer = touch.observer
        self.memory = State()
        self.ticks = 0
        self._touch = touch
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._simulated = simulated
        self._hold = hold
        self._notifier = notifier
        self._on_auto = simulated if on_auto is None else on_auto
        self.tables = load_playbooks()
        self._modes = modes_of(settings, on_auto=self._on_auto)
        self._stages = stages(settings, self.view, self.memory, self.tables, self._modes)
        self._recorder = None if record is None else record(self.view, self.memory, self._stages, self._head)
        touch.ear.listener = self._recorder
        self._anchors = Anchors()
        self._past = Resume(self.view, self.memory, self.tables)
        self._timetable = Timetable(settings.schedules)
        self._commit_lock = asyncio.Lock()
        self._acting: set[asyncio.Task[None]] = set()
        self._changing: set[asyncio.Task[Sequence[AnyEvent]]] = set()
        self._failed: asyncio.Future[None] | None = None
        self._hurries = False

    async def start(self) -> None:
        """Come up: fold the ledger, poll the whole site once, take up what was left undone."""
        self._failed = asyncio.get_running_loop().create_future()
        last_at = self._ledger.remember(self.memory)
        if behind_s := self._clock.not_before(last_at):
            _log.warning("clock_was_behind_the_ledger", behind_s=round(behind_s, 1))
        self._look_where_found()
        await self._touch.warm_up(acting=self._may_act())
        await self.observer.start()
        await self.observer.first_full_poll()
        await self._commit([self._started(clock_ran_on=not behind_s)])
        self._stages.restore(self._clock.now())
        for intent in list(self.memory.flying.values()):
            self._resume(intent)
        if self._notifier is not None:
            await self._notifier.start(self)

    async def run(self) -> None:
        """Tick until cancelled.

        Raises:
            AgentError: the ledger can no longer be written; nothing is done without it.
        """
        failed = self._failed
        if failed is None:
            raise InvariantError("the agent was run before it was started; call start() first")
        left_s = self._settings.tick_s
        while True:
            await self.tick()
            wait_s = min(SOON_S, left_s) if self._hurries else left_s
            left_s = left_s - wait_s or self._settings.tick_s
            done, _ = await asyncio.wait([failed], timeout=wait_s)
            if done:
                failed.result()

    async def tick(self) -> None:
        """Decide once, commit, and set in motion what was decided."""
        await self._follow_hold()
        await self._doubt_ledger()
        if self._timetable.is_due(self._clock.now()):
            await self._decide(lambda: self._timetable.due(self.memory, self._clock.now()), Actor.SCHEDULE)
        events = await self._decide(self._judge)
        for event in events:
            if isinstance(event, Intended):
                self._launch(self._carry_out(event))
        self._hurries = any(isinstance(event, _GOES_ON) for event in events)
        watched = [i for i in self.memory.open_incidents if i.phase is not Phase.ESCALATED]
        self.observer.focus([miner for incident in watched for miner in incident.members])
        self._anchors.tell(self._clock.now())
        self.ticks += 1

    def _judge(self) -> Sequence[AnyEvent]:
        """Have the recorder see what this tick sees, and decide."""
        now = self._clock.now()
        if self._recorder is not None:
            self._recorder.see(now)
        return self._stages.tick(now)

    def _head(self, incident: Incident) -> Head:
        """Return what the recording of an incident begins with."""
        settings = self._settings
        return Head(
            format=FORMAT,
            incident=incident.id,
            software=__version__,
            config_fingerprint=settings.fingerprint,
            playbooks={table.playbook.name: table.fingerprint for table in self.tables},
            site=settings.site,
            settings=encoded(settings),
            detected_at=incident.detected_at,
            tick_s=settings.tick_s,
            simulated=self._simulated,
            on_auto=self._on_auto,
        )

    async def _follow_hold(self) -> None:
        """Put on record that a person held the agent, or let it go on."""
        why = None if self._hold is None else self._hold.why()
        if why != self.memory.held:
            await self._commit([HoldChanged(why=why)], Actor.OPERATOR)

    def now(self) -> float:
        """Return steady UTC in s."""
        return self._clock.now()

    async def change(self, wanted: Callable[[Memory, float], Sequence[AnyEvent]], actor: Actor) -> None:
        """Commit what a person or an integration changes: the one door for whoever is not the agent itself.

        Args:
            wanted: given the memory and now (UTC s), returns the events, or raises PolicyError. Nothing is committed
                between what it sees and what it returns.
            actor: who caused it.

        Raises:
            PolicyError: what `wanted` raised; or the ledger cannot be written.
        """
        work = asyncio.create_task(self._decide(lambda: wanted(self.memory, self._clock.now()), actor))
        self._changing.add(work)
        work.add_done_callback(self._changing.discard)
        # Whoever asked may give up and go; what the ledger has by then must reach the memory all the same.
        await asyncio.shield(work)

    def _note_commit(self, asked_at: float) -> None:
        now = self._clock.now()
        self.view.itself[Part.LEDGER].put(now - asked_at, now)

    async def _doubt_ledger(self) -> None:
        """Have a ledger prove how quick it is where nothing is done that would tell: often while it is slow."""
        last, asked_at = self.view.itself[Part.LEDGER], self._clock.now()
        if asked_at - last.at >= (PROVE_EVERY_S if last.value >= PROVE_S else QUIET_S):
            await self._ledger.prove()
            self._note_commit(asked_at)

    async def heartbeat(self) -> int:
        """Make the ledger's writer prove that it lives; return the number of ticks so far."""
        await self._ledger.append([])
        return self.ticks

    async def stop(self, reason: str) -> None:
        """Go down: let actions in flight settle for a while, record the stop, release every socket."""
        if self._acting:
            await asyncio.wait(self._acting, timeout=SETTLE_ON_STOP_S)
        await self.drop()
        if self._recorder is not None:
            self._recorder.close()
        await self._commit([AgentStopped(reason=reason)])

    async def drop(self) -> None:
        """Let go of everything at once, as a process that dies does: nothing is waited for, nothing recorded."""
        for task in self._acting:
            task.cancel()
        await asyncio.gather(*self._acting, *self._changing, return_exceptions=True)
        await self.observer.stop()
        if self._notifier is not None:
            await self._notifier.stop()
        self._touch.close()

    def _may_act(self) -> bool:
        settings = self._settings
        exceptions = [mode for risks in settings.trust.values() for mode in risks.values()]
        return self._on_auto or any(mode is not Mode.OBSERVE for mode in (settings.mode, *exceptions))

    def _started(self, *, clock_ran_on: bool) -> AgentStarted:
        """Return the event of this start; a clock that was behind what is on record tells nothing of the time since."""
        boot, before = self._touch.boot if clock_ran_on else "", self.memory.started
        boot_since = self._clock.now() if boot else None
        if before is not None and before[0].boot == boot:
            boot_since = before[0].boot_since
        return AgentStarted(
            version=__version__,
            site=self._settings.site.name,
            config_fingerprint=self._settings.fingerprint,
            playbooks={table.playbook.name: table.fingerprint for table in self.tables},
            simulated=self._simulated,
            trust={
                playbook.name: {risk.name.lower(): self._modes[playbook.name][risk] for risk in playbook.risks}
                for playbook in (table.playbook for table in self.tables)
            },
            gates=tuple(gate.__name__ for gate in GATES),
            boot=boot,
            boot_since=boot_since,
        )

    async def _commit(self, events: Sequence[AnyEvent], actor: Actor = Actor.AGENT) -> Sequence[AnyEvent]:
        return await self._decide(lambda: events, actor)

    async def _decide(self, decide: Callable[[], Sequence[AnyEvent]], actor: Actor = Actor.AGENT) -> Sequence[AnyEvent]:
        """Decide and commit what was decided; the memory cannot change in between."""
        async with self._commit_lock:
            events, asked_at = decide(), self._clock.now()
            if self._notifier is not None:
                events = [*events, *self._notifier.due(events, self.memory, asked_at)]
            for record in await self._ledger.append(events, actor) if events else ():
                self.memory.apply(record)
                self._anchors.follow(record)
            if events:
                self._note_commit(asked_at)
        for event in events:
            announce(event)
        if self._notifier is not None and events:
            self._notifier.wake()
        return events

    def _launch(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._acting.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._acting.discard(task)
        if not task.cancelled() and (error := task.exception()) and self._failed and not self._failed.done():
            self._failed.set_exception(error)

    async def _carry_out(self, intent: Intended) -> None:
        outcome = await self._touch.actor.perform(intent.action)
        await self._settle(intent, outcome)

    async def _finish(self, intent: Intended) -> None:
        await self._settle(intent, await self._touch.actor.finish(intent.action))

    async def _settle(self, intent: Intended, outcome: Outcome) -> None:
        incident = self.memory.incidents[intent.incident]
        made = settled(intent, outcome.result, outcome.detail, incident, self.tables, evidence=outcome.evidence)
        events: list[AnyEvent] = [made]
        if outcome.host:
            miner = self.view.site.miner(intent.action.miner)
            events.append(Rebound(incident=incident.id, miner=miner.id, host=outcome.host, inventory_host=miner.host))
        await self._commit(events)
        if outcome.host:
            self._touch.rebind(miner, outcome.host)

    def _look_where_found(self) -> None:
        """Look for miners where they were last found, unless the inventory has changed since."""
        site = self.view.site
        for event in self.memory.rebound.values():
            miner = site.miner(event.miner) if event.miner in site.rows else None
            if miner is None or miner.host != event.inventory_host or event.host in site.hosts - {miner.host}:
                continue
            self._touch.rebind(miner, event.host)
            _log.warning("miner_not_where_the_inventory_says", miner=miner.id, inventory=miner.host, found=event.host)

    def _resume(self, intent: Intended) -> None:
        """Take up an intent that had no outcome when the agent went down: do it where that is right, else settle it."""
        outcome = self._past.look(intent, self._clock.now())
        if outcome is None:
            self._launch(self._carry_out(intent))
        elif intent.action.verb is Verb.BOUNCE_PORT:
            self._launch(self._finish(intent))
        elif intent.action.verb is Verb.FLASH and self._past.is_of_this_boot(intent):
            self._launch(self._look_back(intent, outcome))
        else:
            self._launch(self._settle(intent, outcome))

    async def _look_back(self, intent: Intended, outcome: Outcome) -> None:
        """Settle a flash as never begun where its miner shows that; else as it looks from here."""
        ago_s = self._clock.now() - self._past.asked_at(intent)
        await self._settle(intent, await self._touch.actor.not_begun(intent.action, ago_s) or outcome)


def stages(
    settings: Settings, view: SiteView, memory: Memory, tables: Tables, modes: Mapping[str, Mapping[Risk, Mode]]
) -> Stages:
    """Return the deciding half as the settings have it."""
    return Stages(
        view,
        memory,
        detectors(settings),
        tables,
        modes=modes,
        guard=settings.guard,
        limits=settings.triage,
        itself=settings.itself,
    )


def detectors(settings: Settings) -> list[Detector]:
    """Return the detectors in the order in which they judge: where several see the same miner, the first owns it."""
    rows = len(settings.site.miners)
    network = NetworkDetector(rows)
    firmware = FirmwareDetector(settings.site, settings.firmware)
    heat = HeatWatch(rows, settings.heat)
    witness = Witness(heat, settings.loop)
    loops = LoopDetector(rows, heat, witness, settings.loop)
    return [
        ForeignPoolDetector(rows, settings.foreign_pool),
        PoolDetector(rows, settings.pool_loss),
        UnsteadyPoolDetector(rows, settings.unsteady_pool),
        network,
        firmware,
        UnitDetector(rows, heat, witness, settings.loop, every_s=settings.poll.cooling_interval_s),
        loops,
        ThermalDetector(rows, heat, loops),
        RejectDetector(rows, settings.rejects),
        HardwareDetector(rows, settings.hardware),
        DegradedDetector(rows, settings.degraded, loops),
        HiccupDetector(rows, settings.psu_hiccup),
        StuckDetector(rows, settings.stuck, network=network, firmware=firmware, heat=heat, loops=loops),
    ]


def modes_of(settings: Settings, *, on_auto: bool) -> Mapping[str, Mapping[Risk, Mode]]:
    """Return the mode by playbook and risk; `on_auto` goes before whatever the settings say."""
    default = Mode.AUTO if on_auto else settings.mode
    modes: dict[str, Mapping[Risk, Mode]] = defaultdict(lambda: dict.fromkeys(Risk, default))
    for playbook, overrides in settings.trust.items():
        modes[playbook] = dict.fromkeys(Risk, default) | ({} if on_auto else dict(overrides))
    return modes
