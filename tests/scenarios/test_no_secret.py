"""No secret of a site gets out: not into the ledger, a recording, the log, an export, a page, or anything printed.

The demo's site has communities that read and write, a version 3 user's two passphrases, and passwords of two families.
"""

import base64
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from agent.cli.main import cli
from agent.cli.scenario_run import play_scenario, read_scenario, shipped
from agent.config.example import example_path
from agent.ledger.reader import read
from agent.ledger.recordings import load, recorded
from agent.model.action import Verb
from agent.model.events import Intended
from simulators.secrets import SimulatedSecrets
from tests.scenarios.test_demo import credentials_of

DURATION_S = 600.0
"""Long enough for restarts, a power cycle at each PDU, and a person who is asked."""

FAMILIES = ("miner.process_died", "miner.control_board_hung", "miner.psu_dead", "wire.garbage", "wire.drop")


@dataclass(frozen=True)
class Site:
    """What an hour's beginning at the demo's site left behind, and its secrets by name."""

    ledger: Path
    log: str
    secrets: dict[str, str]

    def said(self, *words: str) -> bytes:
        """Return what a command prints, on either stream."""
        done = CliRunner().invoke(cli, [*words, "--ledger", str(self.ledger)])
        assert done.exit_code in (0, 1), done.output
        return done.stdout_bytes + done.stderr_bytes

    def in_any_form(self, content: bytes) -> list[str]:
        """Return the names of the secrets that stand in it, as they are or as a login writes them."""
        return [name for name, secret in self.secrets.items() if any(form in content for form in forms(secret))]


def forms(secret: str) -> Iterator[bytes]:
    """Yield a secret plain, in hexadecimal digits, and in Base64 wherever it begins in what is encoded."""
    raw = secret.encode()
    yield from (raw, raw.hex().encode())
    for before in range(3):
        yield base64.b64encode(bytes(before) + raw)[before + bool(before) : -4]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("secrets")
    demo = read_scenario(shipped()["demo"])
    faults = tuple(fault for fault in demo.faults if fault.kind in FAMILIES)
    log = io.StringIO()
    play_scenario(
        replace(demo, tier="memory", duration_s=DURATION_S, faults=faults),
        folder / "ledger.sqlite3",
        console=Console(file=io.StringIO()),
        log=log,
        records=True,
    )
    names = sorted(set(credentials_of(yaml.safe_load(example_path().read_text()))))
    made = SimulatedSecrets(demo.seed)
    return Site(folder / "ledger.sqlite3", log.getvalue(), {name: made.get(name) for name in names})


def test_the_search_finds_a_secret_in_every_form(site: Site) -> None:
    assert set(site.secrets) >= {"pdu-a-auth", "pdu-a-priv", "pdu-b-read", "pdu-b-write", "switch-read"}
    assert {"antminer-password", "whatsminer-password"} <= set(site.secrets)
    for name, secret in site.secrets.items():
        for login in (secret, f"root:{secret}", f"x:{secret}", f"it:{secret}@host"):
            for written in (login.encode(), login.encode().hex().encode(), base64.b64encode(login.encode())):
                assert site.in_any_form(b"... " + written + b" ...") == [name]


def test_every_secret_was_of_use(site: Site) -> None:
    done = [r.event.action for r in read(site.ledger) if isinstance(r.event, Intended)]
    pdus = {outlet.pdu for action in done for outlet in action.outlets}
    assert (pdus, {action.verb for action in done} >= {Verb.RESTART, Verb.POWER_OFF}) == ({"pdu-a", "pdu-b"}, True)


def test_what_is_kept_holds_none(site: Site) -> None:
    assert site.log
    assert site.in_any_form(site.log.encode()) == []
    for path in site.ledger.parent.iterdir():
        assert path.is_dir() or site.in_any_form(path.read_bytes()) == [], path.name
    for record in read(site.ledger):
        assert site.in_any_form(msgspec.json.encode(record)) == []
    incidents = recorded(site.ledger)
    assert incidents
    for incident in incidents:
        assert site.in_any_form(msgspec.msgpack.encode(load(site.ledger, incident))) == [], incident


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--json"),
        ("incidents", "list", "--json"),
        ("audit", "export", "--events"),
        ("audit", "export", "--csv"),
        ("status", "--json"),
        ("trust", "--json"),
        ("outlets", "list"),
        ("images", "list"),
        ("approvals", "list"),
        ("windows",),
    ],
    ids=" ".join,
)
def test_what_is_printed_of_it_holds_none(site: Site, words: tuple[str, ...]) -> None:
    assert site.in_any_form(site.said(*words)) == []


@pytest.mark.parametrize("command", ["incidents show", "explain", "replay"])
def test_what_is_told_of_an_incident_holds_none(site: Site, command: str) -> None:
    for incident in recorded(site.ledger)[:3]:
        assert site.in_any_form(site.said(*command.split(), incident, "--json")) == []


def test_a_page_and_an_export_of_an_incident_hold_none(site: Site, tmp_path: Path) -> None:
    incident = recorded(site.ledger)[0]
    site.said("replay", incident, "--html", str(tmp_path / "page.html"))
    site.said("incidents", "export", incident, "--output", str(tmp_path / "incident.zip"))
    assert site.in_any_form((tmp_path / "page.html").read_bytes()) == []
    with zipfile.ZipFile(tmp_path / "incident.zip") as archive:
        assert [name for name in archive.namelist() if site.in_any_form(archive.read(name))] == []
