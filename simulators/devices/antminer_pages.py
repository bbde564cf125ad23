"""What a stock Antminer's web pages say and do. Transport and login are in `antminer_http`.

Bodies follow the firmware of the S19 and S21 generation. A new configuration replaces the old one as a whole: what a
client leaves out falls back to the factory's value, and pools left out are gone. A save starts another mining process.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from simulators.devices.antminer_forms import COMPILED
from simulators.devices.antminer_upgrade import upgraded, uploaded
from simulators.devices.board_box import kernel_lines, kernel_of, log_lines
from simulators.devices.figures import antminer_type, best_share, mac, serial, share_age
from simulators.devices.host import MinerHost
from simulators.plant.image import ImageShelf, board_name
from simulators.plant.limits import LEAST_LEVEL
from simulators.plant.pools import PoolLine
from simulators.plant.readings import PoolReading, Readings
from simulators.plant.state import Process

FACTORY_SETTINGS: Mapping[str, object] = {
    "api-listen": True,
    "api-network": True,
    "api-groups": "A:stats:pools:devs:summary:version",
    "api-allow": "A:0/0,W:*",
    "bitmain-fan-ctrl": False,
    "bitmain-fan-pwm": "100",
    "bitmain-use-vil": True,
    "bitmain-freq": "525",
    "bitmain-voltage": "1380",
    "bitmain-ccdelay": "0",
    "bitmain-pwth": "0",
    "bitmain-work-mode": "0",
    "bitmain-hashrate-percent": "100",
    "bitmain-freq-level": "100",
}
ALIASES: Mapping[str, str] = {"miner-mode": "bitmain-work-mode", "freq-level": "bitmain-freq-level"}
"""Names the firmware's own page posts for what get_miner_conf calls otherwise."""
SLEEP_MODE = "1"
LOW_POWER_MODE = "3"
WORK_MODES = frozenset({"0", SLEEP_MODE, LOW_POWER_MODE})
LOW_POWER_SHARE = 0.8
LOW_POWER_MODELS = ("s19 xp", "s21", "t21")
"""Which models have a mode of low power, and what that leaves of the rate. Estimates."""

MAX_TEXT = 256
POOL_SLOTS = 3
CLEARING_PAGE = "/cgi-bin/upgrade_clear.cgi"
UPGRADE_PAGES = frozenset({"/cgi-bin/upgrade.cgi", CLEARING_PAGE})
"""Where firmware is posted to; the one with settings and pools, the other without."""


class InvalidSettingsError(Exception):
    """A posted configuration that the firmware refuses. The message is the one the page shows."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One line of the pool configuration; empty lines are kept, as the firmware keeps them."""

    url: str = ""
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page's answer.

    Attributes:
        status: of HTTP.
        effect: what happens to the miner once it has left.
        later: what to wait for in place of answering now.
    """

    status: int
    body: bytes
    effect: Callable[[], object] | None = None
    later: Callable[[], Awaitable["Page"]] | None = None


class AntminerPages:
    """The CGI pages of one stock Antminer."""

    def __init__(self, host: MinerHost, images: ImageShelf) -> None:
        self._host = host
        self._images = images
        self._saved: list[Pool] = []
        self._settings: dict[str, object] = dict(FACTORY_SETTINGS)
        self._blink = False
        self._reading: Mapping[str, Callable[[], object]] = {
            "get_system_info": self._system_info,
            "get_network_info": self._network_info,
            "get_miner_conf": self._conf,
            "get_blink_status": lambda: {"blink": self._blink},
            "summary": self._summary,
            "stats": self._stats,
            "pools": self._pool_states,
            "miner_type": self._miner_type,
        }
        self._logs: Mapping[str, Callable[[], str]] = {
            "log": lambda: "\n".join(log_lines(self._host)),
            "hlog": lambda: "\n".join(log_lines(self._host)),
            "get_kernel_log": lambda: "\n".join(kernel_lines(self._host)),
        }

    def get(self, path: str) -> Page:
        """Answer a GET of that path."""
        if path in {"/", "/index.html"}:
            return Page(200, b"<!DOCTYPE html><html><head><title>Miner</title></head><body></body></html>")
        name = path.removeprefix("/cgi-bin/").removesuffix(".cgi")
        if name == "reboot" and path.startswith("/cgi-bin/"):
            return Page(200, b"", lambda: self._host.plant.reboot(self._host.now()))
        if name in self._logs and path == f"/cgi-bin/{name}.cgi":
            return Page(200, f"{self._logs[name]()}\n".encode())
        page = self._reading.get(name)
        if page is None or path != f"/cgi-bin/{name}.cgi":
            return Page(404, b"404 - Not Found")
        return Page(200, msgspec.json.encode(page()))

    def post(self, path: str, body: bytes, content_type: str = "") -> Page:
        """Answer a POST of that body to that path."""
        if path in UPGRADE_PAGES:
            return Page(200, b"", later=lambda: self._upgrade(path, uploaded(content_type, body)))
        if path == "/cgi-bin/reboot.cgi":
            return self.get(path)
        if path == "/cgi-bin/set_miner_conf.cgi":
            return self._set_conf(body)
        if path == "/cgi-bin/blink.cgi":
            return self._set_blink(body)
        return Page(404, b"404 - Not Found")

    async def _upgrade(self, path: str, image: bytes | None) -> Page:
        stats, code, message = await upgraded(self._host, self._images, image, resets=path == CLEARING_PAGE)
        return _verdict(stats, code, message)

    def _set_conf(self, body: bytes) -> Page:
        try:
            posted = msgspec.json.decode(body, type=dict[str, object])
            settings, pools = _settings(posted), _pools(posted)
            self._check_power(settings)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _verdict("error", "M001", "Invalid JSON")
        except InvalidSettingsError as bad:
            return _verdict("error", "M001", str(bad))
        self._settings, self._saved = settings, pools
        return _verdict("success", "M000", "OK!", self._apply)

    def _apply(self) -> None:
        """Have the miner do what was saved."""
        plant, now = self._host.plant, self._host.now()
        changed = _lines(self._saved) != plant.client.lines[:POOL_SLOTS]
        if changed:
            self._host.set_pools(_lines(self._saved))
        share = self._share()
        if self._settings["bitmain-work-mode"] == SLEEP_MODE:
            plant.suspend(now)
        elif share != plant.derated:
            plant.derate(now, share, restarts=True)
            plant.resume(now, restarts=True)
        elif plant.suspended:
            plant.resume(now, restarts=True)
        elif not changed or plant.process is not Process.STARTING:
            plant.restart_process(now)

    def _check_power(self, settings: Mapping[str, object]) -> None:
        """Refuse a mode that the model does not have, and too low a clock."""
        model = self._host.spec.model.casefold().removeprefix("antminer ")
        if settings["bitmain-work-mode"] == LOW_POWER_MODE and not model.startswith(LOW_POWER_MODELS):
            raise InvalidSettingsError("miner-mode invalid!")
        if int(str(settings["bitmain-freq-level"])) < LEAST_LEVEL:
            raise InvalidSettingsError("freq-level invalid!")

    def _share(self) -> float:
        """Return the share of the full rate that the saved configuration leaves."""
        low = self._settings["bitmain-work-mode"] == LOW_POWER_MODE
        return int(str(self._settings["bitmain-freq-level"])) / 100.0 * (LOW_POWER_SHARE if low else 1.0)

    def _slots(self) -> list[Pool]:
        """Return the configured pools as saved, or as somebody else configured them since."""
        lines = self._host.plant.client.lines[:POOL_SLOTS]
        if _lines(self._saved) == lines:
            return self._saved
        pools = [Pool(line.url, line.user, "x") for line in lines]
        return pools + [Pool()] * (POOL_SLOTS - len(pools))

    def _set_blink(self, body: bytes) -> Page:
        on = b"true" in body[:MAX_TEXT]
        self._blink = on
        return Page(200, msgspec.json.encode({"code": "B000" if on else "B100"}))

    def _conf(self) -> object:
        pools = [{"url": pool.url, "user": pool.user, "pass": pool.password} for pool in self._slots()]
        # However it was put to sleep, the firmware keeps it in the configuration.
        slept = {"bitmain-work-mode": SLEEP_MODE} if self._host.plant.suspended else {}
        return {"pools": pools, **self._settings, **slept}

    def _system_info(self) -> object:
        spec = self._host.spec
        return {
            "minertype": antminer_type(spec.model),
            "nettype": "DHCP",
            "netdevice": "eth0",
            "macaddr": mac(spec.id, spec.mac),
            "hostname": spec.id,
            "ipaddress": self._host.address,
            "netmask": "255.255.0.0",
            "gateway": "",
            "dnsservers": "",
            "system_mode": "GNU/Linux",
            "system_kernel_version": f"Linux {kernel_of(self._host)[0]} #1 SMP PREEMPT {COMPILED}",
            "system_filesystem_version": self._host.plant.system.version,
            "firmware_type": "Release",
            "serinum": serial(spec.id, "miner").upper(),
        }

    def _miner_type(self) -> object:
        spec, system = self._host.spec, self._host.plant.system
        return {
            "miner_type": antminer_type(spec.model),
            "subtype": f"{board_name(spec.family, system.control_board)}_BHB42601",
            "fw_version": system.version,
        }

    def _network_info(self) -> object:
        spec = self._host.spec
        return {
            "nettype": "DHCP",
            "netdevice": "eth0",
            "macaddr": mac(spec.id, spec.mac),
            "ipaddress": self._host.address,
            "netmask": "255.255.0.0",
            "conf_nettype": "DHCP",
            "conf_hostname": spec.id,
            "conf_ipaddress": "",
            "conf_netmask": "",
            "conf_gateway": "",
            "conf_dnsservers": "",
        }

    def _head(self, name: str, when: int) -> dict[str, object]:
        kind = antminer_type(self._host.spec.model)
        return {
            "STATUS": {"STATUS": "S", "when": when, "Msg": name, "api_version": "1.0.0"},
            "INFO": {"miner_version": self._host.plant.system.version, "CompileTime": COMPILED, "type": kind},
        }

    def _mined(self) -> tuple[Readings | None, int]:
        """Return the mining process's figures, None while there is no process to ask, and the Unix time."""
        reading, when = self._host.readings()
        return (reading if self._host.process_up() else None), when

    def _summary(self) -> object:
        r, when = self._mined()
        if r is None:
            return {**self._head("summary", when), "SUMMARY": []}
        hashing = r.rate_5s > 0.0
        checks = [
            {"type": "rate", "status": "s" if hashing else "e", "code": 0 if hashing else 1, "msg": ""},
            {"type": "network", "status": "s", "code": 0, "msg": ""},
            {"type": "fans", "status": "s", "code": 0, "msg": ""},
            {"type": "temp", "status": "s", "code": 0, "msg": ""},
        ]
        summary = {**_rates(r), "hw_all": r.hw_errors, "bestshare": best_share(r), "status": checks}
        return {**self._head("summary", when), "SUMMARY": [summary]}

    def _stats(self) -> object:
        r, when = self._mined()
        if r is None:
            return {**self._head("stats", when), "STATS": []}
        chains = [self._chain(r, index) for index in range(len(r.board_rates_gh))]
        stats = {
            **_rates(r),
            "chain_num": len(chains),
            "fan_num": len(r.fans_rpm),
            "fan": list(r.fans_rpm),
            "hwp_total": 0.0003,
            "miner-mode": int(str(self._settings["bitmain-work-mode"])),
            "freq-level": int(str(self._settings["bitmain-freq-level"])),
            "chain": chains,
        }
        return {**self._head("stats", when), "STATS": [stats]}

    def _chain(self, r: Readings, index: int) -> object:
        answering = r.parts.answering[index]
        pcb, chip = round(r.pcb_temp_c[index]), round(r.chip_temp_c[index])
        cool = (chip - 27, chip - 24) if r.build.fan_rpm else (round(r.warmth.inlet_c), round(r.warmth.outlet_c))
        return {
            "index": index,
            "freq_avg": 525,
            "rate_ideal": round(r.target_gh / len(r.board_rates_gh), 2),
            "rate_real": round(r.board_rates_gh[index], 2),
            "asic_num": answering,
            "asic": "o" * answering + "x" * (r.parts.chips - answering),
            "temp_pic": [pcb - 37, pcb - 34, pcb - 11, pcb - 10],
            "temp_pcb": [pcb - 27, pcb - 24, pcb - 1, pcb],
            "temp_chip": [*cool, chip - 1, chip],
            "hw": r.hw_errors // len(r.board_rates_gh),
            "eeprom_loaded": True,
            "sn": serial(self._host.spec.id, f"board{index}").upper(),
            "hwp": 0.0003,
        }

    def _pool_states(self) -> object:
        r, when = self._mined()
        pools = [] if r is None else [self._pool_state(r, n, pool, when) for n, pool in enumerate(r.pools)]
        return {**self._head("pools", when), "POOLS": pools}

    def _pool_state(self, r: Readings, number: int, pool: PoolReading, when: int) -> object:
        tally = pool.tally
        return {
            "index": number,
            "url": pool.url,
            "user": pool.user,
            "status": "Alive" if pool.alive else "Dead",
            "priority": pool.priority,
            "getworks": pool.getworks,
            "accepted": tally.accepted,
            "rejected": tally.rejected,
            "discarded": 0,
            "stale": tally.stale,
            "diff": f"{r.diff:.4f}" if pool.active else "",
            "diff1": 0,
            "diffa": tally.accepted_diff,
            "diffr": tally.rejected_diff,
            "diffs": tally.stale_diff,
            "lsdiff": r.diff if pool.active else 0.0,
            "lstime": share_age(tally.last_share_at, when - self._host.timing.epoch_s),
        }


def _verdict(stats: str, code: str, message: str, effect: Callable[[], object] | None = None) -> Page:
    return Page(200, msgspec.json.encode({"stats": stats, "code": code, "msg": message}), effect)


def _rates(r: Readings) -> dict[str, object]:
    return {
        "elapsed": r.elapsed_s,
        "rate_5s": round(r.rate_5s, 2),
        "rate_30m": round(r.rate_30m, 2),
        "rate_avg": round(r.rate_av, 2),
        "rate_ideal": round(r.target_gh, 2),
        "rate_unit": "GH/s",
    }


def _settings(posted: Mapping[str, object]) -> dict[str, object]:
    """Return the whole new configuration without pools; every value has the type its factory value has."""
    settings = dict(FACTORY_SETTINGS)
    for key, value in posted.items():
        name = ALIASES.get(key, key)
        if name not in settings:
            continue
        wanted = type(settings[name])
        number_as_text = wanted is str and isinstance(value, int) and not isinstance(value, bool) and value < 10**6
        new = str(value) if number_as_text else value
        if not isinstance(new, wanted) or (isinstance(new, str) and len(new) > MAX_TEXT):
            raise InvalidSettingsError(f"{name} invalid!")
        settings[name] = new
    if settings["bitmain-work-mode"] not in WORK_MODES:
        raise InvalidSettingsError("miner-mode invalid!")
    for name in ("bitmain-fan-pwm", "bitmain-freq-level"):
        text = str(settings[name])
        if not text.isascii() or not text.isdigit() or int(text) > 100:
            raise InvalidSettingsError(f"{name} invalid!")
    return settings


def _lines(pools: Sequence[Pool]) -> tuple[PoolLine, ...]:
    return tuple(PoolLine(pool.url, pool.user) for pool in pools if pool.url)


def _pools(posted: Mapping[str, object]) -> list[Pool]:
    """Return the new pools: none when none were posted."""
    lines = posted.get("pools", [])
    if not isinstance(lines, list) or len(lines) > POOL_SLOTS:
        raise InvalidSettingsError("pools invalid!")
    return [_pool(line) for line in lines]


def _pool(line: object) -> Pool:
    texts = [line.get(key, "") for key in ("url", "user", "pass")] if isinstance(line, dict) else []
    checked = [text for text in texts if isinstance(text, str) and len(text) <= MAX_TEXT]
    if len(checked) != 3:
        raise InvalidSettingsError("pools invalid!")
    return Pool(*checked)
