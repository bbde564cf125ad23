"""The deciding column on a bench: a view that a test writes, a memory that its own events fill, and no IO at all."""

import math
from collections.abc import Callable

from agent.detect.stuck import StuckDetector
from agent.guard.limits import GuardLimits
from agent.ledger.fold import State
from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import Actor, AnyEvent, Intended, Record
from agent.model.guard import Mode
from agent.model.incident import Incident
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach, Telemetry
from agent.model.topology import Site
from agent.remediate.settle import settled
from agent.remediate.tables import Tables
from agent.stages import Stages
from agent.triage.limits import TriageLimits
from playbooks.stuck_miner import PLAYBOOK
from tests.factory import EPOCH, healthy, put_outlets, put_ports

POLL_S = 8.0
TABLES = Tables([PLAYBOOK])


class World:
    """What the test decides of the first miner; the others are healthy."""

    def __init__(self) -> None:
        self.reply: Telemetry | Reach | None = None
        """None: healthy."""
        self.reply_from: Callable[[float], Telemetry] | None = None
        """Given the time: a reply that changes from poll to poll."""
        self.power_w = 3250.0
        self.unmetered = False
        self.talks = True
        self.link = True
        self.reads_pdu = True
        self.reads_port = True
        self.answers: Callable[[Action], Result] = lambda _: Result.OK
        self.on_action: Callable[[Action], None] = lambda _: None


class Bench:
    """Runs the stages tick by tick, 8 s apart, settling every intent one tick later."""

    def __init__(self, site: Site, *, mode: Mode = Mode.AUTO, guard: GuardLimits | None = None) -> None:
        self.world = World()
        self.view = SiteView(site)
        self.state = State()
        self.stages = Stages(
            self.view,
            self.state,
            [StuckDetector(len(site.miners))],
            TABLES,
            modes={PLAYBOOK.name: dict.fromkeys(Risk, mode)},
            guard=guard or GuardLimits(),
            limits=TriageLimits(),
        )
        self.now = EPOCH
        self.age = dict.fromkeys(range(len(site.miners)), 50000.0)
        self.octets = 1_000
        self.events: list[AnyEvent] = []
        self._pending: list[Intended] = []
        self.run(80.0)

    def run(self, for_s: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let site time pass, at most `for_s`, or until the condition holds."""
        end = self.now + for_s
        while self.now < end and not until():
            self._step()

    @property
    def incident(self) -> Incident:
        """The only incident there is."""
        (incident,) = self.state.incidents.values()
        return incident

    @property
    def verbs(self) -> list[Verb]:
        """Every action intended so far, in order."""
        return [event.action.verb for event in self.events if isinstance(event, Intended)]

    def reset(self) -> None:
        """The first miner's process begins anew and hashes."""
        self.age[0] = 0.0
        self.world.reply = None
        self.world.power_w = 3250.0
        self.world.talks = True

    def tell(self, event: AnyEvent) -> None:
        """Commit what somebody else decided."""
        self._commit([event])

    def _step(self) -> None:
        self.now += POLL_S
        self._observe()
        for intent in self._pending:
            self._settle(intent)
        self._pending = []
        self._commit(self.stages.tick(self.now))

    def _observe(self) -> None:
        world = self.world
        self.octets += 1_000
        for row in self.age:
            self.age[row] += POLL_S
            reply = world.reply if row == 0 else None
            if row == 0 and world.reply_from is not None:
                reply = world.reply_from(self.now)
            if isinstance(reply, Reach):
                self.view.put_miss(row, self.now, reply)
            else:
                self.view.put_answer(row, self.now, reply or healthy(self.age[row]))
        if world.reads_pdu:
            put_outlets(self.view, self.now, power_w=world.power_w)
        if world.unmetered:
            self.view.outlet_w.value[:] = self.view.outlet_a.value[:] = math.nan
        if world.reads_port and world.talks:
            put_ports(self.view, self.now, self.octets, up=world.link)
        elif world.reads_port:
            silent = self.view.port_octets.total[0]
            put_ports(self.view, self.now, int(silent), up=world.link)

    def _settle(self, intent: Intended) -> None:
        self.world.on_action(intent.action)
        result = self.world.answers(intent.action)
        self._commit([settled(intent, result, "", self.state.incidents[intent.incident], TABLES)])

    def _commit(self, events: list[AnyEvent]) -> None:
        for event in events:
            self.state.apply(Record(self.state.seq + 1, self.now, Actor.AGENT, event, "", ""))
            self.events.append(event)
            if isinstance(event, Intended):
                self._pending.append(event)
