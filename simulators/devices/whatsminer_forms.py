"""What btminer's polled replies look like on a Whatsminer, and the figures in them. Everything else is in `whatsminer`.

Field names and types follow the captured replies of facts "miners", section 5.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from agent.model.topology import Cooling, Miner
from simulators.devices.cgminer_api import Section, status
from simulators.devices.figures import address_of, best_share, mac, pool_figures, serial
from simulators.devices.forms import TRUTH, Form, PoolsForm, fixed, plain, text, whole
from simulators.plant.readings import PoolReading, Readings

BTMINER = "cgminer 4.9.2"


def own_figures(spec: Miner, boards: int) -> dict[str, object]:
    """Return the figures that are that miner's own and never change."""
    return {
        "mac": mac(spec.id, spec.mac),
        "liquid": TRUTH[spec.cooling is not Cooling.AIR],
        **{f"pcb_serial{n}": board_serial(spec, n) for n in range(boards)},
    }


def board_serial(spec: Miner, number: int) -> str:
    """Return the serial number of a hashboard, counted from 0."""
    return serial(spec.id, f"pcb{number}").upper()


def figures(
    r: Readings,
    when: int,
    own: Mapping[str, object],
    *,
    ready: bool,
    last_share: Callable[[float | None], int],
) -> dict[str, object]:
    """Return every figure of the replies: the miner's own, and those of this moment.

    Args:
        r: what the miner measures.
        when: Unix time of it.
        own: figures that are the miner's own, its power limit among them.
        ready: btminer is past its start.
        last_share: turns a share's loop time in s into Unix time, 0 before the first.
    """
    shares = max(r.accepted + r.rejected + r.stale, 1)
    fans_rpm = r.fans_rpm or (0,)
    pcbs_c, chips_c = r.pcb_temp_c or (0.0,), r.chip_temp_c or (0.0,)
    elapsed = max(r.elapsed_s, 1)
    found: dict[str, object] = {
        **own,
        "when": when,
        "elapsed": r.elapsed_s,
        "uptime": r.uptime_s,
        "mhs_av": r.rate_av * 1000.0,
        "mhs_5s": r.rate_5s * 1000.0,
        "mhs_1m": r.rate_1m * 1000.0,
        "mhs_5m": r.rate_5m * 1000.0,
        "mhs_15m": r.rate_15m * 1000.0,
        "mhs_target": r.target_gh * 1000.0,
        "ghs_target": r.target_gh,
        "total_mh": r.work_gh * 1000.0,
        "getworks": r.elapsed_s // 11,
        "local_work": r.elapsed_s * 7844,
        "blocks": r.elapsed_s // 600,
        "accepted": r.accepted,
        "rejected": r.rejected,
        "stale": r.stale,
        "accepted_diff": r.accepted_diff,
        "rejected_diff": r.rejected_diff,
        "stale_diff": r.stale_diff,
        "diff1_shares": round(r.accepted_diff / 256),
        "rejected_percent": 100.0 * r.rejected / shares,
        "stale_percent": 100.0 * r.stale / shares,
        "utility": r.accepted * 60.0 / elapsed,
        "work_utility": (r.accepted_diff + r.rejected_diff) * 60.0 / elapsed,
        "best_share": best_share(r),
        "hw_errors": r.hw_errors,
        "pcb_max": max(pcbs_c),
        "chip_min": min(chips_c) - 18.0,
        "chip_max": max(chips_c),
        "chip_avg": sum(chips_c) / len(chips_c) - 8.0,
        "mhz": 0 if r.suspended or r.overheated else round(648 * r.share),
        "env_c": r.warmth.inlet_c,
        "fan_in": fans_rpm[0],
        "fan_out": fans_rpm[-1],
        "power": round(r.power_w),
        "power_rate": r.power_w / (r.rate_1m / 1000.0) if r.rate_1m > 1000.0 else 0.0,
        "stable": TRUTH[ready],
        "stable_cost": 420 if ready else -1,
        "ramp_ended": int(r.upfreq_complete),
        "last_share": last_share(r.last_share_at),
        "diff": r.diff,
        "last_diff": r.diff if r.accepted else 0.0,
    }
    found.update(pool_figures(r.pools, last_share))
    _add_boards(found, r, pcbs_c, chips_c)
    return found


def _add_boards(found: dict[str, object], r: Readings, pcbs_c: tuple[float, ...], chips_c: tuple[float, ...]) -> None:
    rates_gh = r.board_rates_gh
    boards = len(rates_gh)
    found |= {
        "board_target": r.target_gh / boards,
        "board_accepted": r.accepted // boards,
        "board_rejected": r.rejected // boards,
        "board_hw_errors": r.hw_errors // boards,
        "board_work": round(r.accepted_diff / 256 / boards),
        "board_accepted_diff": r.accepted_diff / boards,
        "board_rejected_diff": r.rejected_diff / boards,
    }
    readings = zip(_BOARDS, rates_gh, pcbs_c, chips_c, strict=False)
    for (av, now, m1, m5, m15, total, pcb, low, high, mean), rate_gh, pcb_c, chip_c in readings:
        share = rate_gh / r.rate_5s if r.rate_5s > 0 else 1.0 / boards
        found[av] = r.rate_av * share * 1000.0
        found[now] = rate_gh * 1000.0
        found[m1] = r.rate_1m * share * 1000.0
        found[m5] = r.rate_5m * share * 1000.0
        found[m15] = r.rate_15m * share * 1000.0
        found[total] = r.work_gh * share * 1000.0
        found[pcb] = pcb_c
        found[low] = chip_c - 18.0
        found[high] = chip_c
        found[mean] = chip_c - 8.0


_MAX_BOARDS = 4
_BOARDS = tuple(
    tuple(f"{kind}{n}" for kind in ("av", "now", "m1_", "m5_", "m15_", "total", "pcb", "low", "high", "mean"))
    for n in range(_MAX_BOARDS)
)
"""The figures of each board."""


def _reply(name: str, items: Sequence[Section], code: int, message: str) -> Form:
    head = {**status("S", 0, code, message, BTMINER), "When": whole("when")}
    return Form({"STATUS": [head], name: items, "id": 1})


_SUMMARY: Section = {
    "Elapsed": whole("elapsed"),
    "MHS av": fixed("mhs_av"),
    "MHS 5s": fixed("mhs_5s"),
    "MHS 1m": fixed("mhs_1m"),
    "MHS 5m": fixed("mhs_5m"),
    "MHS 15m": fixed("mhs_15m"),
    "HS RT": fixed("mhs_5m"),
    "Found Blocks": 0,
    "Getworks": whole("getworks"),
    "Accepted": whole("accepted"),
    "Rejected": whole("rejected"),
    "Hardware Errors": whole("hw_errors"),
    "Utility": fixed("utility"),
    "Discarded": 0,
    "Stale": whole("stale"),
    "Get Failures": 0,
    "Local Work": whole("local_work"),
    "Remote Failures": 0,
    "Network Blocks": whole("blocks"),
    "Total MH": fixed("total_mh", 4),
    "Work Utility": fixed("work_utility"),
    "Difficulty Accepted": fixed("accepted_diff", 1),
    "Difficulty Rejected": fixed("rejected_diff", 1),
    "Difficulty Stale": fixed("stale_diff", 1),
    "Best Share": whole("best_share"),
    "Temperature": fixed("pcb_max", 1),
    "freq_avg": whole("mhz"),
    "Fan Speed In": whole("fan_in"),
    "Fan Speed Out": whole("fan_out"),
    "Power": whole("power"),
    "Power_RT": whole("power"),
    "Power Rate": fixed("power_rate"),
    "Device Hardware%": 0.01,
    "Device Rejected%": 0.0,
    "Pool Rejected%": fixed("rejected_percent", 4),
    "Pool Stale%": fixed("stale_percent", 4),
    "Last getwork": 0,
    "Uptime": whole("uptime"),
    "Security Mode": 0,
    "Hash Stable": plain("stable"),
    "Hash Stable Cost Seconds": whole("stable_cost"),
    "Hash Deviation%": 0.1,
    "Target Freq": 625,
    "Target MHS": fixed("mhs_target", 0),
    "Env Temp": fixed("env_c", 1),
    "Power Mode": "Normal",
    "Factory GHS": fixed("ghs_target", 0),
    "Power Limit": whole("power_limit"),
    "Chip Temp Min": fixed("chip_min"),
    "Chip Temp Max": fixed("chip_max", 1),
    "Chip Temp Avg": fixed("chip_avg"),
    "Error Code Count": 0,
    "Factory Error Code Count": 0,
    "Liquid Cooling": plain("liquid"),
    "Power Fanspeed": 9000,
    "Btminer Fast Boot": "disable",
    "CB Platform": text("platform"),
    "CB Version": "V10",
    "Firmware Version": text("version"),
    "MAC": text("mac"),
}


@lru_cache(256)
def summary_form(codes: tuple[str, ...]) -> Form:
    """Return the form of `summary` with these error codes on display."""
    shown = {f"Error Code {place}": int(code) for place, code in enumerate(codes)}
    return _reply("SUMMARY", [_SUMMARY | {"Error Code Count": len(codes)} | shown], 11, "Summary")


def pools_form() -> PoolsForm:
    """Return the form of `pools`."""
    return PoolsForm(_pool, lambda lines: _reply("POOLS", lines, 7, f"{len(lines)} Pool(s)"))


def _pool(number: int, pool: PoolReading) -> Section:
    """Return one line; btminer counts pools from 1."""
    active, tally = pool.active, pool.tally
    return {
        "POOL": number + 1,
        "URL": pool.url,
        "Status": "Alive" if pool.alive else "Dead",
        "Priority": pool.priority,
        "Quota": 1,
        "Long Poll": "N",
        "Getworks": whole("pool_getworks") if active else pool.getworks,
        "Accepted": whole("pool_accepted") if active else tally.accepted,
        "Rejected": whole("pool_rejected") if active else tally.rejected,
        "Works": whole("local_work") if active else 0,
        "Discarded": 0,
        "Stale": whole("pool_stale") if active else tally.stale,
        "Get Failures": pool.get_failures,
        "Remote Failures": 0,
        "User": pool.user,
        "Last Share Time": whole(f"pool_last_share{number}"),
        "Diff1 Shares": whole("diff1_shares") if active else 0,
        "Proxy Type": "",
        "Proxy": "",
        "Difficulty Accepted": fixed("pool_accepted_diff", 1) if active else tally.accepted_diff,
        "Difficulty Rejected": fixed("pool_rejected_diff", 1) if active else tally.rejected_diff,
        "Difficulty Stale": fixed("pool_stale_diff", 1) if active else tally.stale_diff,
        "Last Share Difficulty": fixed("last_diff", 1) if active else 0.0,
        "Work Difficulty": fixed("diff", 1) if active else 0.0,
        "Has Stratum": True,
        "Stratum Active": pool.stratum_active,
        "Stratum URL": address_of(pool.url).partition(":")[0],
        "Stratum Difficulty": fixed("diff", 1) if active else 0.0,
        "Has GBT": False,
        "Best Share": whole("best_share") if active else 0,
        "Pool Rejected%": fixed("pool_rejected_percent", 4) if active else 0.0,
        "Pool Stale%": fixed("pool_stale_percent", 4) if active else 0.0,
        "Bad Work": 0,
        "Current Block Height": 0,
        "Current Block Version": 536870912 if active else 0,
    }


@lru_cache(512)
def devs_form(boards: tuple[int | None, ...]) -> Form:
    """Return the form of `devs`; `boards` says how many chips of each answer, None where it is lost."""
    rows = [_dead(n) if answering is None else _board(n, answering) for n, answering in enumerate(boards)]
    return _reply("DEVS", rows, 9, f"{len(boards)} ASC(s)")


def _dead(number: int) -> Section:
    """Return the row of a board of which nothing answers any more."""
    cold = dict.fromkeys(("Temperature", "Chip Temp Min", "Chip Temp Max", "Chip Temp Avg"), 0.0)
    return _board(number, 0) | {"Status": "Dead"} | cold


def _board(number: int, answering: int) -> Section:
    av, now, m1, m5, m15, total, pcb, low, high, mean = _BOARDS[number]
    return {
        "ASC": number,
        "Slot": number,
        "Name": "SM",
        "ID": number,
        "Enabled": "Y",
        "Status": "Alive",
        "Temperature": fixed(pcb, 1),
        "Chip Frequency": whole("mhz"),
        "MHS av": fixed(av),
        "MHS 5s": fixed(now),
        "MHS 1m": fixed(m1),
        "MHS 5m": fixed(m5),
        "MHS 15m": fixed(m15),
        "HS RT": fixed(m5),
        "Factory GHS": fixed("board_target", 0),
        "Accepted": whole("board_accepted"),
        "Rejected": whole("board_rejected"),
        "Hardware Errors": whole("board_hw_errors"),
        "Last Share Pool": 0,
        "Last Share Time": whole("last_share"),
        "Total MH": fixed(total, 4),
        "Diff1 Work": whole("board_work"),
        "Difficulty Accepted": fixed("board_accepted_diff", 8),
        "Difficulty Rejected": fixed("board_rejected_diff", 8),
        "Last Share Difficulty": fixed("last_diff", 1),
        "Last Valid Work": whole("last_share"),
        "Upfreq Complete": whole("ramp_ended"),
        "Effective Chips": answering,
        "PCB SN": text(f"pcb_serial{number}"),
        "Chip Temp Min": fixed(low),
        "Chip Temp Max": fixed(high, 1),
        "Chip Temp Avg": fixed(mean),
        "Device Hardware%": 0.01,
        "Device Rejected%": 0.0,
        "Device Elapsed": whole("elapsed"),
    }
