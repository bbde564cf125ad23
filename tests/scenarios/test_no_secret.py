"""No secret of a site gets out: not into the ledger, a recording, the log, an export, a page, or anything printed.

The demo's site has communities that read and write, a version 3 user's two passphrases, and passwords of two families.
Its miners here repeat all of them in their errors, so that there is something to be taken out on the way to every sink.
"""

import base64
import contextlib
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from rich.console import Console

from agent.cli.redact import redact, scrub
from agent.cli.scenario_run import play_scenario, read_scenario, shipped
from agent.cli.simulated import Staged, simulated_site, with_host_keys
from agent.cli.tiers import TIERS
from agent.clock import Clock
from agent.config import Settings
from agent.config.example import example_path
from agent.config.scenario import TierName
from agent.ledger.reader import read
from agent.ledger.recordings import load, recorded
from agent.model.action import Verb
from agent.model.events import Intended, Settled
from agent.touch import Wired
from simulators.plant.history import HistorySettings
from simulators.secrets import SimulatedSecrets
from tests.scenarios.echo_bench import Site, repeats_logins
from tests.scenarios.test_demo import credentials_of

DURATION_S = 600.0
"""Long enough for restarts, a power cycle at each PDU, and a person who is asked."""

FAMILIES = ("miner.process_died", "miner.control_board_hung", "miner.psu_dead", "wire.garbage", "wire.drop")


def lived(folder: Path, seed: int, *, registered: bool) -> Site:
    """Play the demo's site for a while, with miners that repeat every login of it in their errors.

    Args:
        registered: the agent's secrets are registered as such, as a real agent's are; else no scrub knows any.
    """
    demo = read_scenario(shipped()["demo"])
    faults = tuple(fault for fault in demo.faults if fault.kind in FAMILIES)
    names = sorted(set(credentials_of(yaml.safe_load(example_path().read_text()))))
    made = SimulatedSecrets(seed)
    secrets = {name: made.get(name) for name in names}

    @contextlib.asynccontextmanager
    async def stage(settings: Settings, clock: Clock, *, seed: int, history: HistorySettings) -> AsyncIterator[Staged]:
        async with simulated_site(settings, clock, seed=seed, history=history) as site:
            repeats_logins(site, list(secrets.values()))
            known = redact(site.secrets, names) if registered else site.secrets

            def touch() -> Wired:
                return Wired(
                    with_host_keys(settings, seed),
                    clock,
                    dialer=site.dialer,
                    credentials=known,
                    scrub=scrub,
                    nameservers=site.nameservers,
                    trust=site.trust(),
                    host=site.host,
                )

            yield Staged(site.plant, site.truth, touch)

    log = io.StringIO()
    tiers: Any = TIERS
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tiers, TierName.MEMORY, replace(TIERS[TierName.MEMORY], stage=stage))
        play_scenario(
            replace(demo, tier=TierName.MEMORY, seed=seed, duration_s=DURATION_S, faults=faults),
            folder / "ledger.sqlite3",
            console=Console(file=io.StringIO()),
            log=log,
            records=True,
        )
    return Site(folder / "ledger.sqlite3", log.getvalue(), secrets)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return lived(tmp_path_factory.mktemp("secrets"), read_scenario(shipped()["demo"]).seed, registered=True)


def test_the_search_finds_a_secret_in_every_form(site: Site) -> None:
    assert set(site.secrets) >= {"pdu-a-auth", "pdu-a-priv", "pdu-b-read", "pdu-b-write", "switch-read"}
    assert {"antminer-password", "whatsminer-password"} <= set(site.secrets)
    for name, secret in site.secrets.items():
        for login in (secret, f"root:{secret}", f"x:{secret}", f"it:{secret}@host"):
            for written in (login.encode(), login.encode().hex().encode(), base64.b64encode(login.encode())):
                assert site.in_any_form(b"... " + written + b" ...") == [name]


def test_without_any_scrub_the_search_finds_them_in_every_sink(tmp_path: Path) -> None:
    """So what is found in none of them elsewhere in this file was taken out on its way there."""
    leaky = lived(tmp_path, 4711, registered=False)
    refused = [
        r.event for r in read(leaky.ledger) if isinstance(r.event, Settled) and "set_miner_conf" in r.event.detail
    ]
    incident = refused[0].incident
    leaky.said("replay", incident, "--html", str(tmp_path / "page.html"))
    leaky.said("incidents", "export", incident, "--output", str(tmp_path / "incident.zip"))
    with zipfile.ZipFile(tmp_path / "incident.zip") as archive:
        exported = b"".join(archive.read(name) for name in archive.namelist())
    sinks = {
        "log": leaky.log.encode(),
        "ledger": leaky.ledger.read_bytes(),
        "recording": msgspec.msgpack.encode(load(leaky.ledger, incident)),
        "page": (tmp_path / "page.html").read_bytes(),
        "archive": exported,
        "audit": leaky.said("audit", "export", "--events"),
        "show": leaky.said("incidents", "show", incident, "--json"),
        "explain": leaky.said("explain", incident, "--json"),
    }
    assert [sink for sink, content in sinks.items() if not leaky.in_any_form(content)] == []


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
