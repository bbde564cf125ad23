"""Discovery against servers on the loopback network, in threads of their own so that the command has its own loop."""

import csv
import json
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.discover import discover_command, inventory_csv
from agent.config import ConfigError, load
from agent.drivers.miners.pyasic_adapter import Identified
from agent.model.topology import Family
from tests.config.sites import TEN_LINES, written

SUBNET = f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
"""The process's own, so that two runs of the suite on one machine do not meet."""

LUXOS = {
    "version": {"VERSION": [{"API": "3.7", "LUXminer": "2025.4.8", "Miner": "2025.4.8", "Type": "Antminer S19k Pro"}]},
    "config": {"CONFIG": [{"Hostname": "m", "Model": "Antminer S19k Pro"}]},
    "stats": {"STATS": [{"Type": "Antminer S19k Pro"}, {"total_rateideal": 118_000.0}]},
}
AVALON = {
    "version": {
        "VERSION": [{"PROD": "AvalonMiner 1246", "MODEL": "1246", "LVERSION": "23010602", "MAC": "025448770305"}]
    },
    "stats": {"STATS": [{"MM ID0": "Ver[1246] LVer[23010602]"}]},
    "estats": {"STATS": [{"MM ID0": "Ver[1246] LVer[23010602]"}]},
    "devs": {"DEVS": [{}]},
}


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(2.0)
        try:
            asked = json.loads(self.request.recv(4096)).get("command", "")
        except (OSError, ValueError):
            return
        answers = self.server.answers  # type: ignore[attr-defined]
        reply = {}
        for command in asked.split("+"):
            status = [{"STATUS": "S" if command in answers else "E", "Msg": command, "Description": ""}]
            reply[command] = [{"STATUS": status, **answers.get(command, {}), "id": 1}]
        document = reply if "+" in asked else reply[asked][0]
        self.request.sendall(json.dumps(document).encode() + b"\0")


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 32


@contextmanager
def miner(host: str, answers: dict[str, object]) -> Iterator[None]:
    """Serve cgminer's API at that address."""
    with _Server((host, 4028), _Handler) as server:
        server.answers = answers  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def discover(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(discover_command, [f"{SUBNET}.0/29", "--out", str(folder / "found.csv"), *arguments])


@pytest.mark.filterwarnings("ignore:passing settings to md5_crypt:DeprecationWarning")
def test_miners_are_found_identified_and_written(tmp_path: Path) -> None:
    with (
        miner(f"{SUBNET}.1", LUXOS),
        miner(f"{SUBNET}.4", LUXOS),
        miner(f"{SUBNET}.5", AVALON),
        miner(f"{SUBNET}.6", {}),
    ):
        result = discover(tmp_path, "--json")

    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(StringIO((tmp_path / "found.csv").read_text(encoding="utf-8"))))
    assert [(row["id"], row["host"], row["family"], row["model"]) for row in rows] == [
        (f"m-{SUBNET.replace('.', '-')}-1", f"{SUBNET}.1", "luxos", "S19k Pro"),
        (f"m-{SUBNET.replace('.', '-')}-4", f"{SUBNET}.4", "luxos", "S19k Pro"),
    ]
    assert rows[0]["hashrate_th"] == "118.0"
    assert rows[0]["outlets"] == ""
    document = json.loads(result.stdout)
    assert (document["addresses"], document["answering"], len(document["miners"])) == (8, 4, 2)
    assert [item["host"] for item in document["left_out"]] == [f"{SUBNET}.5"]
    assert f"{SUBNET}.5: left out, no driver" in result.stderr


def test_nothing_found_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    result = discover(tmp_path)

    assert result.exit_code == 1
    assert f"no miner found in {SUBNET}.0/29: 0 of 8 addresses" in result.stderr
    assert not (tmp_path / "found.csv").exists()


def test_an_existing_file_stays(tmp_path: Path) -> None:
    (tmp_path / "found.csv").write_text("precious")

    result = discover(tmp_path)

    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (tmp_path / "found.csv").read_text() == "precious"


def test_a_folder_that_takes_no_file_is_refused_before_the_scan(tmp_path: Path) -> None:
    result = CliRunner().invoke(discover_command, ["10.0.0.0/16", "--out", str(tmp_path / "missing" / "found.csv")])

    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize(
    ("network", "words"),
    [("10.0.0.0/8", "at most a /16"), ("10.0.0.0/15", "at most a /16"), ("fd00::/120", "IPv4"), ("rack 1", "IPv4")],
)
def test_a_network_too_wide_or_none_is_refused(network: str, words: str) -> None:
    result = CliRunner().invoke(discover_command, [network])

    assert result.exit_code == 2
    assert words in result.stderr


def test_what_a_device_says_of_itself_is_cleaned() -> None:
    evil = Identified(
        host="10.0.0.9",
        family=Family.ANTMINER_STOCK,
        model='=HYPERLINK("http://x")\nS19 Pro' + "x" * 200,
        mac="@02:54:48:01:00:0A",
        firmware=None,
        hashrate_th=None,
    )

    (row,) = csv.DictReader(StringIO(inventory_csv([evil])))

    assert row["model"].startswith("HYPERLINK")
    assert len(row["model"]) <= 64
    assert row["mac"] == "02:54:48:01:00:0a"


def test_the_written_inventory_lacks_only_the_outlets(tmp_path: Path) -> None:
    found = [
        Identified("10.20.1.1", Family.WHATSMINER, "M50S VH30", "02:54:48:01:00:01", "2024", 128.0),
        Identified("10.20.1.2", Family.LUXOS, "S19K Pro No PIC (LuxOS)", None, "2025", None),
    ]
    path = written(tmp_path, TEN_LINES, inventory_csv(found))

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert [problem.path for problem in caught.value.problems] == [
        "inventory[m-10-20-1-1].outlets",
        "inventory[m-10-20-1-2].outlets",
    ]
