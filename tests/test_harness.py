"""The rules of tests/conftest.py, tried on tests that break them."""

import os
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")

OFFENDERS = """
import asyncio
import pytest

@pytest.fixture
async def server():
    task = asyncio.create_task(asyncio.sleep(60))
    yield
    task.cancel()

async def test_tidy(server):
    await asyncio.sleep(0)

async def test_leaks():
    global keep
    keep = asyncio.create_task(asyncio.sleep(60))

def test_peer():
    pytest.skip("peer missing: snmpd")

def test_other_skip():
    pytest.skip("too slow here")
"""


def run_offenders(folder: Path, *, peers_required: bool) -> dict[str, str]:
    """Return outcome by test name, as a pytest of its own sees them."""
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "test_offenders.py").write_text(OFFENDERS)
    config = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    (folder / "pytest.ini").write_text(config)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--tb=line"],
        cwd=folder,
        env=os.environ | {"TERRAHASH_REQUIRE_PEERS": "1" if peers_required else "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line.split("::")[1].split() for line in run.stdout.splitlines() if line.startswith("test_offenders.py::")]
    assert lines, run.stdout + run.stderr
    outcomes: dict[str, str] = {}
    for name, outcome, *_ in lines:
        outcomes[name] = "ERROR" if "ERROR" in (outcome, outcomes.get(name)) else outcome
    return outcomes


def test_a_leaked_task_fails_its_test_and_a_missing_peer_only_skips(tmp_path: Path) -> None:
    assert run_offenders(tmp_path, peers_required=False) == {
        "test_tidy": "PASSED",
        "test_leaks": "ERROR",
        "test_peer": "SKIPPED",
        "test_other_skip": "SKIPPED",
    }


def test_a_missing_peer_fails_where_all_are_required(tmp_path: Path) -> None:
    outcomes = run_offenders(tmp_path, peers_required=True)
    assert outcomes["test_peer"] == "FAILED"
    assert outcomes["test_other_skip"] == "SKIPPED"
