"""A Whatsminer under API 2.0.5 on TCP 4028: btminer's telemetry, the system's own queries, and commands under tokens.

Two programs answer behind one port. btminer speaks cgminer's form (`STATUS` list, `id`) and joins commands; the
system's API speaks flat objects (`STATUS`, `When`, `Code`, `Msg`, `Description`), joins nothing, and goes on while
btminer is dead. Field names and types follow the captured replies of facts "miners", section 5, and the vendor's
document of API 2.0.5.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

from simulators.devices.cgminer_api import INVALID_COMMAND, INVALID_JSON, Answer, Reply, Request, Section, join, status
from simulators.devices.figures import mac, serial
from simulators.devices.forms import Latest
from simulators.devices.host import MinerHost
from simulators.devices.whatsminer_forms import (
    BTMINER,
    devs_form,
    figures,
    own_figures,
    pools_form,
    summary_form,
)
from simulators.devices.whatsminer_token import EncodingError, TokenError, TokenVault
from simulators.plant.flash import Check
from simulators.plant.image import ImageShelf
from simulators.plant.pools import PoolLine
from simulators.plant.readings import Readings
from simulators.plant.state import Board, Process
from simulators.plant.system import RESTARTS_S

API_VERSION = "2.0.5"
SPEAKER = f"whatsminer v{API_VERSION}"
COMMAND_OK = 131
COMMAND_ERROR = 132
TOKEN_OK = 134
TOKEN_WRONG = 135
TOKENS_USED_UP = 136
NOT_BASE64 = 137
PERMISSION_DENIED = 45
"""Message codes of the vendor's API 2.0.5."""

BTMINER_DOWN = "btminer process is down err"
WRITING_OFF = "can't access write cmd"
"""What a miner answers whose API is switched off for writing; pyasic knows it by these words."""

UPDATES = frozenset({"update_firmware", "upgrade_firmware"})
"""The command that announces an image: facts "miners", section 6, has both names."""

LEAST_PERCENT, LEAST_LIMIT, MOST_LIMIT_W = 1, 0.3, 99_999
"""What the power can be set to: per cent of the usual, and a limit over the usual power and in W. Estimates."""

POOL_SLOTS = 3
MAX_TEXT = 256

_BINS: Mapping[str, str] = {
    "M30S": "VE50", "M30S+": "VE40", "M30S++": "VG40", "M50": "VE30", "M50S": "VJ30", "M50S+": "VJ30", "M50S++": "VK30",
    "M60": "VK10", "M60S": "VK30",
}  # fmt: skip
"""A chip bin for models the inventory names without one; the device itself always prints it."""


def whatsminer_model(model: str) -> str:
    """Return the model as btminer prints it: `M50S_VJ30`."""
    bare = model.removeprefix("Whatsminer ").replace(" ", "")
    if "_" in bare or "V" in bare[1:]:
        return bare
    return f"{bare}_{_BINS.get(bare, 'VE30')}"


class WhatsminerApi:
    """The commands of one Whatsminer."""

    accepts_text = True

    def __init__(self, host: MinerHost, vault: TokenVault, images: ImageShelf) -> None:
        self._host = host
        self._images = images
        self._vault = vault
        self._led = "auto"
        self._limit = round(host.spec.power_w * 1.05)
        self._own = own_figures(host.spec, host.plant.profile.boards)
        self._latest = Latest(self._figures)
        self._pools_form = pools_form()
        self._btminer: Mapping[str, Callable[[Readings, int], Reply]] = {
            "summary": self._summary,
            "pools": self._pools,
            "devs": self._devs,
            "edevs": self._devs,
            "devdetails": self._devdetails,
        }
        self._system: Mapping[str, Callable[[Readings], object]] = {
            "get_version": self._version,
            "get_psu": self._psu,
            "get_miner_info": self._miner_info,
            "get_error_code": self._error_codes,
            "status": self._status_message,
        }
        self._privileged: Mapping[str, Callable[[Mapping[str, object]], None]] = {
            "restart_btminer": self._restart,
            "reboot": self._reboot,
            "power_off": self._power_off,
            "power_on": self._power_on,
            "set_power_pct": self._set_power_share,
            "adjust_power_limit": self._adjust_power_limit,
            "set_led": self._set_led,
            "update_pools": self._update_pools,
        }

    def answer(self, request: Request) -> Answer:
        """Reply to a query, to joined ones, or to an encrypted command."""
        if "enc" in request.body:
            return self._encrypted(request)
        if any(name in self._btminer for name in request.commands):
            return self._mining(request)
        name = request.commands[0] if request.commands else ""
        if name in self._system and not request.joined:
            return Answer(self._flat("S", COMMAND_OK, self._system[name](self._host.readings()[0])))
        if name == "get_token":
            return Answer(self._token(request.peer))
        if name in self._privileged:
            return Answer(self.error(PERMISSION_DENIED, "permission denied"))
        return Answer(self.error(INVALID_COMMAND, "invalid cmd"))

    def error(self, code: int, message: str) -> Section:
        """Return an error as a flat object."""
        return self._flat("E", code, message.lower() if code == INVALID_JSON else message)

    def _mining(self, request: Request) -> Answer:
        if any(name not in self._btminer for name in request.commands):
            return Answer(self.error(INVALID_COMMAND, "invalid cmd"))
        if not self._host.process_up():
            return Answer(self.error(COMMAND_ERROR, BTMINER_DOWN))
        reading, when = self._host.readings()
        replies = {name: self._btminer[name](reading, when) for name in request.commands}
        return Answer(join(replies) if request.joined else replies[request.commands[0]], telemetry=True)

    def _flat(self, letter: Literal["S", "E"], code: int, message: object) -> Section:
        when = self._host.utc(self._host.now())
        return {"STATUS": letter, "When": when, "Code": code, "Msg": message, "Description": SPEAKER}

    # -- control -----------------------------------------------------------------------------------------------------

    def _token(self, peer: str) -> Section:
        now = self._host.now()
        issued = self._vault.issue(peer, now, self._host.utc(now))
        if issued is None:
            return self.error(TOKENS_USED_UP, "token over max times")
        return self._flat("S", TOKEN_OK, issued)

    def _encrypted(self, request: Request) -> Answer:
        data = request.body.get("data")
        try:
            command = self._vault.open(data if isinstance(data, str) else "", request.peer, self._host.now())
        except EncodingError:
            return Answer(self.error(NOT_BASE64, "base64 decode err"))
        except TokenError:
            return Answer(self.error(TOKEN_WRONG, "check token err"))
        return self._obey(command)

    def _obey(self, command: Mapping[str, object]) -> Answer:
        """Answer a command that came under a token."""
        name = command.get("cmd", command.get("command"))
        perform = self._privileged.get(name) if isinstance(name, str) else None
        if perform is None and name not in UPDATES:
            return Answer(self._vault.seal(self.error(INVALID_COMMAND, "invalid cmd")))
        if not self._host.writable:
            return Answer(self.error(PERMISSION_DENIED, WRITING_OFF))
        if perform is None:
            return Answer(self._vault.seal(self._flat("S", COMMAND_OK, "ready")), upload=self._update_firmware)
        asked = {"set_power_pct": self._percent, "adjust_power_limit": self._limit_w}.get(str(name))
        refused = asked is not None and asked(command) is None
        if refused or (name == "update_pools" and _pool_lines(command) is None):
            return Answer(self._vault.seal(self.error(COMMAND_ERROR, "API command ERROR")))
        done = self._vault.seal(self._flat("S", COMMAND_OK, "API command OK"))
        return Answer(done, effect=lambda: perform(command))

    def _restart(self, _command: Mapping[str, object]) -> None:
        self._host.plant.restart_process(self._host.now())

    def _reboot(self, _command: Mapping[str, object]) -> None:
        self._vault.forget()
        self._host.plant.reboot(self._host.now())

    def _power_off(self, _command: Mapping[str, object]) -> None:
        self._host.plant.suspend(self._host.now())

    def _power_on(self, _command: Mapping[str, object]) -> None:
        self._host.plant.resume(self._host.now())

    def _set_power_share(self, command: Mapping[str, object]) -> None:
        """Run at a share of the usual power, at once and until btminer starts afresh."""
        self._host.plant.derate(self._host.now(), (self._percent(command) or 100) / 100.0, lasts=False)

    def _adjust_power_limit(self, command: Mapping[str, object]) -> None:
        """Keep below that power from now on; btminer starts afresh for it."""
        self._limit = self._limit_w(command) or self._limit
        share = min(1.0, self._limit / self._host.spec.power_w)
        self._host.plant.derate(self._host.now(), share, restarts=True)

    def _percent(self, command: Mapping[str, object]) -> int | None:
        """Return the percentage that is asked for; None where the firmware refuses it."""
        return _whole(command.get("percent"), LEAST_PERCENT, 100)

    def _limit_w(self, command: Mapping[str, object]) -> int | None:
        """Return the power limit that is asked for, in W; None where the firmware refuses it."""
        return _whole(command.get("power_limit"), round(LEAST_LIMIT * self._host.spec.power_w), MOST_LIMIT_W)

    def _set_led(self, command: Mapping[str, object]) -> None:
        self._led = "auto" if command.get("param") == "auto" else "manual"

    def _update_firmware(self, image: bytes) -> None:
        """Verify and write it; the board starts afresh by itself, and nobody is told what came of it."""
        plant = self._host.plant
        truly = self._images.of(image)
        plant.system.flash(self._host.now(), truly, check=Check.SIGNATURE, restarts_in_s=RESTARTS_S, resets=False)

    def _update_pools(self, command: Mapping[str, object]) -> None:
        self._host.set_pools(_pool_lines(command) or ())

    # -- the system's own queries ------------------------------------------------------------------------------------

    def _version(self, _reading: Readings) -> Section:
        system = self._host.plant.system
        return {"api_ver": SPEAKER, "fw_ver": system.version, "platform": system.control_board.value, "chip": "KF1968"}

    def _error_codes(self, r: Readings) -> Section:
        since = {code.code: code.at for code in self._host.plant.system.codes(r.at)}
        times = ((code, self._host.utc(since.get(code, r.at))) for code in r.parts.codes)
        return {"error_code": [{code: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"} for code, at in times]}

    def _psu(self, r: Readings) -> Section:
        fed = self._host.plant.board is Board.UP
        return {
            "name": "P222B",
            "hw_version": "V01.01",
            "sw_version": "V01.01.V01.03",
            "model": "P222B",
            "iin": str(round(r.power_w * 1000.0 / 230.0)),
            "vin": "23000",
            "pin": str(round(r.power_w)),
            "fan_speed": "9000" if fed and not r.suspended else "0",
            "serial_no": serial(self._host.spec.id, "psu").upper(),
            "vendor": "7",
            "temp0": "38.5",
        }

    def _miner_info(self, _reading: Readings) -> Section:
        spec = self._host.spec
        return {
            "ip": self._host.address,
            "proto": "dhcp",
            "netmask": "255.255.0.0",
            "gateway": "",
            "dns": "",
            "hostname": spec.id,
            "mac": mac(spec.id, spec.mac),
            "ledstat": self._led,
            "minersn": serial(spec.id, "miner").upper(),
            "powersn": serial(spec.id, "psu").upper(),
        }

    def _status_message(self, r: Readings) -> Section:
        return {
            "btmineroff": "true" if r.suspended else "false",
            "Firmware Version": f"'{self._host.plant.system.version}'",
            "power_mode": "normal",
            "hash_percent": "0%",
        }

    # -- btminer -----------------------------------------------------------------------------------------------------

    def _summary(self, r: Readings, when: int) -> Reply:
        return summary_form(r.parts.codes).fill(self._latest.of(r, when))

    def _pools(self, r: Readings, when: int) -> Reply:
        return self._pools_form.fill(r, self._latest.of(r, when))

    def _devs(self, r: Readings, when: int) -> Reply:
        return devs_form(r.parts.boards).fill(self._latest.of(r, when))

    def _figures(self, r: Readings, when: int) -> dict[str, object]:
        ready = self._host.plant.process is Process.RUNNING and r.upfreq_complete
        system = self._host.plant.system
        board = {"version": f"'{system.version}'", "platform": system.control_board.value}
        own = self._own | board | {"power_limit": self._limit}
        return figures(r, when, own, ready=ready, last_share=self._share_time)

    def _share_time(self, at: float | None) -> int:
        return 0 if at is None else self._host.utc(at)

    def _devdetails(self, r: Readings, when: int) -> Section:
        model = whatsminer_model(self._host.spec.model)
        boards: list[Section] = [
            {"DEVDETAILS": n, "Name": "SM", "ID": n, "Driver": "bitmicro", "Kernel": "", "Model": model}
            for n in range(len(r.board_rates_gh))
        ]
        head = status("S", when, 69, "Device Details", BTMINER)
        return {"STATUS": [head], "DEVDETAILS": boards, "id": 1}


def _whole(value: object, least: int, most: int) -> int | None:
    """Return a whole number given as text, if it is within bounds."""
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 6:
        return None
    return int(value) if least <= int(value) <= most else None


def _pool_lines(command: Mapping[str, object]) -> tuple[PoolLine, ...] | None:
    """Return the list that `update_pools` asks for; None where the firmware refuses it.

    The first pool must be one. An empty slot is an empty text; what is left out or no text is refused.
    """
    lines: list[PoolLine] = []
    for slot in range(1, POOL_SLOTS + 1):
        url, user, password = (command.get(f"{key}{slot}") for key in ("pool", "worker", "passwd"))
        if not (isinstance(url, str) and isinstance(user, str) and isinstance(password, str)):
            return None
        if max(len(url), len(user), len(password)) > MAX_TEXT or (url and not user):
            return None
        if url:
            lines.append(PoolLine(url, user))
        elif slot == 1:
            return None
    return tuple(lines)
