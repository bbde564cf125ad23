"""Devices that repeat the login they were sent, in errors and logs: none of it becomes a fact, or is told anywhere.

The agent and its drivers are the real ones, on the memory tier; the devices speak their real protocols. What they
repeat is plain, as a login writes it, in digits, far behind the bound of what is kept, and steers terminals.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from agent.act import DETAIL_CHARS, LOG_CHARS
from agent.cli import logs
from agent.cli.redact import REDACTED, redact, scrub
from agent.cli.simulated import SSH_LOGIN
from agent.ledger.recordings import load, recorded
from agent.model.action import Result, Verb
from agent.model.events import NoticeSettled, Settled
from agent.model.incident import LOGS, Phase
from agent.model.topology import Family
from agent.notify.notifier import Notifier
from agent.observe.recorder import recording_beside
from tests.notify.bench import HOOK, KEY, QUICK, SECRET_PATH, listening
from tests.scenarios.echo_bench import Site, names_itself_so
from tests.scenarios.flash_bench import FIRST, site, told_so_far
from tests.scenarios.site_bench import Bench, play

LOGIN = {
    Family.LUXOS: SSH_LOGIN[1],
    Family.ANTMINER_STOCK: "antminer-password",
    Family.WHATSMINER: "whatsminer-password",
}


@dataclass(frozen=True)
class Told:
    """What is left of a story."""

    bench: Bench
    site: Site
    posts: list[bytes]


@pytest.fixture(scope="module", params=list(Family), ids=str)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    family, folder, log = request.param, tmp_path_factory.mktemp("echoes"), io.StringIO()
    logs.configure(stream=log)

    async def story(bench: Bench) -> None:
        bench.record = recording_beside(bench.path, scrub, threaded=False)
        bench.notifier = Notifier("bench", [HOOK], redact(desk.secrets, desk.secrets.known), scrub, QUICK)
        secret = bench.simulated.secrets.get(LOGIN[family])
        names_itself_so(bench.simulated, FIRST, secret, far=DETAIL_CHARS - 200, log=LOG_CHARS)
        bench.break_("miner.firmware_corrupt", FIRST, cured_by="flash")
        await told_so_far(bench, state="logs")
        await bench.start()
        await bench.until(lambda: bench.incident(FIRST).phase is Phase.ESCALATED, 7200.0, look_s=30.0)
        await bench.run(120.0)

    with listening(503, 200) as desk:
        bench = play(folder, site(folder, family), story)
        assert len(desk.heard) >= 2, "told once more, as nobody took it at first"
    logs.configure()  # what comes later is not of the story
    secret = bench.simulated.secrets.get(LOGIN[family])
    found = Site(bench.path, log.getvalue(), {LOGIN[family]: secret, "hook-url": SECRET_PATH, "hook-key": KEY})
    return Told(bench, found, [heard.body for heard in desk.heard])


def test_what_the_device_said_is_there_bounded_and_without_its_login(told: Told) -> None:
    of_first = [e for e in told.bench.events(Settled) if e.action.miner == FIRST]
    flashes = [e for e in of_first if e.action.verb is Verb.FLASH]
    assert {e.result for e in flashes} == {Result.FAILED}, "it was not what it should be, and nothing was written"
    for event in flashes:
        assert "it says" in event.detail
        assert REDACTED in event.detail
        assert event.detail.isprintable()
        assert len(event.detail) <= DETAIL_CHARS
    (kept,) = [e.evidence[LOGS] for e in of_first if e.action.verb is Verb.COLLECT_LOGS]
    assert 0 < len(kept) <= LOG_CHARS


def test_who_is_told_reads_what_the_device_said_without_any_login(told: Told) -> None:
    assert any(REDACTED.encode() in post for post in told.posts)
    for post in told.posts:
        assert told.site.in_any_form(post) == []
    assert {event.delivered for event in told.bench.events(NoticeSettled)} == {True}


def test_nothing_that_is_kept_or_told_holds_the_login(told: Told, tmp_path: Path) -> None:
    found = told.site
    assert found.log
    assert found.in_any_form(found.log.encode()) == []
    assert "\x1b" not in found.log
    for path in (p for p in found.ledger.parent.iterdir() if p.name.startswith(found.ledger.name) and p.is_file()):
        assert found.in_any_form(path.read_bytes()) == [], path.name
    for record in told.bench.records:
        assert found.in_any_form(msgspec.json.encode(record)) == []
    incident = told.bench.incident(FIRST).id
    assert incident in recorded(found.ledger)
    recording = load(found.ledger, incident)
    assert any(exchange.protocol == "firmware" for exchange in recording.exchanges)
    assert found.in_any_form(msgspec.msgpack.encode(recording)) == []
    for words in (("explain", incident), ("incidents", "show", incident, "--json"), ("report", "--json")):
        assert found.in_any_form(found.said(*words)) == [], words
    found.said("incidents", "export", incident, "--output", str(tmp_path / "incident.zip"))
    with zipfile.ZipFile(tmp_path / "incident.zip") as archive:
        assert [name for name in archive.namelist() if found.in_any_form(archive.read(name))] == []
