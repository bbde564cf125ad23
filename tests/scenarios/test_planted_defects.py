"""An agent with a defect planted on purpose: the scoreboard shows each, and shows nothing of a sound one.

A broken detector and a disabled guard are thresholds and limits that no configuration file would be let through with; a
lying driver takes the place of a true one where the agent is put together.
"""

import asyncio
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from agent.act import Actor, OutletControl
from agent.app import Agent
from agent.cli.redact import redact, scrub
from agent.cli.scenario_run import play_scenario, read_scenario
from agent.cli.simulated import simulated_site, with_logins
from agent.clock import Clock
from agent.config import Settings
from agent.config.scenario import Scenario
from agent.detect.stuck import StuckThresholds
from agent.drivers.miners import miner_drivers
from agent.drivers.pdus import pdu_driver
from agent.drivers.snmp import SnmpClient
from agent.guard.limits import GuardLimits
from agent.ledger.fold import State
from agent.ledger.reader import read
from agent.ledger.store import Ledger
from agent.model.action import Verb
from agent.model.events import Intended
from agent.touch import Wired
from simulators.memory_net import run_memory
from simulators.mix import Happening, play
from simulators.scoreboard import Duty, RunFacts, scoreboard
from tests.scenarios.site_bench import EPOCH_S

HUNG = "{at: 1m, kind: miner.control_board_hung, target: 'miner:r1-02'}"
NEVER = 1e9


def latched(at: str) -> str:
    return f"{{at: {at}, kind: miner.psu_latched, target: 'miner:r1-02'}}"


def scenario(folder: Path, *faults: str, duration: str = "50m", cords: int = 1) -> Scenario:
    path = folder / "scenario.yaml"
    lines = "".join(f"  - {fault}\n" for fault in faults)
    path.write_text(
        f"seed: 5\nduration: {duration}\ntier: memory\n"
        f"site: {{generate: {{miners: 4, families: {{luxos: 1}}, outlets_per_miner: {cords}}}}}\nfaults:\n{lines}"
    )
    return read_scenario(path)


def judged(made: Scenario, folder: Path, **settings: Any) -> dict[str, Any]:
    """The scoreboard of the scenario, played with other settings."""
    planted = replace(made, settings=replace(made.settings, **settings))
    played = play_scenario(planted, folder / "ledger.sqlite3", console=Console(file=io.StringIO()), log=io.StringIO())
    return played.board


# -- what a sound agent makes of it ------------------------------------------------------------------------------------


def test_a_sound_agent_does_no_harm_and_misses_nothing(tmp_path: Path) -> None:
    board = judged(scenario(tmp_path, HUNG), tmp_path)
    assert (board["detection"]["recall"], board["detection"]["precision"]) == (1.0, 1.0)
    assert board["remediation"]["rate_fixable"] == 1.0
    assert not any(board["harm"].values())


# -- a broken detector -------------------------------------------------------------------------------------------------


def test_a_blind_detector_shows_as_recall(tmp_path: Path) -> None:
    blind = StuckThresholds(misses=10**9, not_hashing_s=NEVER, share_gap=NEVER)
    board = judged(scenario(tmp_path, HUNG, duration="15m"), tmp_path, stuck=blind)
    assert board["truth"]["faults"] == 1
    assert board["detection"]["recall"] == 0.0
    assert board["detection"]["precision"] is None
    assert board["remediation"]["rate_fixable"] == 0.0


def test_a_detector_that_cries_wolf_shows_as_false_incidents(tmp_path: Path) -> None:
    nervous = StuckThresholds(not_hashing_ratio=2.0, not_hashing_s=0.0)
    board = judged(scenario(tmp_path, duration="15m"), tmp_path, stuck=nervous)
    assert board["detection"]["false_incidents"] == 4
    assert board["detection"]["precision"] == 0.0
    assert board["detection"]["false_per_1000_miner_days"] > 1000.0
    assert board["remediation"]["rate_inclusive"] == 1.0, "the playbook looks for itself before it acts"


# -- a disabled guard --------------------------------------------------------------------------------------------------


def test_a_guard_without_its_cool_down_shows_as_budget_breaches(tmp_path: Path) -> None:
    twice = scenario(tmp_path, latched("1m"), latched("15m"), duration="30m")
    (tmp_path / "sound").mkdir()
    assert judged(twice, tmp_path / "sound")["harm"]["budget_breaches"] == 0
    assert judged(twice, tmp_path, guard=GuardLimits(cooldown_s=0.0))["harm"]["budget_breaches"] >= 1


def test_a_guard_without_its_daily_limit_shows_as_budget_breaches(tmp_path: Path) -> None:
    thrice = scenario(tmp_path, latched("1m"), latched("26m"), latched("51m"), duration="60m")
    (tmp_path / "sound").mkdir()
    sound = judged(thrice, tmp_path / "sound")
    assert (sound["harm"]["budget_breaches"], sound["duty"]["actions"]["power_off"]) == (0, 2)
    assert judged(thrice, tmp_path, guard=GuardLimits(power_cycles_per_day=100))["harm"]["budget_breaches"] >= 1


def test_a_guard_without_spacing_shows_as_budget_breaches(tmp_path: Path) -> None:
    hung = "{at: 1m, kind: miner.control_board_hung, target: 'miner:r1-01'}"
    both = scenario(tmp_path, hung, duration="10m", cords=2)
    (tmp_path / "sound").mkdir()
    assert judged(both, tmp_path / "sound")["harm"]["budget_breaches"] == 0
    assert judged(both, tmp_path, guard=GuardLimits(on_spacing_s=0.0))["harm"]["budget_breaches"] >= 1


# -- a lying driver ----------------------------------------------------------------------------------------------------


class SaysYes:
    """Reports every switching as verified, and does none."""

    def __init__(self, true: OutletControl) -> None:
        self._true = true

    async def switch(self, outlet: int, on: bool) -> None:
        """Do nothing."""


class Neighbours(SaysYes):
    """Counts outlets from zero."""

    async def switch(self, outlet: int, on: bool) -> None:
        """Switch the next one."""
        await self._true.switch(outlet + 1, on)


class OnlyOff(SaysYes):
    """Reports every switching as verified, and switches off alone."""

    async def switch(self, outlet: int, on: bool) -> None:
        """Switch off; forget to switch on."""
        if not on:
            await self._true.switch(outlet, on)


class Planted(Wired):
    """The true touch of a simulated site but for the PDUs' control."""

    def __init__(
        self, settings: Settings, clock: Clock, lie: Callable[[OutletControl], OutletControl], **how: Any
    ) -> None:
        super().__init__(settings, clock, **how)
        snmp = SnmpClient(how["dialer"], how["credentials"])
        pdus = {pdu.id: lie(pdu_driver(pdu, settings.pdu_access[pdu.id], snmp)) for pdu in settings.site.pdus}
        miners = miner_drivers(how["dialer"], how["credentials"], settings.logins)
        self.actor = Actor(settings.site, miners, pdus, {}, settings.guard.on_spacing_s)


def lied_to(made: Scenario, folder: Path, lie: Callable[[OutletControl], OutletControl]) -> dict[str, Any]:
    """The scoreboard of a hung miner in the hands of an agent whose PDU drivers lie."""
    path = folder / "ledger.sqlite3"

    async def main() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        clock = Clock.virtual(loop, EPOCH_S)
        settings = with_logins(made.settings)
        ledger = Ledger.open(path, clock, threaded=False)
        async with simulated_site(settings, clock, seed=made.seed) as site:
            touch = Planted(
                settings,
                clock,
                lie,
                dialer=site.dialer,
                credentials=redact(site.secrets),
                scrub=scrub,
                nameservers=site.nameservers,
                host=site.host,
            )
            agent = Agent(settings, ledger, clock, touch=touch, simulated=True)
            await agent.start()
            hung = Happening(60.0, "miner.control_board_hung", ("miner:r1-02",), 1)
            faults = asyncio.create_task(play(site.truth, site.plant, [hung]))
            running = asyncio.create_task(agent.run())
            await asyncio.wait([running], timeout=made.duration_s - loop.time())
            running.cancel()
            await asyncio.gather(running, faults, return_exceptions=True)
            site.plant.advance(loop.time())
            await agent.stop("over")
            await ledger.close()
            state = State()
            verbs: Counter[Verb] = Counter()
            for record in read(path):
                state.apply(record)
                if isinstance(record.event, Intended):
                    verbs[record.event.action.verb] += 1
            run = RunFacts(made.name, made.seed, made.tier, 4, made.duration_s, EPOCH_S)
            return scoreboard(
                run, site.truth.faults(), state.incidents.values(), harm=site.truth.harm(), duty=Duty(verbs)
            )

    return run_memory(main(), timeout_wall_s=60.0)


def test_a_driver_that_only_says_yes_shows_as_an_escalation_that_was_wrong(tmp_path: Path) -> None:
    board = lied_to(scenario(tmp_path), tmp_path, SaysYes)
    assert board["detection"]["recall"] == 1.0
    assert board["duty"]["actions"]["power_off"] >= 1
    assert board["remediation"]["escalated_wrong"] == 1
    assert board["remediation"]["rate_fixable"] == 0.0
    assert not any(board["harm"].values()), "nothing was done at all"


def test_a_driver_that_switches_the_neighbour_shows_as_harm(tmp_path: Path) -> None:
    board = lied_to(scenario(tmp_path), tmp_path, Neighbours)
    assert board["harm"]["actions_on_healthy"] >= 1
    assert board["harm"]["useless_power_cycles"] >= 1
    assert board["harm"]["miner_minutes_lost"] > 3.0
    assert board["remediation"]["rate_fixable"] == 0.0


def test_a_driver_that_never_switches_on_shows_as_an_outlet_left_off(tmp_path: Path) -> None:
    board = lied_to(scenario(tmp_path, duration="20m"), tmp_path, OnlyOff)
    assert board["harm"]["outlets_left_off"] == 1
    assert board["remediation"]["rate_fixable"] == 0.0


# -- swapped cords -----------------------------------------------------------------------------------------------------


def test_an_agent_that_trusts_a_wrong_inventory_shows_as_harm(tmp_path: Path) -> None:
    swap = "{at: 10s, kind: pdu.outlet_map_wrong, target: 'pdu:c1-p1', swap: [2, 3]}"
    board = judged(scenario(tmp_path, swap, HUNG, duration="20m"), tmp_path)
    assert (board["truth"]["faults"], board["truth"]["disturbances"]) == (1, 1)
    assert board["harm"]["actions_on_healthy"] >= 1
    assert board["harm"]["miner_minutes_lost"] > 0.0
    assert board["detection"]["false_incidents"] == 0, "what befell the neighbour is the cords' doing"
