"""The deciding column on a bench with pools: many miners at once, and what becomes of the shares each of them sends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.detect.foreign_pool import ForeignPoolDetector
from agent.detect.pool import PoolDetector
from agent.detect.rejects import RejectDetector
from agent.guard.limits import GuardLimits
from agent.ledger.fold import State
from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import Actor, AnyEvent, Intended, Moved, Record, Settled
from agent.model.guard import Mode
from agent.model.ids import MinerId, PoolId
from agent.model.incident import Incident, Phase
from agent.model.pool_book import POOL_FOREIGN
from agent.model.probe import NameFault, ProbeResult, Verdict
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.topology import Family, Site
from agent.model.waves import CHANGE_S
from agent.remediate.settle import settled
from agent.remediate.tables import Tables
from agent.stages import Stages
from agent.triage.limits import TriageLimits
from playbooks import foreign_pool, high_rejects, pool_loss
from tests.factory import EPOCH, NOMINAL_TH, miner, pooled, site

POLL_S = 8.0
SHARES_PER_S = 0.3
BOOKS = (pool_loss.PLAYBOOK, high_rejects.PLAYBOOK, foreign_pool.PLAYBOOK)
TABLES = Tables(BOOKS)
MODES = {book.name: dict.fromkeys(Risk, Mode.AUTO) for book in BOOKS}


def pools_site(miners: int, *names: str, families: Sequence[Family] = (Family.LUXOS,)) -> Site:
    """A site of so many miners, their families in turn, with these pools."""
    chosen = tuple(miner(k, family=families[(k - 1) % len(families)]) for k in range(1, miners + 1))
    return pooled(site(chosen), *(names or ("primary", "backup", "reserve")))


@dataclass
class PoolState:
    """What one pool does, to its miners and to the gateway.

    Attributes:
        takes: shares come back from it; dead: miners see that they do not.
        bad: share of the shares that it rejects.
        verdict: what the gateway finds; None where it does not look.
    """

    takes: bool = True
    dead: bool = False
    bad: float = 0.0
    verdict: Verdict | None = Verdict.GOOD
    name_fault: NameFault | None = None
    work: bool = True

    def fall(self, verdict: Verdict = Verdict.REFUSED, name_fault: NameFault | None = None) -> None:
        """No share comes back any more, its miners see that, and the gateway finds this."""
        self.takes, self.dead, self.verdict, self.name_fault = False, True, verdict, name_fault

    def rise(self) -> None:
        """All is well again."""
        self.takes, self.dead, self.verdict, self.name_fault = True, False, Verdict.GOOD, None


@dataclass
class PoolWorld:
    """What the test decides; arrays have shape (n,).

    Attributes:
        pool: place of the pool that each works for; foreign where it is negative.
        first: place of the first pool of its list, to which it comes back.
        bad: share of its own shares that are bad.
        cut: its shares do not come back, whatever the pool does; no_way: they do not from the first pool.
        back_at: until when it says nothing, UTC s.
        refuses, deaf: those that do not take a list of pools, and those that do not even answer that.
    """

    n: int
    pools: list[PoolState]
    pool: np.ndarray = field(init=False)
    first: np.ndarray = field(init=False)
    named: np.ndarray = field(init=False)
    bad: np.ndarray = field(init=False)
    cut: np.ndarray = field(init=False)
    no_way: np.ndarray = field(init=False)
    back_at: np.ndarray = field(init=False)
    refuses: set[MinerId] = field(default_factory=set)
    deaf: set[MinerId] = field(default_factory=set)
    taken: list[tuple[MinerId, PoolId]] = field(default_factory=list)
    on_restart: Callable[[int], None] = lambda _: None
    on_derate: Callable[[int, float], Result] = lambda _, __: Result.OK

    def __post_init__(self) -> None:
        self.pool = np.zeros(self.n, dtype=np.int16)
        self.first = np.zeros(self.n, dtype=np.int16)
        self.named = np.ones(self.n)
        self.bad = np.zeros(self.n)
        self.cut = np.zeros(self.n, dtype=np.bool_)
        self.no_way = np.zeros(self.n, dtype=np.bool_)
        self.back_at = np.full(self.n, -np.inf)


class PoolBench:
    """Runs the stages tick by tick, 8 s apart, settling every intent one tick later."""

    def __init__(self, of: Site) -> None:
        self.site = of
        n = len(of.miners)
        self.world = PoolWorld(n, [PoolState() for _ in of.pools])
        self.state = State()
        self.events: list[AnyEvent] = []
        self.now = EPOCH
        self._pending: list[Intended] = []
        self._work_s = 50_000.0
        self._sent = np.linspace(0.0, 1.0, n, endpoint=False)
        self._good, self._bad = np.full(n, 15_000.0), np.zeros(n)
        self._owed = np.linspace(0.0, 1.0, n, endpoint=False)
        self.restart()
        self.run(160.0)

    def restart(self) -> None:
        """The agent begins anew: only what the ledger holds is left."""
        n = len(self.site.miners)
        self.view = SiteView(self.site)
        self.stages = Stages(
            self.view,
            self.state,
            [ForeignPoolDetector(n), PoolDetector(n), RejectDetector(n)],
            TABLES,
            modes=MODES,
            guard=GuardLimits(),
            limits=TriageLimits(),
        )
        self.stages.restore(self.now)

    def run(self, for_s: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let site time pass, at most `for_s`, or until the condition holds."""
        end = self.now + for_s
        while self.now < end and not until():
            self._step()

    def run_to_end(self, for_s: float = 6 * 3600.0) -> Incident:
        """Run until the first incident is closed or with a person, and return it."""
        self.run(for_s, lambda: bool(self.state.incidents) and self.incident.phase in (Phase.CLOSED, Phase.ESCALATED))
        return self.incident

    @property
    def incident(self) -> Incident:
        """The first incident."""
        return next(iter(self.state.incidents.values()))

    @property
    def latest(self) -> Incident:
        """The last incident."""
        return next(reversed(self.state.incidents.values()))

    @property
    def actions(self) -> list[Action]:
        """Every action intended so far, in order."""
        return [event.action for event in self.events if isinstance(event, Intended)]

    @property
    def waves(self) -> list[tuple[str, int]]:
        """The state and the number of targets of every change of pools so far."""
        told = [e for e in self.events if isinstance(e, Intended) and e.action.verb is Verb.SWITCH_POOL]
        return [(event.state, len(event.action.targets)) for event in told]

    @property
    def path(self) -> list[str]:
        """The states that were entered, in order."""
        return [e.to_state for e in self.events if isinstance(e, Moved | Settled)]

    def state_is(self, state: str) -> Callable[[], bool]:
        """Return whether the first incident's run is in that state, as a condition."""
        return lambda: bool(self.state.incidents) and (run := self.incident.run) is not None and run.state == state

    def _step(self) -> None:
        self.now += POLL_S
        self._work()
        self._observe()
        pending, self._pending = self._pending, []
        for intent in pending:
            result = self._perform(intent.action)
            self.commit([settled(intent, result, "", self.state.incidents[intent.incident], TABLES)])
        self.commit(self.stages.tick(self.now))

    def _work(self) -> None:
        world = self.world
        here = [world.pool == place for place in range(len(world.pools))]
        takes = np.select(here, [pool.takes for pool in world.pools], default=True)
        takes &= ~world.cut & ~(world.no_way & here[0])
        rejects = np.select(here, [pool.bad for pool in world.pools], default=0.0)
        share = np.maximum(rejects, world.bad)
        hashing = self.now >= world.back_at
        self._work_s += POLL_S
        self._sent += SHARES_PER_S * POLL_S
        whole = np.floor(self._sent)
        self._sent -= whole
        whole = np.where(hashing & takes, whole, 0.0)
        self._owed += whole * share
        bad = np.minimum(np.floor(self._owed), whole)
        self._owed -= bad
        self._good += whole - bad
        self._bad += bad

    def _observe(self) -> None:
        world, n = self.world, len(self.site.miners)
        heard = self.now >= world.back_at
        at, polls, same = np.full(n, self.now), np.ones(n, dtype=np.int32), np.ones(n)
        here = [world.pool == place for place in range(len(world.pools))]
        dead = np.select(here, [pool.dead for pool in world.pools], default=False)
        told = {
            "hashrate_th": NOMINAL_TH * same,
            "expected_th": NOMINAL_TH * same,
            "work_gh": self._work_s * NOMINAL_TH * 1e3 * same,
            "elapsed_s": self._work_s * same,
            "accepted": self._good.copy(),
            "rejected": self._bad.copy(),
            "stale": 0.0 * same,
            "share_diff": 65_536.0 * same,
            "pool_alive": np.where(dead, 0.0, 1.0),
            "suspended": 0.0 * same,
        }
        self.view.put_answers(heard, at, polls, {name: (heard, values) for name, values in told.items()})
        self.view.put_pools(heard, at, np.where(world.pool < 0, POOL_FOREIGN, world.pool).astype(np.int16), world.named)
        mute = np.flatnonzero(~heard)
        self.view.put_misses(mute, at[mute], polls[mute], np.full(mute.size, Reach.SILENT, dtype=np.int8))
        for pool, does in zip(self.site.pools, world.pools, strict=True):
            if does.verdict is not None:
                self.view.put_probe(
                    ProbeResult(pool.id, self.now, (), does.verdict, has_work=does.work, name_fault=does.name_fault)
                )

    def _perform(self, action: Action) -> Result:
        world, rows = self.world, self.site.rows
        if action.verb is Verb.RESTART:
            world.back_at[rows[action.miner]] = self.now + 60.0
            world.on_restart(rows[action.miner])
            return Result.OK
        if action.verb is Verb.DERATE:
            return world.on_derate(rows[action.miner], float(action.share or 0.0))
        place = next(k for k, pool in enumerate(self.site.pools) if pool.id == action.pool)
        took = [target for target in action.targets if target not in world.refuses | world.deaf]
        for target in took:
            row = rows[target]
            world.first[row] = place
            if world.pool[row] == place and world.named[row]:
                continue
            world.pool[row], world.named[row] = place, 1.0
            world.taken.append((target, self.site.pools[place].id))
            change_s = CHANGE_S[self.site.miners[row].family]
            if change_s >= 60.0:
                world.back_at[row] = self.now + change_s
        if took:
            return Result.OK
        return Result.FAILED if world.refuses.issuperset(action.targets) else Result.UNKNOWN

    def commit(self, events: list[AnyEvent]) -> None:
        for event in events:
            self.state.apply(Record(self.state.seq + 1, self.now, Actor.AGENT, event, "", ""))
            self.events.append(event)
            if isinstance(event, Intended):
                self._pending.append(event)
