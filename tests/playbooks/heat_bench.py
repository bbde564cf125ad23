"""One miner in air that is hot when a test wants it, polled as often as a test lets it, before the agent's own stages.

Time passes in steps of 10 s; every miner is polled each third of them. The bench is the ledger, the wire and the miner.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from agent.app import modes_of, stages
from agent.config import load
from agent.ledger.fold import State
from agent.model.action import Action, Result, Verb
from agent.model.events import Actor, AnyEvent, Intended, Record
from agent.model.incident import Incident, Phase
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.remediate.settle import settled
from agent.shipped import load_playbooks
from tests.factory import EPOCH, NOMINAL_TH, healthy, put_outlets, put_ports, site

STEP_S = 10.0
POLL_S = 30.0
TAU_S = 75.0
AIR_C = 25.0
RISE_K = 40.0
FULL_RPM = 6400.0
NEAR_K = 4.0
SLOW = 0.9
TABLES = load_playbooks()
SETTINGS = load(Path(__file__).parents[2] / "config.example.yaml")


class HeatBench:
    """Four miners, of which the first may be clogged.

    Attributes:
        clog: its thermal resistance over a clean one's. floor_k: how much warmer the air is that it is given.
        share: of its power it is told to run at. stands: it has stopped for its heat, and waits to be told.
        pool: whether it has a pool. heard: whether a poll of it, given its time, is answered.
        chip_c: its hottest chip as it is. done: what was done to it, and when.
    """

    def __init__(self) -> None:
        self.site = site(4)
        self.view, self.memory = SiteView(self.site), State()
        self.clog, self.floor_k, self.share = 1.0, 0.0, 1.0
        self.slows, self.stands, self.pool = False, False, True
        self.heard: Callable[[float], bool] = lambda _: True
        self.chip_c = AIR_C + RISE_K
        self.done: list[tuple[float, Action]] = []
        self.now = EPOCH
        self._limit_c = self.site.miners[0].limits.chip_c
        self._worked_s, self._age_s, self._octets = 90_000.0, 90_000.0, 0
        self._records: list[Record] = []
        self._flying: list[Intended] = []
        settings = replace(SETTINGS, site=self.site)
        self._stages = stages(settings, self.view, self.memory, TABLES, modes_of(settings, on_auto=True))
        self.run(900.0)

    @property
    def incident(self) -> Incident:
        """The only incident there is."""
        (incident,) = self.memory.incidents.values()
        return incident

    @property
    def state(self) -> str:
        """Where the playbook of the only incident is; empty without one."""
        found = list(self.memory.incidents.values())
        return found[0].run.state if found and found[0].run is not None else ""

    @property
    def verbs(self) -> list[Verb]:
        """Everything that was done, in order."""
        return [action.verb for _, action in self.done]

    @property
    def is_over(self) -> bool:
        """Whether the only incident is closed, or a person's."""
        return any(one.phase in (Phase.ESCALATED, Phase.CLOSED) for one in self.memory.incidents.values())

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, at most so much, or until the condition holds."""
        end = self.now + seconds
        while self.now < end and not until():
            self._step()

    def _step(self) -> None:
        self.now += STEP_S
        rate = 0.0 if self.stands or not self.pool else self.share
        rate *= SLOW if self.slows and self.chip_c >= self._limit_c - NEAR_K else 1.0
        goal_c = AIR_C + self.floor_k + RISE_K * self.clog * rate
        self.chip_c += (goal_c - self.chip_c) * (1.0 - math.exp(-STEP_S / TAU_S))
        self.stands |= self.chip_c >= self._limit_c and not self.slows
        self._worked_s += rate * STEP_S
        self._age_s += STEP_S
        self._octets += 1_000
        if round(self.now - EPOCH) % round(POLL_S) == 0:
            self._poll(rate)
        flying, self._flying = self._flying, []
        for intent in flying:
            self._perform(intent)
        self._commit(self._stages.tick(self.now))

    def _poll(self, rate: float) -> None:
        for row in range(4):
            if row == 0 and not self.heard(self.now):
                self.view.put_miss(row, self.now, Reach.SILENT)
                continue
            first = row == 0
            told = healthy(
                self._age_s if first else self.now - EPOCH + 90_000.0,
                rate_th=NOMINAL_TH * (rate if first else 1.0),
                work_s=self._worked_s if first else None,
            )
            self.view.put_answer(
                row,
                self.now,
                msgspec.structs.replace(
                    told,
                    expected_th=NOMINAL_TH * (self.share if first else 1.0),
                    chip_max_c=self.chip_c if first else AIR_C + RISE_K,
                    inlet_c=AIR_C + (self.floor_k if first else 0.0),
                    fans_rpm=(FULL_RPM if first and self.clog > 1.0 else 4_000.0,) * 4,
                    pool_alive=self.pool or not first,
                ),
            )
        put_outlets(self.view, self.now)
        put_ports(self.view, self.now, self._octets)

    def _perform(self, intent: Intended) -> None:
        action = intent.action
        self.done.append((self.now, action))
        if action.verb is Verb.DERATE:
            self.share = action.share or 1.0
        if action.verb in (Verb.DERATE, Verb.RESTART):
            self.stands, self._age_s, self._worked_s = False, 0.0, 0.0
        self._commit([settled(intent, Result.OK, "", self.memory.incidents[intent.incident], TABLES)])

    def _commit(self, events: list[AnyEvent]) -> None:
        for event in events:
            record = Record(len(self._records) + 1, self.now, Actor.AGENT, event, "", "")
            self._records.append(record)
            self.memory.apply(record)
            if isinstance(event, Intended):
                self._flying.append(event)
