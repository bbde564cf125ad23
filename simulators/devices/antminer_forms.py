"""What a stock Antminer's polled replies look like, and the figures in them; who asks is `antminer_stock`'s business.

Field names, types and oddities follow the captured replies of facts "miners", section 5: `Pool Stale%%` with two
percent signs, board rates as strings, temperatures as dashed lists, slots beyond the last board present and empty.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from simulators.devices.cgminer_api import Section, status
from simulators.devices.figures import address_of, best_share, pool_figures, share_age, short_difficulty
from simulators.devices.forms import Form, PoolsForm, fixed, text, text_fixed, whole
from simulators.plant.readings import PoolReading, Readings

SPEAKER = "cgminer 1.0.0"
COMPILED = "Mon Mar 13 09:41:07 CST 2023"
Boards = tuple[int | None, ...]
SLOTS = 4
"""Chain fields a reply always has, whatever number of boards is plugged in."""


def figures(r: Readings, when: int, own: Mapping[str, object], epoch_s: float) -> dict[str, object]:
    """Return every figure of the replies: the miner's own, and those of this moment.

    Args:
        r: what the miner measures.
        when: Unix time of it.
        own: figures that never change.
        epoch_s: Unix time at loop time zero.
    """
    rates_gh = r.board_rates_gh
    elapsed = max(r.elapsed_s, 1)
    shares = max(r.accepted + r.rejected + r.stale, 1)
    found: dict[str, object] = {
        **own,
        "when": when,
        "elapsed": r.elapsed_s,
        "rate_5s": r.rate_5s,
        "rate_av": r.rate_av,
        "rate_30m": r.rate_30m,
        "rate_ideal": r.target_gh,
        "rate": sum(rates_gh),
        "total_mh": round(r.work_gh * 1000.0),
        "getworks": r.elapsed_s // 13,
        "discarded": r.elapsed_s * 89,
        "local_work": r.elapsed_s * 90,
        "blocks": r.elapsed_s // 600,
        "accepted": r.accepted,
        "rejected": r.rejected,
        "stale": r.stale,
        "accepted_diff": r.accepted_diff,
        "rejected_diff": r.rejected_diff,
        "stale_diff": r.stale_diff,
        "rejected_percent": 100.0 * r.rejected / shares,
        "stale_percent": 100.0 * r.stale / shares,
        "utility": r.accepted * 60.0 / elapsed,
        "work_utility": (r.accepted_diff + r.rejected_diff) * 60.0 / elapsed,
        "best_share": best_share(r),
        "hw_errors": r.hw_errors,
        "diff": short_difficulty(r.diff),
        "last_diff": r.diff if r.accepted else 0.0,
    }
    found.update(pool_figures(r.pools, lambda last: share_age(last, when - epoch_s)))
    found.update(zip(_FANS, r.fans_rpm, strict=False))
    hw_errors = r.hw_errors // len(rates_gh)
    for (rate, hw), rate_gh in zip(_CHAINS, rates_gh, strict=False):
        found[rate] = rate_gh
        found[hw] = hw_errors
    liquid_c = None if r.build.fan_rpm else (round(r.warmth.inlet_c), round(r.warmth.outlet_c))
    found.update(_sensors(r.pcb_temp_c, r.chip_temp_c, liquid_c))
    return found


@lru_cache(4096)
def _sensors(
    pcb_c: tuple[float, ...], chip_c: tuple[float, ...], liquid_c: tuple[int, int] | None
) -> Mapping[str, object]:
    """Return every figure about temperatures; they seldom change, and spelling them takes a while.

    A liquid-cooled miner tells its inlet and its outlet in place of the two cooler corners of its chips.
    """
    found: dict[str, object] = {}
    for (pcb, chip, pcbs, chips, pics), at_pcb_c, at_chip_c in zip(_SENSORS, pcb_c, chip_c, strict=False):
        found[pcb] = round(at_pcb_c)
        found[chip] = round(at_chip_c)
        found[pcbs] = _four(round(at_pcb_c))
        found[chips] = _four(round(at_chip_c), liquid_c)
        found[pics] = _four(round(at_pcb_c - 10.0))
    return found


_FANS = tuple(f"fan{n}" for n in range(1, 9))
_CHAINS = tuple((f"rate{slot}", f"hw{slot}") for slot in range(1, SLOTS + 1))
_SENSORS = tuple(
    tuple(f"{kind}{slot}" for kind in ("pcb", "chip", "pcbs", "chips", "pics")) for slot in range(1, SLOTS + 1)
)
"""The figures of each fan and of each slot."""


def _reply(name: str, items: Sequence[Section], code: int, message: str) -> Form:
    head = {**status("S", 0, code, message, SPEAKER), "When": whole("when")}
    return Form({"STATUS": [head], name: items, "id": 1})


SUMMARY = _reply(
    "SUMMARY",
    [
        {
            "Elapsed": whole("elapsed"),
            "GHS 5s": fixed("rate_5s"),
            "GHS av": fixed("rate_av"),
            "GHS 30m": fixed("rate_30m"),
            "Found Blocks": 0,
            "Getwork": whole("getworks"),
            "Accepted": whole("accepted"),
            "Rejected": whole("rejected"),
            "Hardware Errors": whole("hw_errors"),
            "Utility": fixed("utility"),
            "Discarded": whole("discarded"),
            "Stale": whole("stale"),
            "Get Failures": 0,
            "Local Work": whole("local_work"),
            "Remote Failures": 0,
            "Network Blocks": whole("blocks"),
            "Total MH": whole("total_mh"),
            "Work Utility": fixed("work_utility"),
            "Difficulty Accepted": fixed("accepted_diff", 1),
            "Difficulty Rejected": fixed("rejected_diff", 1),
            "Difficulty Stale": fixed("stale_diff", 1),
            "Best Share": whole("best_share"),
            "Device Hardware%": 0.0,
            "Device Rejected%": 0.0,
            "Pool Rejected%": fixed("rejected_percent", 4),
            "Pool Stale%": fixed("stale_percent", 4),
            "Last getwork": whole("when"),
        }
    ],
    11,
    "Summary",
)


@lru_cache(512)
def stats_form(boards: Boards, fans: int, chips: int) -> Form:
    """Return the form of `stats`.

    Args:
        boards: how many chips of each board answer; None where it is lost, which looks like an empty slot.
        fans: how many there are.
        chips: on a whole board.
    """
    found = sum(answering is not None for answering in boards)
    firmware: Section = {
        "BMMiner": "1.0.0",
        "Miner": text("version"),
        "CompileTime": COMPILED,
        "Type": text("type"),
    }
    totals: Section = {
        "STATS": 0,
        "ID": "BTM_SOC0",
        "Elapsed": whole("elapsed"),
        "Calls": 0,
        "Wait": 0,
        "Max": 0,
        "Min": 99999999,
        "GHS 5s": fixed("rate_5s"),
        "GHS av": fixed("rate_av"),
        "rate_30m": fixed("rate_30m"),
        "Mode": 2,
        "miner_count": found,
        "frequency": 525,
        "fan_num": fans,
        **{name: whole(name) for name in _FANS[:fans]},
        "temp_num": found,
    }
    for slot, answering in enumerate((*boards, *(None,) * (SLOTS - len(boards))), start=1):
        totals |= _empty_slot(slot) if answering is None else _chain(slot, chips, answering)
    totals |= {
        "temp_max": 0,
        "total_rateideal": fixed("rate_ideal"),
        "rate_unit": "GH",
        "total_freqavg": 525,
        "total_acn": found * chips,
        "total rate": fixed("rate"),
        "no_matching_work": whole("hw_errors"),
        "miner_version": text("version"),
        "miner_id": text("chip_id"),
    }
    return _reply("STATS", [firmware, totals], 70, "CGMiner stats")


def _chain(slot: int, chips: int, answering: int) -> Section:
    """Return the fields of one slot; `temp2_N` is the chip's side, as in the field names of 2014."""
    return {
        f"temp{slot}": whole(f"pcb{slot}"),
        f"temp2_{slot}": whole(f"chip{slot}"),
        f"freq{slot}": 525,
        f"chain_acn{slot}": chips,
        f"chain_acs{slot}": chip_map(chips, answering),
        f"chain_hw{slot}": whole(f"hw{slot}"),
        f"chain_rate{slot}": text_fixed(f"rate{slot}"),
        f"temp_pcb{slot}": text(f"pcbs{slot}"),
        f"temp_chip{slot}": text(f"chips{slot}"),
        f"temp_pic{slot}": text(f"pics{slot}"),
    }


def _empty_slot(slot: int) -> Section:
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


@lru_cache(256)
def _four(hot: int, cool: tuple[int, int] | None = None) -> str:
    """Return four sensors as the firmware lists them, the hottest being `hot`: two at the cool end, two at the hot."""
    return "-".join(str(max(0, value)) for value in (*(cool or (hot - 27, hot - 24)), hot - 1, hot))


def chip_map(chips: int, answering: int, group: int = 3) -> str:
    """Return one letter a chip, in groups: those that answer first."""
    marks = "o" * answering + "x" * (chips - answering)
    return "".join(f" {marks[at : at + group]}" for at in range(0, chips, group))


def pools_form() -> PoolsForm:
    """Return the form of `pools`."""
    return PoolsForm(_pool, lambda lines: _reply("POOLS", lines, 7, f"{len(lines)} Pool(s)"))


def _pool(number: int, pool: PoolReading) -> Section:
    active, tally = pool.active, pool.tally
    return {
        "POOL": number,
        "URL": pool.url,
        "Status": "Alive" if pool.alive else "Dead",
        "Priority": pool.priority,
        "Quota": 1,
        "Long Poll": "N",
        "Getworks": whole("pool_getworks") if active else pool.getworks,
        "Accepted": whole("pool_accepted") if active else tally.accepted,
        "Rejected": whole("pool_rejected") if active else tally.rejected,
        "Discarded": whole("discarded") if active else 0,
        "Stale": whole("pool_stale") if active else tally.stale,
        "Get Failures": pool.get_failures,
        "Remote Failures": 0,
        "User": pool.user,
        "Last Share Time": text(f"pool_last_share{number}"),
        "Diff": text("diff") if active else "",
        "Diff1 Shares": 0,
        "Proxy Type": "",
        "Proxy": "",
        "Difficulty Accepted": fixed("pool_accepted_diff", 1) if active else tally.accepted_diff,
        "Difficulty Rejected": fixed("pool_rejected_diff", 1) if active else tally.rejected_diff,
        "Difficulty Stale": fixed("pool_stale_diff", 1) if active else tally.stale_diff,
        "Last Share Difficulty": fixed("last_diff", 1) if active else 0.0,
        "Has Stratum": True,
        "Stratum Active": pool.stratum_active,
        "Stratum URL": address_of(pool.url).partition(":")[0] if pool.stratum_active else "",
        "Has GBT": False,
        "Best Share": fixed("best_share", 1) if active else 0.0,
        "Pool Rejected%": fixed("pool_rejected_percent", 4) if active else 0.0,
        "Pool Stale%%": fixed("pool_stale_percent", 4) if active else 0.0,
    }
