"""What a LuxOS miner's polled replies look like, and the figures in them. What is seldom asked is in `luxos_telemetry`.

Oddities kept from the captured replies of facts "miners", section 5: keys in alphabetical order, `Total MH` that is no
counter (it is a thousand times `GHS av`), `Last Share Time` as HH:MM:SS ago and counted from the start of the process
where a pool has had no share, board temperatures only.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from agent.model.topology import Miner
from simulators.devices.antminer_forms import Boards, chip_map
from simulators.devices.cgminer_api import Section, status
from simulators.devices.figures import (
    address_of,
    antminer_type,
    best_share,
    clock_text,
    mac,
    pool_figures,
    serial,
    short_difficulty,
)
from simulators.devices.forms import TRUTH, Form, PoolsForm, fixed, plain, text, text_fixed, whole
from simulators.plant.luxos_profiles import clock_mhz, profile_name, step_of
from simulators.plant.readings import PoolReading, Readings

COMPILED = "Tue Apr  8 22:05:35 UTC 2025"
SLOTS = 4


def ordered(name: str, head: Section, items: Sequence[Section]) -> Section:
    """Return a whole reply with its keys in LUXminer's alphabetical order."""
    ordered = [dict(sorted(item.items())) for item in items]
    parts: Section = {"STATUS": [dict(sorted(head.items()))], name: ordered}
    return {**dict(sorted(parts.items())), "id": 1}


def speaker(version: str) -> str:
    """Return how the mining process of that version calls itself."""
    return f"LUXminer {version}-57b389c7"


def own_figures(spec: Miner) -> dict[str, object]:
    """Return the figures that are that miner's own and never change."""
    return {
        "type": antminer_type(spec.model),
        "board_id": serial(spec.id, "board")[:12],
        "serial": serial(spec.id, "miner").upper(),
        "mac": mac(spec.id, spec.mac).lower(),
        "hostname": spec.id,
        "ip": spec.host,
        "nameplate": spec.hashrate_th,
    }


def figures(r: Readings, when: int, own: Mapping[str, object], epoch_s: float) -> dict[str, object]:
    """Return every figure of the replies: the miner's own, and those of this moment.

    Args:
        r: what the miner measures.
        when: Unix time of it.
        own: figures that never change.
        epoch_s: Unix time at loop time zero.
    """
    rates_gh, hottest_c = r.board_rates_gh, r.pcb_temp_c
    elapsed, step = max(r.elapsed_s, 1), step_of(r.share)
    shares = max(r.accepted + r.rejected + r.stale, 1)
    found: dict[str, object] = {
        **own,
        "when": when,
        "got_work": when - 4,
        "elapsed": r.elapsed_s,
        "rate_5s": r.rate_5s,
        "rate_1m": r.rate_1m,
        "rate_5m": r.rate_5m,
        "rate_15m": r.rate_15m,
        "rate_30m": r.rate_30m,
        "rate_24h": r.rate_av * min(1.0, r.elapsed_s / 86_400.0),
        "rate_av": r.rate_av,
        "rate_ideal": r.target_gh,
        "rate": sum(rates_gh),
        "mhs_av": r.rate_av * 1000.0,
        "getworks": r.elapsed_s // 5,
        "accepted": r.accepted,
        "rejected": r.rejected,
        "stale": r.stale,
        "accepted_diff": r.accepted_diff,
        "rejected_diff": r.rejected_diff,
        "stale_diff": r.stale_diff,
        "rejected_percent": 100.0 * r.rejected / shares,
        "stale_percent": 100.0 * r.stale / shares,
        "utility": r.accepted * 60.0 / elapsed,
        "best_share": best_share(r),
        "hw_errors": r.hw_errors,
        "pcb_max": max(hottest_c, default=0.0),
        "power": round(r.power_w),
        "diff": short_difficulty(r.diff),
        "full_diff": r.diff,
        "last_diff": r.diff if r.accepted else 0,
        "pool_count": len(r.pool_book.pools),
        "curtail_mode": "Sleep" if r.suspended else "None",
        "supply_on": TRUTH[not r.suspended],
        "mhz": clock_mhz(step),
        "profile": profile_name(step),
        "step": step,
    }
    now = when - epoch_s
    found.update(
        pool_figures(r.pools, lambda last: clock_text(r.elapsed_s if last is None else now - last).rjust(8, "0"))
    )
    found.update(zip(_FANS, r.fans_rpm, strict=False))
    hw_errors = r.hw_errors // len(rates_gh)
    for (rate, hw), rate_gh in zip(_CHAINS, rates_gh, strict=False):
        found[rate] = rate_gh
        found[hw] = hw_errors
    found.update(_sensors(hottest_c, round(r.warmth.inlet_c)))
    return found


@lru_cache(4096)
def _sensors(hottest_c: tuple[float, ...], inlet_c: float) -> Mapping[str, object]:
    """Return every figure about temperatures; they seldom change, and spelling them takes a while."""
    found: dict[str, object] = {}
    for (hot, corners), hot_c in zip(_SENSORS, hottest_c, strict=False):
        found[hot] = hot_c
        found[corners] = _corners(hot_c, inlet_c)
    return found


def intake(exhaust_c: float, inlet_c: float) -> float:
    """Return the temperature at a board's intake from the one at its exhaust and of what comes in, in °C."""
    return round(inlet_c + (exhaust_c - inlet_c) * 0.4, 1)


@lru_cache(1024)
def _corners(hot_c: float, inlet_c: float) -> str:
    cold_c = intake(hot_c, inlet_c)
    return f"{hot_c:.0f}-{cold_c:.0f}-{cold_c:.0f}-{hot_c:.0f}"


_FANS = tuple(f"fan{n}" for n in range(1, 9))
_CHAINS = tuple((f"rate{slot}", f"hw{slot}") for slot in range(1, SLOTS + 1))
_SENSORS = tuple((f"hot{slot}", f"corners{slot}") for slot in range(1, SLOTS + 1))
"""The figures of each fan and of each slot."""


def _form(name: str, items: Sequence[Section], code: int, message: str) -> Form:
    head = {**status("S", 0, code, message, ""), "When": whole("when"), "Description": text("speaker")}
    return Form(ordered(name, head, items))


SUMMARY = _form(
    "SUMMARY",
    [
        {
            "Accepted": whole("accepted"),
            "Best Share": whole("best_share"),
            "Device Hardware%": 0.0,
            "Device Rejected%": 0.0,
            "Difficulty Accepted": whole("accepted_diff"),
            "Difficulty Rejected": whole("rejected_diff"),
            "Difficulty Stale": whole("stale_diff"),
            "Discarded": 0,
            "Elapsed": whole("elapsed"),
            "Found Blocks": 0,
            "GHS 15m": fixed("rate_15m"),
            "GHS 1m": fixed("rate_1m"),
            "GHS 24h": fixed("rate_24h"),
            "GHS 30m": fixed("rate_30m"),
            "GHS 5m": fixed("rate_5m"),
            "GHS 5s": fixed("rate_5s"),
            "GHS av": fixed("rate_av"),
            "Get Failures": 0,
            "Getworks": whole("getworks"),
            "Hardware Errors": whole("hw_errors"),
            "Last getwork": whole("got_work"),
            "Local Work": 0,
            "Network Blocks": 0,
            "Pool Rejected%": fixed("rejected_percent", 4),
            "Pool Stale%": fixed("stale_percent", 4),
            "Rejected": whole("rejected"),
            "Remote Failures": 0,
            "Stale": whole("stale"),
            "Total MH": plain("mhs_av"),
            "Utility": fixed("utility"),
            "Work Utility": 11.5,
        }
    ],
    11,
    "Summary",
)


def pools_form() -> PoolsForm:
    """Return the form of `pools`."""
    return PoolsForm(_pool, lambda lines: _form("POOLS", lines, 7, f"{len(lines)} Pool(s)"))


def _pool(number: int, pool: PoolReading) -> Section:
    active, tally = pool.active, pool.tally
    return {
        "AsicBoost": True,
        "Accepted": whole("pool_accepted") if active else tally.accepted,
        "Bad Work": 0,
        "Best Share": whole("best_share") if active else 0,
        "Current Block Height": 0,
        "Current Block Version": 536870912 if active else 0,
        "Diff": text("diff") if active else "0",
        "Diff1 Shares": whole("pool_accepted_diff") if active else round(tally.accepted_diff),
        "Difficulty Accepted": whole("pool_accepted_diff") if active else round(tally.accepted_diff),
        "Difficulty Rejected": whole("pool_rejected_diff") if active else round(tally.rejected_diff),
        "Difficulty Stale": whole("pool_stale_diff") if active else round(tally.stale_diff),
        "Discarded": 0,
        "GROUP": 0,
        "Get Failures": pool.get_failures,
        "Getworks": whole("pool_getworks") if active else pool.getworks,
        "Has GBT": False,
        "Has Stratum": True,
        "Has Vmask": True,
        "Last Share Difficulty": whole("last_diff") if active else 0,
        "Last Share Time": text(f"pool_last_share{number}"),
        "Long Pool": "N",
        "POOL": number,
        "Pool Rejected%": fixed("pool_rejected_percent", 4) if active else 0.0,
        "Pool Stale%": fixed("pool_stale_percent", 4) if active else 0.0,
        "Priority": pool.priority,
        "Proxy": "",
        "Proxy Type": "",
        "Quota": 1.0,
        "Rejected": whole("pool_rejected") if active else tally.rejected,
        "Remote Failures": 0,
        "Stale": whole("pool_stale") if active else tally.stale,
        "Status": "Alive" if pool.alive else "Dead",
        "Stratum Active": pool.stratum_active,
        "Stratum Difficulty": whole("full_diff") if active else 0,
        "Stratum URL": address_of(pool.url),
        "URL": pool.url,
        "User": pool.user,
        "Work Difficulty": whole("full_diff") if active else 0,
        "Works": 0,
    }


POWER = _form("POWER", [{"PSU": False, "Watts": whole("power")}], 311, "Power usage")


@lru_cache(512)
def stats_form(boards: Boards, fans: int, chips: int) -> Form:
    """Return the form of `stats`.

    Args:
        boards: how many chips of each board answer; None where it is lost, which looks like an empty slot.
        fans: how many there are.
        chips: on a whole board.
    """
    found = sum(answering is not None for answering in boards)
    firmware: Section = {"CompileTime": COMPILED, "Miner": text("version"), "Type": text("type")}
    totals: Section = {
        "Calls": 0,
        "Elapsed": whole("elapsed"),
        "GHS 5s": fixed("rate_5s"),
        "GHS av": fixed("rate_av"),
        "ID": "BTM_SOC0",
        "Max": 0,
        "Min": 99999999,
        "Mode": 2,
        "STATS": 0,
        "Wait": 0,
        **{name: whole(name) for name in _FANS[:fans]},
        "fan_num": fans,
        "frequency": whole("mhz"),
        "miner_count": found,
        "miner_id": text("board_id"),
        "miner_version": text("version"),
        "no_matching_work": whole("hw_errors"),
        "rate_30m": fixed("rate_30m"),
        "rate_unit": "GH",
        "temp_max": fixed("pcb_max", 1),
        "temp_num": found,
        "total rate": fixed("rate"),
        "total_acn": found * chips,
        "total_freqavg": fixed("mhz", 1),
        "total_rateideal": fixed("rate_ideal"),
    }
    for slot, answering in enumerate((*boards, *(None,) * (SLOTS - len(boards))), start=1):
        totals |= _empty_slot(slot) if answering is None else _chain(slot, chips, answering)
    return _form("STATS", [firmware, totals], 70, "LUXminer stats")


def _chain(slot: int, chips: int, answering: int) -> Section:
    corners = text(f"corners{slot}")
    return {
        f"chain_acn{slot}": chips,
        f"chain_acs{slot}": chip_map(chips, answering, group=4),
        f"chain_hw{slot}": whole(f"hw{slot}"),
        f"chain_rate{slot}": text_fixed(f"rate{slot}"),
        f"freq{slot}": fixed("mhz", 1),
        f"temp{slot}": fixed(f"hot{slot}", 1),
        f"temp2_{slot}": fixed(f"hot{slot}", 1),
        f"temp_chip{slot}": corners,
        f"temp_pcb{slot}": corners,
        f"temp_pic{slot}": corners,
    }


def _empty_slot(slot: int) -> Section:
    cold = "0-0-0-0"
    return {
        f"chain_acn{slot}": 0,
        f"chain_acs{slot}": "",
        f"chain_hw{slot}": 0,
        f"chain_rate{slot}": "0",
        f"freq{slot}": 0.0,
        f"temp_chip{slot}": cold,
        f"temp_pcb{slot}": cold,
        f"temp_pic{slot}": cold,
    }


@cache
def config_form(boards: int) -> Form:
    """Return the form of `config` with so many boards."""
    config: Section = {
        "ASC Count": boards,
        "ControlBoardType": text("control_board"),
        "Cooling": "Air",
        "CurtailMode": text("curtail_mode"),
        "DHCP": True,
        "FeeStatus": "Ok",
        "GreenLed": "auto",
        "Hostname": text("hostname"),
        "Hotplug": "None",
        "IPAddr": text("ip"),
        "ImmersionMode": False,
        "IsAtmEnabled": False,
        "IsPowerSupplyOn": plain("supply_on"),
        "IsSingleVoltage": True,
        "IsTuning": False,
        "Log Interval": 0,
        "MACAddr": text("mac"),
        "Model": text("type"),
        "NameplateTHS": plain("nameplate"),
        "OS": "LuxOS",
        "PGA Count": 0,
        "Pool Count": whole("pool_count"),
        "Profile": text("profile"),
        "ProfileStep": text("step"),
        "RedLed": text("led"),
        "SerialNumber": text("serial"),
        "Strategy": "Failover",
        "SystemStatus": "Normal",
    }
    return _form("CONFIG", [config], 33, "LUXminer config")
