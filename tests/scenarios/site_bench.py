"""A small configured site on a bench: simulated devices on the wire, the real agent, its ledger, virtual time.

A story is a coroutine that gets the bench, does things to the plant and the agent, and lets site time pass. What is
looked at afterwards is the plant's journal, the truth and the ledger's file. The agent can be killed: its tasks are
cut off where they stand, nothing is said or written any more, and the next one gets what is on the disk.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from agent.app import Agent
from agent.cli.redact import redact, scrub
from agent.cli.simulated import simulated_site, with_host_keys
from agent.clock import Clock
from agent.config import Settings, load
from agent.ledger import chain
from agent.ledger.fold import State
from agent.ledger.reader import audit, read
from agent.ledger.store import Ledger
from agent.model.action import Verb
from agent.model.events import AnyEvent, Intended, Record
from agent.model.ids import MinerId, PduId
from agent.model.incident import Incident
from agent.model.topology import Family, Outlet
from agent.notify.notifier import Notifier
from agent.touch import Wired
from simulators.faults.kind import Value
from simulators.loopback import loopback_endpoint
from simulators.memory_net import MemoryLoop
from simulators.plant.journal import ACTIONS, Entry, What
from simulators.plant.miner import MinerPlant
from simulators.plant.power import PduPlant
from simulators.site import SimulatedSite
from simulators.virtual_time import run

EPOCH_S = 1_767_225_600.0
SEED = 3
NETWORK = f"10.{130 + os.getpid() % 100}"
"""A block of its own, beside the example's 10.20 and another for each process that runs tests on this machine."""

MODELS = {Family.ANTMINER_STOCK: "S19 Pro", Family.WHATSMINER: "M50", Family.LUXOS: "S19k Pro"}
FAMILIES = tuple(Family)
VERBS = {
    What.RELAY_OFF: Verb.POWER_OFF,
    What.RELAY_ON: Verb.POWER_ON,
    What.RESTART: Verb.RESTART,
    What.REBOOT: Verb.REBOOT,
}
CLOCK_STEP_S = 0.001
"""The ledger's resolution: an intent and what came of it may bear times this much apart."""


# -- the site ----------------------------------------------------------------------------------------------------------


def configuration(
    miners: Sequence[tuple[Family, int]],
    *,
    profile: str = "apc_rpdu2",
    mode: str = "auto",
    rating_a: float | None = None,
    split: bool = False,
    logins: bool = True,
    **sections: Any,
) -> dict[str, Any]:
    """Return a configuration: miners `m1`, `m2` … with so many outlets each, in order along `pdu-a`.

    With `rating_a` one breaker protects all outlets, else each three have a breaker of 60 A. With `split` the second
    cord of each miner is on `pdu-b` instead. Small PDUs, because reading them is most of what a story costs.
    """
    pdus = ["pdu-a", "pdu-b"] if split else ["pdu-a"]
    number = dict.fromkeys(pdus, 0)
    rows = []
    for k, (family, cords) in enumerate(miners, 1):
        outlets = []
        for cord in range(cords):
            pdu = pdus[cord % len(pdus)]
            number[pdu] += 1
            outlets.append(f"{pdu}/{number[pdu]}")
        rows.append(
            {
                "id": f"m{k}",
                "host": f"{NETWORK}.1.{k}",
                "model": MODELS[family],
                "family": family.value,
                "outlets": " ".join(outlets),
                "port": f"sw-1/{k}",
            }
        )
    tree: dict[str, Any] = {
        "site": {"name": "bench"},
        "mode": mode,
        "pdus": [_pdu(name, k, profile, rating_a, number[name]) for k, name in enumerate(pdus, 1)],
        "switches": [
            {
                "id": "sw-1",
                "host": f"{NETWORK}.0.2",
                "ports": len(rows),
                "snmp": {"community": {"credential": "switch-read"}},
            }
        ],
        "inventory": rows,
    }
    if logins:
        tree["logins"] = {
            "antminer_stock": {"user": "root", "password": {"credential": "antminer-password"}},
            "whatsminer": {"user": "admin", "password": {"credential": "whatsminer-password"}},
        }
    return tree | sections


def _pdu(name: str, k: int, profile: str, rating_a: float | None, outlets: int) -> dict[str, Any]:
    banks = [
        {"number": b + 1, "outlets": f"{3 * b + 1}-{min(3 * b + 3, outlets)}", "rating_a": 60}
        for b in range(-(-outlets // 3))
    ]
    return {
        "id": name,
        "host": f"{NETWORK}.0.{10 + k}",
        "model": profile,
        "outlets": outlets,
        "voltage_v": 240,
        **({"banks": banks} if rating_a is None else {"rating_a": rating_a}),
        "snmp": {"community": {"credential": f"{name}-read"}, "write_community": {"credential": f"{name}-write"}},
    }


def settings_of(folder: Path, tree: dict[str, Any]) -> Settings:
    """Write the configuration down and load it as the agent does."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return load(path)


# -- the bench ---------------------------------------------------------------------------------------------------------


class _Watched(list[Entry]):
    """The plant's journal, that tells of each entry at the instant it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.tell: list[Callable[[Entry], None]] = []

    def append(self, entry: Entry) -> None:
        super().append(entry)
        for told in tuple(self.tell):
            told(entry)


class Bench:
    """One site and its agents, one after another.

    Attributes:
        settings: what the next agent is started with.
        prepare: called with every agent before it starts.
        notifier: what the next agent tells people with.
        record: makes the next agent's flight recorder.
        path: the ledger's file.
    """

    def __init__(self, simulated: SimulatedSite, settings: Settings, folder: Path, *, is_simulated: bool) -> None:
        self.simulated = simulated
        self.settings = settings
        self.path = folder / "ledger.sqlite3"
        self.prepare: Callable[[Agent], None] = lambda _: None
        self.credentials: Any = simulated.secrets
        self.notifier: Notifier | None = None
        self.record: Any = None
        self._is_simulated = is_simulated
        self._loop = asyncio.get_running_loop()
        self._entries = _Watched()
        simulated.plant.journal.entries = self._entries
        self._agent: Agent | None = None
        self._ledger: Ledger | None = None
        self._dropped: list[Ledger] = []
        self._running: asyncio.Task[None] | None = None

    # -- the agent -----------------------------------------------------------------------------------------------------

    @property
    def agent(self) -> Agent:
        assert self._agent is not None
        return self._agent

    async def start(self, *, behind_s: float = 0.0, ticking: bool = True) -> None:
        """Start a fresh agent on the ledger as it is on the disk, by a clock that may be slow by `behind_s`."""
        clock = Clock.virtual(self._loop, EPOCH_S + self.now - behind_s)
        self._ledger = Ledger.open(self.path, clock, threaded=False)
        touch = Wired(
            with_host_keys(self.settings, SEED),
            clock,
            dialer=self.simulated.dialer,
            credentials=redact(self.credentials, self.settings.credentials),
            scrub=scrub,
            nameservers=self.simulated.nameservers,
            host=self.simulated.host,
        )
        self._agent = Agent(
            self.settings,
            self._ledger,
            clock,
            touch=touch,
            simulated=self._is_simulated,
            notifier=self.notifier,
            record=self.record,
        )
        self.prepare(self._agent)
        await self._agent.start()
        if ticking:
            self.tick()

    def observe(self) -> None:
        """Take the next agents for those of a real site: the configuration's mode holds."""
        self._is_simulated = False

    def tick(self) -> None:
        """Let the agent decide by itself from now on."""
        self._running = asyncio.create_task(self.agent.run())

    def cut(self) -> None:
        """Stop the agent dead: whatever it is doing, it does no more."""
        for task in (self._running, *self.agent._acting):
            if task is not None:
                task.cancel()

    async def kill(self) -> None:
        """End the agent as SIGKILL would: its sockets and its lock are gone, its ledger is what is on the disk."""
        assert self._ledger is not None
        self.cut()
        await asyncio.gather(*filter(None, (self._running, *self.agent._acting)), return_exceptions=True)
        if self.agent._notifier is not None:
            await self.agent._notifier.stop()
        await self.agent.observer.stop()
        self.agent._touch.close()
        self._ledger._lock.close()
        self._dropped.append(self._ledger)
        self._agent = self._ledger = self._running = None

    async def stop(self) -> None:
        """Stop the agent in order, if one is running."""
        if self._agent is None or self._ledger is None:
            return
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._agent.stop("story over")
        await self._ledger.close()
        self._agent = self._ledger = self._running = None

    async def close(self) -> None:
        """Give back what kills, and a story that failed, left behind."""
        if self._agent is not None:
            await self.kill()
        for ledger in self._dropped:
            ledger._writer.close()

    # -- time ----------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Site time in s."""
        return self._loop.time()

    async def sleep(self, for_s: float) -> None:
        """Let site time pass while no agent runs."""
        await asyncio.sleep(for_s)

    async def run(self, for_s: float) -> None:
        """Let site time pass; an agent that failed fails the story."""
        await self.until(lambda: False, for_s, must=False)

    async def until(
        self, condition: Callable[[], bool], limit_s: float, *, look_s: float = 1.0, must: bool = True
    ) -> None:
        """Let site time pass until the condition holds; it must, unless told otherwise, within `limit_s`."""
        end = self.now + limit_s
        while not condition():
            if self.now >= end:
                assert not must, f"not within {limit_s:g} s: {self._told()}"
                return
            await asyncio.sleep(min(look_s, end - self.now))
            if self._running is not None and self._running.done() and not self._running.cancelled():
                self._running.result()

    async def until_entry(self, what: What, limit_s: float, *, number: int = 1) -> None:
        """Let site time pass up to the instant at which the plant notes its `number`th new entry of that kind.

        The agent is stopped dead within that very instant.
        """
        seen = itertools.count(1)
        happened = asyncio.Event()

        def told(entry: Entry) -> None:
            if entry.what is what and next(seen) == number:
                self.cut()
                happened.set()

        self._entries.tell.append(told)
        await self.until(happened.is_set, limit_s)
        self._entries.tell.remove(told)

    async def until_intent(self, verb: Verb, limit_s: float) -> None:
        """Tick by hand until an intent of that verb is committed; nothing of it has been done yet."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        end = self.now + limit_s
        while self.now < end:
            await self.agent.tick()
            if any(i.action.verb is verb for i in self.agent.memory.flying.values()):
                return
            await asyncio.sleep(self.settings.tick_s)
        raise AssertionError(f"no {verb} within {limit_s:g} s: {self._told()}")

    def _told(self) -> list[str]:
        """What the agent went through so far, one line an incident."""
        return [
            f"{i.members[0]} {i.phase} {i.escalation_reason} {i.run.path if i.run else ()} "
            f"{[(a.verb.value, a.result, a.detail) for a in i.attempts]}"
            for i in self.agent.memory.incidents.values()
        ]

    # -- the plant -----------------------------------------------------------------------------------------------------

    def break_(self, kind: str, target: str, *, for_s: float | None = None, **params: Value) -> None:
        """Inject a fault; a bare miner's name stands for `miner:…`."""
        aim = target if ":" in target else f"miner:{target}"
        self.simulated.truth.inject(kind, aim, self.now, for_s=for_s, **params)

    def plant(self, miner: str) -> MinerPlant:
        return self.simulated.plant.miners[MinerId(miner)]

    def pdu(self, pdu: str = "pdu-a") -> PduPlant:
        return self.simulated.plant.power.pdu[PduId(pdu)]

    def relay_on(self, outlet: str) -> bool:
        pdu, _, number = outlet.partition("/")
        return self.simulated.plant.power.relay_on(Outlet(PduId(pdu), int(number)))

    def switch_by_hand(self, outlet: str, on: bool) -> None:
        """Let somebody at the site switch an outlet."""
        pdu, _, number = outlet.partition("/")
        self.simulated.plant.power.set_relay(Outlet(PduId(pdu), int(number)), on, self.now)

    def cut_off(self, device: str) -> None:
        """Let a PDU or switch vanish from the network: what is sent to it is lost, and nothing comes back."""
        server = self._server(device)
        server.datagram_received = lambda *_: None  # the instance's own: the wire is cut in front of the device
        for reply in server._late:
            reply.cancel()

    def reconnect(self, device: str) -> None:
        """Bring it back."""
        vars(self._server(device)).pop("datagram_received", None)

    def _server(self, device: str) -> Any:
        site = self.settings.site
        hosts = {d.id: d.host for d in (*site.pdus, *site.switches)}
        return self.simulated._snmp._agents[loopback_endpoint(hosts[device], 161)]

    # -- what came of it -----------------------------------------------------------------------------------------------

    @property
    def actions(self) -> list[Entry]:
        """Everything that somebody's command did to the plant, in order."""
        return [e for e in self._entries if e.what in ACTIONS]

    def done_to(self, miner: str) -> list[What]:
        """What was done to one miner, in order."""
        return [e.what for e in self.actions if e.miner == miner]

    def entry(self, what: What, miner: str) -> Entry:
        """The only entry of that kind about that miner."""
        (found,) = [e for e in self._entries if e.what is what and e.miner == miner]
        return found

    @property
    def records(self) -> list[Record]:
        return list(read(self.path))

    def events(self, kind: type[AnyEvent]) -> list[Any]:
        """Every event of that kind on the disk, in order."""
        return [r.event for r in self.records if isinstance(r.event, kind)]

    @property
    def memory(self) -> State:
        """What the next agent would remember."""
        return folded(self.records)

    def incident(self, miner: str) -> Incident:
        """The only incident there ever was of that miner."""
        (incident,) = [i for i in self.memory.incidents.values() if miner in i.members]
        return incident

    def verbs(self, miner: str) -> list[Verb]:
        """What was intended for one miner, in order."""
        return [attempt.verb for attempt in self.incident(miner).attempts]

    def check(self, *, touched: Iterable[str] = (), by_hand: Iterable[Entry] = ()) -> None:
        """What holds after every story: intents before deeds, nobody else touched, no harm, nothing left off."""
        assert isinstance(audit(self.path), chain.Sound)
        site, harm = self.settings.site, self.simulated.truth.harm()
        others = list(by_hand)
        foreign = set(map(id, others))
        own = [e for e in self.actions if id(e) not in foreign]
        assert {e.miner for e in own} <= {MinerId(m) for m in touched}
        intents = [(r.at, r.event.action) for r in self.records if isinstance(r.event, Intended)]
        for entry in own:
            assert any(
                at <= EPOCH_S + entry.asked_at + CLOCK_STEP_S
                and action.miner == entry.miner
                and action.verb is VERBS[entry.what]
                and (entry.outlet is None or entry.outlet in action.outlets)
                for at, action in intents
            ), f"nobody had committed to {entry}"
        assert harm.outlets_left_off == 0
        assert harm.breaker_trips == 0
        assert harm.budget_breaches == 0
        assert harm.actions_on_healthy == sum(entry.healthy for entry in others)
        assert self.memory.duties == {}
        assert self.memory.flying == {}
        assert not [m for m in site.miners if not self.plant(m.id).energised]


def folded(records: Iterable[Record]) -> State:
    """Return what records add up to."""
    state = State()
    for record in records:
        state.apply(record)
    return state


Story = Callable[[Bench], Coroutine[Any, Any, None]]


def play(
    folder: Path,
    tree: dict[str, Any],
    story: Story,
    *,
    is_simulated: bool = True,
    loop_type: type[MemoryLoop] = MemoryLoop,
) -> Bench:
    """Play a story on the site of that configuration, stop what still runs, and return the bench to be looked at."""
    settings = settings_of(folder, tree)

    async def main() -> Bench:
        clock = Clock.virtual(asyncio.get_running_loop(), EPOCH_S)
        async with simulated_site(settings, clock, seed=SEED) as simulated:
            bench = Bench(simulated, settings, folder, is_simulated=is_simulated)
            try:
                await story(bench)
                simulated.plant.advance(bench.now)
                await bench.stop()
            finally:
                await bench.close()
            return bench

    return run(main(), timeout_wall_s=60.0, loop_type=loop_type)
