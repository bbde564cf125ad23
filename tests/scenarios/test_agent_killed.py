"""The agent's process dies in the middle of a scenario and is started again: on every tier but the slowest to play."""

import io
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.scenario_run import play_scenario, read_scenario, shipped
from agent.config.scenario import TierName
from agent.ledger import chain
from agent.ledger.reader import audit, read
from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.events import AgentStarted, AgentStopped, Intended, Settled
from simulators.plant.site import SitePlant
from simulators.truth import Truth
from tests.factory import site

KILLS = 4


@pytest.mark.parametrize("tier", [TierName.FAST_FORWARD, TierName.MEMORY])
def test_an_agent_that_dies_again_and_again_leaves_nothing_half_done(tmp_path: Path, tier: TierName) -> None:
    scenario = read_scenario(shipped()["agent-killed"], tier=tier)
    path = tmp_path / "ledger.sqlite3"
    played = play_scenario(scenario, path, console=Console(file=io.StringIO()), log=io.StringIO())
    assert played.board["expect"]["failed"] == []
    assert isinstance(audit(path), chain.Sound)
    events = [record.event for record in read(path)]
    assert sum(isinstance(event, AgentStarted) for event in events) == KILLS + 1
    assert sum(isinstance(event, AgentStopped) for event in events) == 1
    done = [e for e in events if isinstance(e, Intended)]
    assert len(done) == sum(isinstance(e, Settled) for e in events), "every intent has its outcome"
    offs = Counter(e.action.miner for e in done if e.action.verb is Verb.POWER_OFF)
    assert max(offs.values()) == 1, "none is cut off a second time"


def test_who_is_down_when_the_run_ends_stays_down(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(
        "name: down\nseed: 1\nduration: 10m\ntier: fast-forward\nsite: {generate: {miners: 3}}\n"
        'faults:\n  - {at: 5m, kind: host.agent_killed, target: "host:agent", down_s: 3600}\n'
    )
    ledger = tmp_path / "ledger.sqlite3"
    play_scenario(read_scenario(path), ledger, console=Console(file=io.StringIO()), log=io.StringIO())
    assert [type(record.event) for record in read(ledger)] == [AgentStarted]


def test_where_nobody_starts_it_again_it_is_refused() -> None:
    plant = SitePlant(site(2), seed=1)
    with pytest.raises(PolicyError, match="end this one's process by hand"):
        Truth(plant).inject("host.agent_killed", "host:agent", 1.0)
