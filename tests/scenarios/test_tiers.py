"""The wire and the memory tier agree: one site, one seed, the same faults, and the same ledger on both.

Virtual time makes both exact, so more is asked for than times within a poll: event by event the ledgers are the same.
That holds because nothing here hangs on the order of what happens at one instant, nor on the processor's clock, which
pysnmp reads for SNMPv3; these PDUs and switches speak v2c.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.cli.simulated import simulated_site
from agent.clock import Clock
from agent.model.action import Verb
from agent.model.events import Record
from agent.model.incident import Outcome, Phase
from agent.model.topology import Family
from simulators import virtual_time
from simulators.memory_net import run_memory
from simulators.plant.journal import Entry
from tests.scenarios.site_bench import EPOCH_S, SEED, Bench, configuration, settings_of

POLL_S = 8.0
STORY_S = 1500.0
CYCLE = [Verb.POWER_OFF, Verb.POWER_ON]

MINERS = [(family, cords) for cords in (1, 2) for family in (Family.ANTMINER_STOCK, Family.WHATSMINER, Family.LUXOS)]
FAULTS: list[tuple[float, str, str, float | None, dict[str, Any]]] = [
    (60.0, "miner.process_died", "miner:m1", None, {}),
    (75.0, "miner.control_board_hung", "miner:m2", None, {"draw": "idle"}),
    (90.0, "pdu.set_lies", "outlet:pdu-a/3", 600.0, {"mode": "refuse"}),
    (90.0, "miner.psu_latched", "miner:m3", None, {}),
    (120.0, "wire.garbage", "miner:m4", 400.0, {}),
    (120.0, "wire.silent", "miner:m5", 400.0, {}),
    (120.0, "wire.drop", "miner:m6", 400.0, {}),
    (650.0, "miner.process_died", "miner:m6", None, {}),
    (800.0, "miner.control_board_hung", "miner:m5", None, {"draw": "full"}),
]


@dataclass
class Played:
    records: list[Record]
    journal: list[Entry]
    bench: Bench

    def of(self, miner: str) -> list[tuple[float, list[Verb], Phase, Outcome | None]]:
        return [
            (i.detected_at - EPOCH_S, [a.verb for a in i.attempts], i.phase, i.outcome)
            for i in self.bench.memory.incidents.values()
            if miner in i.members
        ]


def play(run: Callable[..., Any], folder: Path) -> Played:
    settings = settings_of(folder, configuration(MINERS, split=True))

    async def main() -> Bench:
        loop = asyncio.get_running_loop()
        async with simulated_site(settings, Clock.virtual(loop, EPOCH_S), seed=SEED) as simulated:
            bench = Bench(simulated, settings, folder, is_simulated=True)
            try:
                await bench.start()
                for at_s, kind, target, for_s, params in FAULTS:
                    await bench.run(at_s - loop.time())
                    bench.break_(kind, target, for_s=for_s, **params)
                await bench.run(STORY_S - loop.time())
                simulated.plant.advance(bench.now)
                await bench.stop()
            finally:
                await bench.close()
            return bench

    bench = run(main(), timeout_wall_s=60.0)
    return Played(bench.records, bench.actions, bench)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(virtual_time.run, tmp_path_factory.mktemp("wire"))


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(run_memory, tmp_path_factory.mktemp("memory"))


def test_both_tiers_open_the_same_incidents_and_end_them_alike(wire: Played, memory: Played) -> None:
    for miner in (f"m{k}" for k in range(1, 7)):
        on_wire, in_memory = wire.of(miner), memory.of(miner)
        assert [rest for _, *rest in in_memory] == [rest for _, *rest in on_wire]
        assert [at for at, *_ in in_memory] == pytest.approx([at for at, *_ in on_wire], abs=POLL_S)


def test_the_ledgers_are_the_same_record_by_record(wire: Played, memory: Played) -> None:
    assert [(r.at, r.event) for r in memory.records] == [(r.at, r.event) for r in wire.records]


def test_the_same_was_done_to_the_plant_at_the_same_instants(wire: Played, memory: Played) -> None:
    assert memory.journal == wire.journal


def test_what_happened_is_what_the_faults_ask_for(memory: Played) -> None:
    def done(miner: str) -> list[list[Verb]]:
        return [verbs for _, verbs, _, _ in memory.of(miner)]

    assert done("m1") == [[Verb.RESTART]]
    assert done("m2") == [CYCLE]
    assert done("m3") == [CYCLE]
    assert not any(done("m4"))
    assert done("m5")[-1] == CYCLE
    assert done("m6")[-1] == [Verb.RESTART]
    assert memory.bench.simulated.truth.harm().actions_on_healthy == 0


def test_the_memory_tier_repeats_itself_byte_for_byte(memory: Played, tmp_path: Path) -> None:
    assert [r.hash for r in play(run_memory, tmp_path).records] == [r.hash for r in memory.records]
