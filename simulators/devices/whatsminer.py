"""A Whatsminer under API 2.0.5 on TCP 4028: btminer's telemetry, the system's own queries, and commands under tokens.

Two programs answer behind one port. btminer speaks cgminer's form (`STATUS` list, `id`) and joins commands; the
system's API speaks flat objects (`STATUS`, `When`, `Code`, `Msg`, `Description`), joins nothing, and goes on while
btminer is dead. Field names and types follow the captured replies of facts "miners", section 5, and the vendor's
document of API 2.0.5.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from simulators.devices.cgminer_api import INVALID_COMMAND, INVALID_JSON, Answer, Request, Section, join, status
from simulators.devices.figures import best_share, mac, percent, serial
from simulators.devices.host import MinerHost
from simulators.devices.whatsminer_token import EncodingError, TokenError, TokenVault
from simulators.plant.readings import Readings
from simulators.plant.state import Board, Process

API_VERSION = "2.0.5"
SPEAKER = f"whatsminer v{API_VERSION}"
BTMINER = "cgminer 4.9.2"
FIRMWARE = "20230911.12.REL"
PLATFORM = "H6OS"

COMMAND_OK = 131
COMMAND_ERROR = 132
TOKEN_OK = 134
TOKEN_WRONG = 135
TOKENS_USED_UP = 136
NOT_BASE64 = 137
PERMISSION_DENIED = 45
"""Message codes of the vendor's API 2.0.5."""

BTMINER_DOWN = "btminer process is down err"

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

    def __init__(self, host: MinerHost, vault: TokenVault) -> None:
        self._host = host
        self._vault = vault
        self._led = "auto"
        self._btminer: Mapping[str, Callable[[Readings, int], Section]] = {
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
            "get_error_code": lambda _reading: {"error_code": []},
            "status": self._status_message,
        }
        self._privileged: Mapping[str, Callable[[Mapping[str, object]], Answer]] = {
            "restart_btminer": self._restart,
            "reboot": self._reboot,
            "power_off": self._power_off,
            "power_on": self._power_on,
            "set_led": self._set_led,
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
        name = command.get("cmd", command.get("command"))
        perform = self._privileged.get(name) if isinstance(name, str) else None
        if perform is None:
            return Answer(self._vault.seal(self.error(INVALID_COMMAND, "invalid cmd")))
        done = perform(command)
        return Answer(self._vault.seal(done.content), effect=done.effect)

    def _done(self, effect: Callable[[], object] | None = None) -> Answer:
        def act() -> None:
            if effect is not None:
                effect()

        return Answer(self._flat("S", COMMAND_OK, "API command OK"), effect=act)

    def _restart(self, _command: Mapping[str, object]) -> Answer:
        return self._done(lambda: self._host.plant.restart_process(self._host.now()))

    def _reboot(self, _command: Mapping[str, object]) -> Answer:
        return self._done(self._reboot_now)

    def _reboot_now(self) -> None:
        self._vault.forget()
        self._host.plant.reboot(self._host.now())

    def _power_off(self, _command: Mapping[str, object]) -> Answer:
        return self._done(lambda: self._host.plant.suspend(self._host.now()))

    def _power_on(self, _command: Mapping[str, object]) -> Answer:
        return self._done(lambda: self._host.plant.resume(self._host.now()))

    def _set_led(self, command: Mapping[str, object]) -> Answer:
        self._led = "auto" if command.get("param") == "auto" else "manual"
        return self._done()

    # -- the system's own queries ------------------------------------------------------------------------------------

    def _version(self, _reading: Readings) -> Section:
        return {"api_ver": SPEAKER, "fw_ver": FIRMWARE, "platform": PLATFORM, "chip": "KF1968"}

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
            "ip": spec.host,
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
            "Firmware Version": f"'{FIRMWARE}'",
            "power_mode": "normal",
            "hash_percent": "0%",
        }

    # -- btminer -----------------------------------------------------------------------------------------------------

    def _head(self, code: int, message: str, when: int) -> list[Section]:
        return [status("S", when, code, message, BTMINER)]

    def _summary(self, r: Readings, when: int) -> Section:
        shares = r.accepted + r.rejected + r.stale
        chips_c = r.chip_temp_c or (0.0,)
        elapsed = max(r.elapsed_s, 1)
        ready = self._host.plant.process is Process.RUNNING and r.upfreq_complete
        summary: Section = {
            "Elapsed": r.elapsed_s,
            "MHS av": round(r.rate_av * 1000.0, 2),
            "MHS 5s": round(r.rate_5s * 1000.0, 2),
            "MHS 1m": round(r.rate_1m * 1000.0, 2),
            "MHS 5m": round(r.rate_5m * 1000.0, 2),
            "MHS 15m": round(r.rate_15m * 1000.0, 2),
            "HS RT": round(r.rate_5m * 1000.0, 2),
            "Found Blocks": 0,
            "Getworks": r.elapsed_s // 11,
            "Accepted": r.accepted,
            "Rejected": r.rejected,
            "Hardware Errors": r.hw_errors,
            "Utility": round(r.accepted * 60.0 / elapsed, 2),
            "Discarded": 0,
            "Stale": r.stale,
            "Get Failures": 0,
            "Local Work": r.elapsed_s * 7844,
            "Remote Failures": 0,
            "Network Blocks": r.elapsed_s // 600,
            "Total MH": round(r.work_gh * 1000.0, 4),
            "Work Utility": round((r.accepted_diff + r.rejected_diff) * 60.0 / elapsed, 2),
            "Difficulty Accepted": r.accepted_diff,
            "Difficulty Rejected": r.rejected_diff,
            "Difficulty Stale": r.stale_diff,
            "Best Share": best_share(r),
            "Temperature": max(r.pcb_temp_c, default=0.0),
            "freq_avg": 0 if r.suspended else 648,
            "Fan Speed In": r.fans_rpm[0] if r.fans_rpm else 0,
            "Fan Speed Out": r.fans_rpm[-1] if r.fans_rpm else 0,
            "Power": round(r.power_w),
            "Power_RT": round(r.power_w),
            "Power Rate": round(r.power_w / (r.rate_1m / 1000.0), 2) if r.rate_1m > 1000.0 else 0.0,
            "Device Hardware%": 0.01,
            "Device Rejected%": 0.0,
            "Pool Rejected%": percent(r.rejected, shares),
            "Pool Stale%": percent(r.stale, shares),
            "Last getwork": 0,
            "Uptime": r.uptime_s,
            "Security Mode": 0,
            "Hash Stable": ready,
            "Hash Stable Cost Seconds": 420 if ready else -1,
            "Hash Deviation%": 0.1,
            "Target Freq": 625,
            "Target MHS": round(r.target_gh * 1000.0),
            "Env Temp": 25.0,
            "Power Mode": "Normal",
            "Factory GHS": round(r.target_gh),
            "Power Limit": round(self._host.spec.power_w * 1.05),
            "Chip Temp Min": round(min(chips_c) - 18.0, 2),
            "Chip Temp Max": max(chips_c),
            "Chip Temp Avg": round(sum(chips_c) / len(chips_c) - 8.0, 2),
            "Error Code Count": 0,
            "Factory Error Code Count": 0,
            "Liquid Cooling": False,
            "Power Fanspeed": 9000,
            "Btminer Fast Boot": "disable",
            "CB Platform": PLATFORM,
            "CB Version": "V10",
            "Firmware Version": f"'{FIRMWARE}'",
            "MAC": mac(self._host.spec.id, self._host.spec.mac),
        }
        return {"STATUS": self._head(11, "Summary", when), "SUMMARY": [summary], "id": 1}

    def _pools(self, r: Readings, when: int) -> Section:
        shares = r.accepted + r.rejected + r.stale
        pool: Section = {
            "POOL": 1,
            "URL": r.pool_url,
            "Status": "Alive" if r.pool_alive else "Dead",
            "Priority": 0,
            "Quota": 1,
            "Long Poll": "N",
            "Getworks": r.elapsed_s // 11,
            "Accepted": r.accepted,
            "Rejected": r.rejected,
            "Works": r.elapsed_s * 7972,
            "Discarded": 0,
            "Stale": r.stale,
            "Get Failures": 0,
            "Remote Failures": 0,
            "User": r.pool_user,
            "Last Share Time": 0 if r.last_share_at is None else self._host.utc(r.last_share_at),
            "Diff1 Shares": round(r.accepted_diff / 256),
            "Proxy Type": "",
            "Proxy": "",
            "Difficulty Accepted": r.accepted_diff,
            "Difficulty Rejected": r.rejected_diff,
            "Difficulty Stale": r.stale_diff,
            "Last Share Difficulty": r.diff if r.accepted else 0.0,
            "Work Difficulty": r.diff,
            "Has Stratum": True,
            "Stratum Active": r.pool_alive,
            "Stratum URL": r.pool_url.partition("://")[2].partition(":")[0],
            "Stratum Difficulty": r.diff,
            "Has GBT": False,
            "Best Share": best_share(r),
            "Pool Rejected%": percent(r.rejected, shares),
            "Pool Stale%": percent(r.stale, shares),
            "Bad Work": 0,
            "Current Block Height": 0,
            "Current Block Version": 536870912,
        }
        return {"STATUS": self._head(7, "1 Pool(s)", when), "POOLS": [pool], "id": 1}

    def _devs(self, r: Readings, when: int) -> Section:
        boards = [self._board(r, number) for number in range(len(r.board_rates_gh))]
        return {"STATUS": self._head(9, f"{len(boards)} ASC(s)", when), "DEVS": boards, "id": 1}

    def _board(self, r: Readings, number: int) -> Section:
        boards = len(r.board_rates_gh)
        rate = r.board_rates_gh[number]
        share = rate / r.rate_5s if r.rate_5s > 0 else 1.0 / boards
        chip = r.chip_temp_c[number]
        last = 0 if r.last_share_at is None else self._host.utc(r.last_share_at)
        return {
            "ASC": number,
            "Slot": number,
            "Name": "SM",
            "ID": number,
            "Enabled": "Y",
            "Status": "Alive",
            "Temperature": r.pcb_temp_c[number],
            "Chip Frequency": 0 if r.suspended else 648,
            "MHS av": round(r.rate_av * share * 1000.0, 2),
            "MHS 5s": round(rate * 1000.0, 2),
            "MHS 1m": round(r.rate_1m * share * 1000.0, 2),
            "MHS 5m": round(r.rate_5m * share * 1000.0, 2),
            "MHS 15m": round(r.rate_15m * share * 1000.0, 2),
            "HS RT": round(r.rate_5m * share * 1000.0, 2),
            "Factory GHS": round(r.target_gh / boards),
            "Accepted": r.accepted // boards,
            "Rejected": r.rejected // boards,
            "Hardware Errors": r.hw_errors // boards,
            "Last Share Pool": 0,
            "Last Share Time": last,
            "Total MH": round(r.work_gh * share * 1000.0, 4),
            "Diff1 Work": round(r.accepted_diff / 256 / boards),
            "Difficulty Accepted": r.accepted_diff / boards,
            "Difficulty Rejected": r.rejected_diff / boards,
            "Last Share Difficulty": r.diff if r.accepted else 0.0,
            "Last Valid Work": last,
            "Upfreq Complete": int(r.upfreq_complete),
            "Effective Chips": self._host.plant.profile.chips,
            "PCB SN": serial(self._host.spec.id, f"pcb{number}").upper(),
            "Chip Temp Min": round(chip - 18.0, 2),
            "Chip Temp Max": chip,
            "Chip Temp Avg": round(chip - 8.0, 2),
            "Device Hardware%": 0.01,
            "Device Rejected%": 0.0,
            "Device Elapsed": r.elapsed_s,
        }

    def _devdetails(self, r: Readings, when: int) -> Section:
        model = whatsminer_model(self._host.spec.model)
        boards: list[Section] = [
            {"DEVDETAILS": n, "Name": "SM", "ID": n, "Driver": "bitmicro", "Kernel": "", "Model": model}
            for n in range(len(r.board_rates_gh))
        ]
        return {"STATUS": self._head(69, "Device Details", when), "DEVDETAILS": boards, "id": 1}
