"""Searches what an agent left behind for the secrets of its site; and devices that repeat those wherever they can."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner

from agent.cli.main import cli
from simulators.devices.antminer_pages import Page
from simulators.devices.shell import Streams
from simulators.site import SimulatedSite

STEERS = "\x1b[2J\u202e"


@dataclass(frozen=True)
class Site:
    """What an agent's time at a site left behind, and the site's secrets by name."""

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


def repeated(secret: str) -> list[str]:
    """Return a login in every way in which a device may repeat it."""
    login = f"root:{secret}"
    basic = base64.b64encode(login.encode()).decode()
    return [login, f"Authorization: Basic {basic}", secret.encode().hex(), json.dumps({"pass": secret}), repr(login)]


def repeats_logins(simulated: SimulatedSite, secrets: Sequence[str]) -> None:
    """Have every miner of a simulated site tell these secrets in its errors, and a stock Antminer refuse every save."""
    servers: Any = simulated._miners
    text = " ".join(line for secret in secrets for line in repeated(secret))
    refusal = Page(200, msgspec.json.encode({"stats": "error", "code": text, "msg": text}))
    for (station,) in ([*stations.values()] for stations in servers._stations.values()):
        station.api.error = _telling(station.api.error, text)
        if station.web is not None:
            station.web._pages._set_conf = lambda _: refusal


def _telling(error: Any, text: str) -> Any:
    return lambda code, message: error(code, f"{message} {text}")


def names_itself_so(simulated: SimulatedSite, miner: str, secret: str, *, far: int, log: int) -> None:
    """Have a miner tell a secret where it names itself, also so many characters behind, and in a log of that length."""
    servers: Any = simulated._miners
    (station,) = servers._stations[miner].values()
    filler = "x" * far
    name = f"{STEERS}{' '.join(repeated(secret))} {filler}{secret}{filler}{secret}"
    if station.ssh is not None:
        box = station.ssh.box
        box.files._fixed["/tmp/sysinfo/model"] = lambda: f"{STEERS}{secret}"

        async def dmesg(_: object, _arguments: object, streams: Streams) -> int:
            for line in repeated(secret):
                await streams.say(line)
            return 0

        box._commands["dmesg"] = dmesg
    if hasattr(station.api, "_system"):
        station.api._system["get_version"] = lambda _: {"platform": name, "fw_ver": secret}
    if station.web is not None:
        pages = station.web._pages
        pages._reading["miner_type"] = lambda: {"miner_type": name, "subtype": "AMLCtrl_BHB42601"}
        pages._logs["log"] = lambda: f"{name}\n{'y' * (log - len(secret) // 2)}{secret}"
