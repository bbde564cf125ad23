"""A stock Antminer's cgminer API on TCP 4028, as bmminer 49.x of an S19 speaks it. Control is the web server's.

Field names, types and oddities follow the captured replies of facts "miners", section 5: `Pool Stale%%` with two
percent signs, board rates as strings, temperatures as dashed lists, slots beyond the last board present and empty.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulators.devices.cgminer_api import (
    ACCESS_DENIED,
    INVALID_COMMAND,
    Answer,
    Request,
    Section,
    join,
    status,
)
from simulators.devices.figures import antminer_type, best_share, percent, serial, share_age, short_difficulty
from simulators.devices.host import MinerHost
from simulators.plant.readings import Readings

SPEAKER = "cgminer 1.0.0"
FIRMWARE = "49.0.1.3"
COMPILED = "Mon Mar 13 09:41:07 CST 2023"
SLOTS = 4
"""Chain fields a reply always has, whatever number of boards is plugged in."""
POOL_SLOTS = 3
PRIVILEGED = frozenset(
    {"addpool", "disablepool", "enablepool", "poolpriority", "quit", "removepool", "restart", "switchpool", "zero"}
)

_CHIPS: Mapping[str, int] = {
    "s19": 76, "s19 pro": 114, "s19j pro": 126, "s19k pro": 77, "s19 xp": 110, "t19": 76,
    "s21": 108, "s21 pro": 65, "t21": 108,
}  # fmt: skip


def chips_per_board(model: str, default: int = 114) -> int:
    """Return how many chips a board of that model has."""
    return _CHIPS.get(antminer_type(model).lower().removeprefix("antminer "), default)


@dataclass(frozen=True, slots=True)
class Pool:
    """One line of the pool configuration; empty lines are kept, as the firmware keeps them."""

    url: str = ""
    user: str = ""
    password: str = ""


@dataclass(slots=True)
class PoolList:
    """The configured pools: written by the web server, shown by both. The first one is the one mined on."""

    pools: list[Pool] = field(default_factory=list)

    @classmethod
    def of(cls, reading: Readings) -> "PoolList":
        """Return the list a freshly set up miner has: the site's pool, and two empty lines."""
        return cls([Pool(reading.pool_url, reading.pool_user, "x"), Pool(), Pool()])


class StockApi:
    """The commands of one stock Antminer."""

    accepts_text = True

    def __init__(self, host: MinerHost, pools: PoolList) -> None:
        self._host = host
        self._pools = pools
        self._commands: Mapping[str, Callable[[Readings, int], Section]] = {
            "version": self._version,
            "summary": self._summary,
            "stats": self._stats,
            "pools": self._pools_reply,
            "devs": self._devs,
            "config": self._config,
        }

    def answer(self, request: Request) -> Answer:
        """Reply to one command or to several joined ones."""
        reading, when = self._host.readings()
        replies = {name: self._one(name, reading, when) for name in request.commands}
        telemetry = any(name in self._commands for name in request.commands)
        if request.joined:
            return Answer(join(replies), telemetry)
        return Answer(next(iter(replies.values()), self.error(INVALID_COMMAND, "Invalid command")), telemetry)

    def error(self, code: int, message: str) -> Section:
        """Return an error in a STATUS list."""
        when = self._host.utc(self._host.now())
        return {"STATUS": [status("E", when, code, message, SPEAKER)], "id": 1}

    def _one(self, name: str, reading: Readings, when: int) -> Section:
        command = self._commands.get(name)
        if command is not None:
            return command(reading, when)
        if name in PRIVILEGED:
            return self.error(ACCESS_DENIED, f"Access denied to '{name}' command")
        return self.error(INVALID_COMMAND, "Invalid command")

    def _version(self, _reading: Readings, when: int) -> Section:
        version = {
            "BMMiner": "1.0.0",
            "API": "3.1",
            "Miner": FIRMWARE,
            "CompileTime": COMPILED,
            "Type": antminer_type(self._host.spec.model),
        }
        return {"STATUS": [status("S", when, 22, "CGMiner versions", SPEAKER)], "VERSION": [version], "id": 1}

    def _summary(self, r: Readings, when: int) -> Section:
        elapsed = max(r.elapsed_s, 1)
        summary = {
            "Elapsed": r.elapsed_s,
            "GHS 5s": round(r.rate_5s, 2),
            "GHS av": round(r.rate_av, 2),
            "GHS 30m": round(r.rate_30m, 2),
            "Found Blocks": 0,
            "Getwork": r.elapsed_s // 13,
            "Accepted": r.accepted,
            "Rejected": r.rejected,
            "Hardware Errors": r.hw_errors,
            "Utility": round(r.accepted * 60.0 / elapsed, 2),
            "Discarded": r.elapsed_s * 89,
            "Stale": r.stale,
            "Get Failures": 0,
            "Local Work": r.elapsed_s * 90,
            "Remote Failures": 0,
            "Network Blocks": r.elapsed_s // 600,
            "Total MH": round(r.work_gh * 1000.0),
            "Work Utility": round((r.accepted_diff + r.rejected_diff) * 60.0 / elapsed, 2),
            "Difficulty Accepted": r.accepted_diff,
            "Difficulty Rejected": r.rejected_diff,
            "Difficulty Stale": r.stale_diff,
            "Best Share": best_share(r),
            "Device Hardware%": 0.0,
            "Device Rejected%": 0.0,
            "Pool Rejected%": percent(r.rejected, r.accepted + r.rejected + r.stale),
            "Pool Stale%": percent(r.stale, r.accepted + r.rejected + r.stale),
            "Last getwork": when,
        }
        return {"STATUS": [status("S", when, 11, "Summary", SPEAKER)], "SUMMARY": [summary], "id": 1}

    def _stats(self, r: Readings, when: int) -> Section:
        firmware = {
            "BMMiner": "1.0.0",
            "Miner": FIRMWARE,
            "CompileTime": COMPILED,
            "Type": antminer_type(self._host.spec.model),
        }
        chips = chips_per_board(self._host.spec.model)
        boards = len(r.board_rates_gh)
        totals: Section = {
            "STATS": 0,
            "ID": "BTM_SOC0",
            "Elapsed": r.elapsed_s,
            "Calls": 0,
            "Wait": 0,
            "Max": 0,
            "Min": 99999999,
            "GHS 5s": round(r.rate_5s, 2),
            "GHS av": round(r.rate_av, 2),
            "rate_30m": round(r.rate_30m, 2),
            "Mode": 2,
            "miner_count": boards,
            "frequency": 525,
            "fan_num": len(r.fans_rpm),
            **{f"fan{n}": rpm for n, rpm in enumerate(r.fans_rpm, 1)},
            "temp_num": boards,
        }
        for slot in range(1, SLOTS + 1):
            totals |= _chain(r, slot, chips)
        totals |= {
            "temp_max": 0,
            "total_rateideal": round(r.target_gh, 2),
            "rate_unit": "GH",
            "total_freqavg": 525,
            "total_acn": boards * chips,
            "total rate": round(sum(r.board_rates_gh), 2),
            "no_matching_work": r.hw_errors,
            "miner_version": FIRMWARE,
            "miner_id": serial(self._host.spec.id, "chip"),
        }
        return {"STATUS": [status("S", when, 70, "CGMiner stats", SPEAKER)], "STATS": [firmware, totals], "id": 1}

    def _pools_reply(self, r: Readings, when: int) -> Section:
        lines = [
            _pool(r, number, pool, share_age(r, when - self._host.timing.epoch_s))
            for number, pool in enumerate(self._pools.pools)
            if pool.url
        ]
        head = status("S", when, 7, f"{len(lines)} Pool(s)", SPEAKER)
        return {"STATUS": [head], "POOLS": lines, "id": 1}

    def _devs(self, r: Readings, when: int) -> Section:
        last = 0 if r.last_share_at is None else self._host.utc(r.last_share_at)
        device = {
            "ASC": 0,
            "Name": "BTM_SOC",
            "ID": 0,
            "Enabled": "Y",
            "Status": "Alive",
            "Tenperature": 0.0,
            "MHS av": 0.0,
            "MHS 5s": 0.0,
            "Accepted": r.accepted,
            "Rejected": r.rejected,
            "Hardware Errors": 0,
            "Utility": 0.0,
            "Last Share Pool": 0,
            "Last Share Time": last,
            "Total MH": 0.0,
            "Diff1 Work": 0,
            "Difficulty Accepted": r.accepted_diff,
            "Difficulty Rejected": r.rejected_diff,
            "Last Share Difficulty": last,
            "Last Valid Work": last,
            "Device Hardware%": 0.0,
            "Device Rejected%": 0.0,
            "Device Elapsed": r.elapsed_s,
        }
        return {"STATUS": [status("S", when, 9, "1 ASC(s)", SPEAKER)], "DEVS": [device], "id": 1}

    def _config(self, _reading: Readings, when: int) -> Section:
        config = {
            "ASC Count": 1,
            "PGA Count": 0,
            "Pool Count": sum(1 for pool in self._pools.pools if pool.url),
            "Strategy": "Failover",
            "Log Interval": 5,
            "Device Code": "SOC ",
            "OS": "Linux",
            "Hotplug": "None",
        }
        return {"STATUS": [status("S", when, 33, "CGMiner config", SPEAKER)], "CONFIG": [config], "id": 1}


def _chain(r: Readings, slot: int, chips: int) -> Section:
    """Return the fields of one slot; `temp2_N` is the chip's side, as in the field names of 2014."""
    if slot > len(r.board_rates_gh):
        cold = "0-0-0-0"
        return {
            f"freq{slot}": 0,
            f"chain_acn{slot}": 0,
            f"chain_acs{slot}": "",
            f"chain_hw{slot}": 0,
            f"chain_rate{slot}": "",
            f"temp_pcb{slot}": cold,
            f"temp_chip{slot}": cold,
            f"temp_pic{slot}": cold,
        }
    pcb, chip = r.pcb_temp_c[slot - 1], r.chip_temp_c[slot - 1]
    return {
        f"temp{slot}": round(pcb),
        f"temp2_{slot}": round(chip),
        f"freq{slot}": 525,
        f"chain_acn{slot}": chips,
        f"chain_acs{slot}": _chip_map(chips, "o" if r.chips_ok else "x"),
        f"chain_hw{slot}": r.hw_errors // len(r.board_rates_gh),
        f"chain_rate{slot}": f"{r.board_rates_gh[slot - 1]:.2f}",
        f"temp_pcb{slot}": _four(pcb),
        f"temp_chip{slot}": _four(chip),
        f"temp_pic{slot}": _four(pcb - 10.0),
    }


def _four(hottest_c: float) -> str:
    """Return four sensors as the firmware lists them: two at the cool end, two at the hot one."""
    hot = round(hottest_c)
    return "-".join(str(max(0, value)) for value in (hot - 27, hot - 24, hot - 1, hot))


def _chip_map(chips: int, mark: str) -> str:
    """Return one letter a chip, in groups of three."""
    groups, rest = divmod(chips, 3)
    return f" {mark * 3}" * groups + (f" {mark * rest}" if rest else "")


def _pool(r: Readings, number: int, pool: Pool, age: str) -> Section:
    active = number == 0
    shares = r.accepted + r.rejected + r.stale if active else 0
    host = pool.url.partition("://")[2] or pool.url
    return {
        "POOL": number,
        "URL": pool.url,
        "Status": "Alive" if r.pool_alive else "Dead",
        "Priority": number,
        "Quota": 1,
        "Long Poll": "N",
        "Getworks": r.elapsed_s // 13 if active else 3,
        "Accepted": r.accepted if active else 0,
        "Rejected": r.rejected if active else 0,
        "Discarded": r.elapsed_s * 89 if active else 0,
        "Stale": r.stale if active else 0,
        "Get Failures": 0,
        "Remote Failures": 0,
        "User": pool.user,
        "Last Share Time": age if active else "0",
        "Diff": short_difficulty(r.diff) if active else "",
        "Diff1 Shares": 0,
        "Proxy Type": "",
        "Proxy": "",
        "Difficulty Accepted": r.accepted_diff if active else 0.0,
        "Difficulty Rejected": r.rejected_diff if active else 0.0,
        "Difficulty Stale": r.stale_diff if active else 0.0,
        "Last Share Difficulty": r.diff if active and r.accepted else 0.0,
        "Has Stratum": True,
        "Stratum Active": active and r.pool_alive,
        "Stratum URL": host.partition(":")[0] if active else "",
        "Has GBT": False,
        "Best Share": float(best_share(r)) if active else 0.0,
        "Pool Rejected%": percent(r.rejected, shares) if active else 0.0,
        "Pool Stale%%": percent(r.stale, shares) if active else 0.0,
    }
