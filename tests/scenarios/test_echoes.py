"""Devices that repeat the login they were sent, in errors and logs: none of it becomes a fact, or is told anywhere.

The agent and its drivers are the real ones, on the memory tier; the devices speak their real protocols. What they
repeat is plain, as a login writes it, in digits, far behind the bound of what is kept, and steers terminals.
"""

import base64
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.act import DETAIL_CHARS, LOG_CHARS
from agent.cli import logs
from agent.cli.redact import REDACTED, scrub
from agent.cli.simulated import SSH_LOGIN
from agent.ledger.recordings import load, recorded
from agent.model.action import Result, Verb
from agent.model.events import Settled
from agent.model.ids import MinerId
from agent.model.incident import LOGS, Phase
from agent.model.topology import Family
from agent.observe.recorder import recording_beside
from simulators.devices.shell import Streams
from tests.scenarios.flash_bench import FIRST, site, told_so_far
from tests.scenarios.site_bench import Bench, play
from tests.scenarios.test_no_secret import Site

LOGIN = {
    Family.LUXOS: SSH_LOGIN[1],
    Family.ANTMINER_STOCK: "antminer-password",
    Family.WHATSMINER: "whatsminer-password",
}
STEERS = "\x1b[2J\u202e"


def repeated(secret: str) -> list[str]:
    """Return a login in every way in which a device may repeat it."""
    login = f"root:{secret}"
    basic = base64.b64encode(login.encode()).decode()
    return [login, f"Authorization: Basic {basic}", secret.encode().hex(), json.dumps({"pass": secret}), repr(login)]


def make_hostile(bench: Bench, miner: str, secret: str) -> None:
    """Have a miner repeat that secret where it names itself, and in its logs."""
    servers: Any = bench.simulated._miners
    (station,) = servers._stations[MinerId(miner)].values()
    name = STEERS + " ".join(repeated(secret))
    filler = "x" * (DETAIL_CHARS - 200)
    far = f"{filler}{secret}{filler}{secret}"
    if station.ssh is not None:
        box: Any = station.ssh.box
        box.files._fixed["/tmp/sysinfo/model"] = lambda: f"{STEERS}{secret}"

        async def dmesg(_: object, _arguments: object, streams: Streams) -> int:
            for line in repeated(secret):
                await streams.say(line)
            return 0

        box._commands["dmesg"] = dmesg
    system: Any = station.api
    if hasattr(system, "_system"):
        system._system["get_version"] = lambda _: {"platform": f"{name} {far}", "fw_ver": secret}
    if station.web is not None:
        pages: Any = station.web._pages
        pages._reading["miner_type"] = lambda: {"miner_type": f"{name} {far}", "subtype": "AMLCtrl_BHB42601"}
        pages._logs["log"] = lambda: f"{name}\n{'y' * (LOG_CHARS - len(secret) // 2)}{secret}"


@dataclass(frozen=True)
class Told:
    """What is left of a story."""

    bench: Bench
    site: Site


@pytest.fixture(scope="module", params=list(Family), ids=str)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    family, folder, log = request.param, tmp_path_factory.mktemp("echoes"), io.StringIO()
    logs.configure(stream=log)

    async def story(bench: Bench) -> None:
        bench.record = recording_beside(bench.path, scrub, threaded=False)
        make_hostile(bench, FIRST, bench.simulated.secrets.get(LOGIN[family]))
        bench.break_("miner.firmware_corrupt", FIRST, cured_by="flash")
        await told_so_far(bench, state="logs")
        await bench.start()
        await bench.until(lambda: bench.incident(FIRST).phase is Phase.ESCALATED, 7200.0, look_s=30.0)
        await bench.run(120.0)

    bench = play(folder, site(folder, family), story)
    logs.configure()  # what comes later is not of the story
    secret = bench.simulated.secrets.get(LOGIN[family])
    return Told(bench, Site(bench.path, log.getvalue(), {LOGIN[family]: secret}))


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
