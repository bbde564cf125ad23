"""The shipped scenarios of what goes wrong: each names its row, what is right, what must never be, and its end is met.

The quickest tier is enough here: that the tiers agree is another test's business.
"""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.scenario_run import play_scenario, read_scenario, shipped
from agent.config.scenario import TierName

ROW = re.compile(r'# Rows? \d+.* of facts "failures".*: .+; never .+\.')
ROWS = {
    "switch-down": 1,
    "own-way-out": 2,
    "own-link-lost": 2,
    "own-machine-ails": 2,
    "own-clock-stepped": 26,
    "boot-and-tuning": 3,
    "boot-loop": 4,
    "dead-hashboard": 5,
    "pool-lost": 6,
    "pool-flaps": 7,
    "pool-sheds": 7,
    "proxy-times-out": 8,
    "pool-rejects": 9,
    "miner-rejects": 9,
    "curtailed": 10,
    "curtailed-unannounced": 10,
    "outage": 11,
    "psu-dead": 14,
    "one-miner-hot": 16,
    "loop-hot": 17,
    "cooling-unit-leaks": 17,
    "cooling-unit-silent": 17,
    "cooling-lost": 18,
    "cooling-sensor-lies": 18,
    "fan-lost": 19,
    "image-bad": 20,
    "flash-costs-a-board": 20,
    "ssh-locked": 20,
    "frozen-averages": 21,
    "lost-polls": 22,
    "crash-once": 24,
    "network-then-power-off": 25,
    "counters-reset": 27,
    "wires-disturbed": 28,
    "foreign-pool": 29,
    "address-moved": 31,
    "psu-hiccup": 32,
}
PLAYED = [name for name in shipped() if name not in ("month", "month-air", "month-hydro")]
"""All but the months, which take minutes."""


@pytest.mark.parametrize("name", ROWS)
def test_it_says_which_row_it_is_what_is_right_and_what_must_never_be(name: str) -> None:
    line = shipped()[name].read_text(encoding="utf-8").splitlines()[1]
    assert ROW.match(line), line
    assert f"Row {ROWS[name]} " in line
    forms = {type(expectation).__name__ for expectation in read_scenario(shipped()[name]).expect}
    assert {"Never", "AtEnd"} <= forms


@pytest.mark.parametrize("name", PLAYED)
def test_its_expectations_are_met(name: str, tmp_path: Path) -> None:
    scenario = read_scenario(shipped()[name], tier=TierName.FAST_FORWARD)
    played = play_scenario(
        scenario, tmp_path / "ledger.sqlite3", console=Console(file=io.StringIO()), log=io.StringIO()
    )
    assert played.board["expect"]["failed"] == []
    assert played.board["expect"]["passed"] == len(scenario.expect)
