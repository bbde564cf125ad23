"""Heat end to end, in the quickest tier: one hot miner, lost cooling, and a summer's day in which nothing is wrong."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.cli.scenario_run import play_scenario, read_scenario, shipped
from agent.config.scenario import TierName

pytestmark = pytest.mark.timeout(280)

SUMMER = """\
name: summer-day
seed: 11
duration: 18h
site: {generate: {miners: 6, miners_per_pdu: 6, cooling: COOLING, families: {antminer_stock: 0.5, luxos: 0.5}}}
agent: {poll: {interval_s: 30}, tick_s: 20}
history: {weather: summer}
expect:
  - {never: {incident: {category: thermal}}}
  - {at_end: {harm.cooling_writes: 0, harm.overheated_minutes: 0, actions: 0}}
"""


def failed(path: Path, folder: Path) -> Any:
    scenario = read_scenario(path, tier=TierName.FAST_FORWARD)
    played = play_scenario(scenario, folder / "ledger.sqlite3", console=Console(file=io.StringIO()), log=io.StringIO())
    return played.board["expect"]["failed"]


@pytest.mark.parametrize("name", ["one-miner-hot", "over-temperature", "cooling-lost"])
def test_what_a_scenario_of_heat_expects_comes(name: str, tmp_path: Path) -> None:
    assert failed(shipped()[name], tmp_path) == []


@pytest.mark.parametrize("cooling", ["air", "hydro"])
def test_a_summer_s_day_is_no_incident(cooling: str, tmp_path: Path) -> None:
    path = tmp_path / "summer.yaml"
    path.write_text(SUMMER.replace("COOLING", cooling))
    assert failed(path, tmp_path) == []
