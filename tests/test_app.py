"""The agent as a whole: it refuses to act without its ledger, stops in order, and lives as a process under systemd."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
import yaml

from agent.app import SETTLE_ON_STOP_S
from agent.ledger import chain
from agent.ledger.database import LedgerError
from agent.ledger.reader import audit, read
from agent.model.action import Verb
from agent.model.errors import InvariantError
from agent.model.events import AgentStarted, AgentStopped, Intended, Settled
from agent.model.incident import Category, Outcome
from agent.model.topology import Family
from agent.shipped import load_playbooks
from simulators.plant.journal import What
from tests.scenarios.site_bench import Bench, configuration, folded, play
from tests.scenarios.test_stuck import closed, in_state

STOCK, LUXOS = Family.ANTMINER_STOCK, Family.LUXOS


# -- in one process ----------------------------------------------------------------------------------------------------


def test_every_playbook_that_ships_is_sound_and_has_incidents_of_its_own() -> None:
    found = load_playbooks()
    assert {table.playbook.category for table in found} == {
        Category.STUCK,
        Category.POOL,
        Category.NETWORK,
        Category.REJECTS,
        Category.FIRMWARE,
        Category.THERMAL,
        Category.OTHER,
    }
    assert len({table.fingerprint for table in found}) == len(list(found))


def test_an_agent_that_was_not_started_does_not_run(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start(ticking=False)
        bench.agent._failed = None
        with pytest.raises(InvariantError, match="call start"):
            await bench.agent.run()

    play(tmp_path, configuration([(LUXOS, 1)]), story)


def test_without_its_ledger_it_does_nothing_and_says_so(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_("miner.control_board_hung", "m1")
        await bench.until(lambda: in_state("judge")(bench), 600.0)
        assert bench._ledger is not None
        await bench._ledger.close()
        with pytest.raises(LedgerError, match="closed"):
            await bench.run(600.0)
        await bench.kill()

    bench = play(tmp_path, configuration([(STOCK, 1)]), story)
    assert bench.actions == []
    assert bench.events(Intended) == []


def test_a_ledger_lost_in_the_middle_of_an_action_ends_the_agent_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_("miner.control_board_hung", "m1")
        await bench.until(lambda: What.RELAY_OFF in bench.done_to("m1"), 600.0, look_s=0.05)
        assert bench._ledger is not None
        await bench._ledger.close()
        with pytest.raises(LedgerError, match="closed"):
            await bench.run(60.0)
        await bench.kill()
        await bench.start()
        await bench.until(lambda: closed(bench), 2000.0)

    bench = play(tmp_path, configuration([(STOCK, 1)]), story)
    bench.check(touched=["m1"])
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED


def test_a_stop_lets_what_is_in_flight_settle(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_("miner.control_board_hung", "m1")
        await bench.until_intent(Verb.POWER_OFF, 600.0)
        await bench.stop()

    bench = play(tmp_path, configuration([(STOCK, 2)]), story)
    assert bench.done_to("m1") == [What.RELAY_OFF, What.RELAY_OFF]
    assert [r.event for r in bench.records][-1] == AgentStopped(reason="story over")
    assert len(bench.events(Settled)) == 1
    assert bench.memory.duties, "what is owed waits for the next start"


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_("miner.control_board_hung", "m1")
        await bench.until_intent(Verb.POWER_OFF, 600.0)
        bench.break_("pdu.slow", "pdu:pdu-a", for_s=60.0, reply_delay_s=1.4, relay_delay_s=30.0)
        before = bench.now
        await bench.stop()
        assert bench.now - before <= SETTLE_ON_STOP_S + 2.0
        await bench.start()
        await bench.until(lambda: not bench.agent.memory.duties, 900.0)

    bench = play(tmp_path, configuration([(STOCK, 1)]), story)
    assert len(bench.events(AgentStopped)) == 2
    assert len(bench.events(Intended)) == len(bench.events(Settled))
    assert bench.relay_on("pdu-a/1")


def test_a_heartbeat_passes_through_the_ledger_and_counts_ticks(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        first = await bench.agent.heartbeat()
        await bench.run(10.0)
        assert await bench.agent.heartbeat() >= first + 4
        assert bench._ledger is not None
        await bench._ledger.close()
        with pytest.raises(LedgerError):
            await bench.agent.heartbeat()
        await bench.kill()

    play(tmp_path, configuration([(LUXOS, 1)]), story)


# -- as a process ------------------------------------------------------------------------------------------------------

START_LIMIT_S = 40.0
STOP_LIMIT_S = 15.0


class Manager:
    """What systemd is to the daemon: a socket that hears it, and signals."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.sqlite3"
        self._config = folder / "config.yaml"
        poll = {"interval_s": 1, "deadline_s": 0.5, "pdu_interval_s": 5, "switch_interval_s": 5, "focus_interval_s": 2}
        tree = configuration([(STOCK, 1), (LUXOS, 1)], tick_s=0.1, poll=poll, stuck={"clear_window_s": 60})
        self._config.write_text(yaml.safe_dump(tree))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0terrahash-test-{os.getpid()}")

    def start(self) -> subprocess.Popen[bytes]:
        arguments = ["run", "-c", str(self._config), "--dry-run", "--ledger", str(self.ledger), "--json"]
        return subprocess.Popen(
            [sys.executable, "-m", "agent.cli.main", *arguments],
            env=os.environ | {"NOTIFY_SOCKET": f"@terrahash-test-{os.getpid()}", "WATCHDOG_USEC": "600000"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def wait_for(self, message: str, process: subprocess.Popen[bytes]) -> None:
        """Wait until the daemon says it; what it says before is dropped."""
        deadline = monotonic() + START_LIMIT_S
        self._socket.settimeout(0.5)
        while monotonic() < deadline:
            try:
                if self._socket.recv(4096).decode() == message:
                    return
            except TimeoutError:
                assert process.poll() is None, process.communicate()[1].decode()
        raise AssertionError(f"no {message} within {START_LIMIT_S:g} s")

    def close(self) -> None:
        self._socket.close()


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End the process by its own id, whatever happens."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def test_the_daemon_survives_a_kill_refuses_a_second_one_and_stops_in_order(manager: Manager) -> None:
    with running(manager.start()) as first:
        manager.wait_for("READY=1", first)
        manager.wait_for("WATCHDOG=1", first)
        with running(manager.start()) as second:
            _, said = second.communicate(timeout=START_LIMIT_S)
            assert second.returncode == 2
            assert f"a running agent owns it (process {first.pid})" in said.decode()
            assert "Traceback" not in said.decode()
        manager.wait_for("WATCHDOG=1", first)
        first.send_signal(signal.SIGKILL)
        first.wait(STOP_LIMIT_S)
    with running(manager.start()) as third:
        manager.wait_for("READY=1", third)
        manager.wait_for("WATCHDOG=1", third)
        third.send_signal(signal.SIGTERM)
        _, said = third.communicate(timeout=STOP_LIMIT_S)
        assert third.returncode == 0, said.decode()
        manager.wait_for("STOPPING=1", third)
    assert isinstance(audit(manager.ledger), chain.Sound)
    lives = [type(r.event) for r in read(manager.ledger) if isinstance(r.event, AgentStarted | AgentStopped)]
    assert lives == [AgentStarted, AgentStarted, AgentStopped]
    assert folded(read(manager.ledger)).incidents == {}
