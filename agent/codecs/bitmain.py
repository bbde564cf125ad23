"""The fields of Bitmain's API, which its stock firmware and LuxOS share: `summary`, `pools`, `stats`.

What they do not share (whether `Total MH` is a total, power, work mode) the driver says or adds.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, field

from agent.codecs import cgminer
from agent.codecs.cgminer import Row, dashed, widest, within
from agent.codecs.rows import AMISS, Answer, Present, by_field
from agent.codecs.telemetry import (
    CHIP_C,
    GH_PER_MH,
    MAX_CHIPS,
    MAX_FAN_RPM,
    MAX_TH,
    TH_PER_GH,
    TH_PER_MH,
    Count,
    Pool,
    RateGh,
    Shares,
    age_s,
    hottest,
    pool_facts,
    rate_th,
    section,
    usable,
    work,
)
from agent.model.telemetry import MAX_BOARDS, BoardReading, Telemetry

_FAN_KEYS = tuple(f"fan{index}" for index in range(1, 9))
_CHIP_KEYS = tuple(f"temp_chip{chain}" for chain in range(1, 17))
_CHAIN_KEYS = tuple(
    tuple(f"chain_{what}{chain}" for what in ("acn", "acs", "rate")) for chain in range(1, MAX_BOARDS + 1)
)
_BOARD_KEYS = tuple(f"temp_pcb{chain}" for chain in range(1, 17))
_OLD_CHIP_KEYS = tuple(f"temp2_{chain}" for chain in range(1, 17))
_RATE_UNITS = {"MH": TH_PER_MH, "GH": TH_PER_GH, "TH": 1.0, "PH": 1e3}


class Summary(Shares, frozen=True, gc=False):
    """The row of `summary`."""

    hashrate_gh: RateGh = field(name="GHS 5s", default=None)
    average_gh: Count = field(name="GHS av", default=None)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What a reply holds, empty where the device sent no such section or an error in its place."""

    reply: bytes
    summary: Summary
    pools: list[Pool]
    stats: Row
    power: Row
    config: Row
    events: list[Row]
    told_at: float | None
    """When it was told, by the device's own clock, Unix s; None where it does not say."""


def read(reply: bytes) -> Reading:
    """Return what the reply holds. Raises CodecError where no object can be made out."""
    try:
        whole = _WHOLE.decode(reply)
    except AMISS:
        sections = cgminer.decode(reply)
        return Reading(
            reply,
            _summary(section(sections, "summary").widest),
            list(map(_pool, section(sections, "pools").rows)),
            section(sections, "stats").widest,
            section(sections, "power").widest,
            section(sections, "config").widest,
            section(sections, "events").rows,
            section(sections, "events").when,
        )
    return Reading(
        reply,
        whole.summary[0].rows[0],
        whole.pools[0].rows,
        widest(whole.stats[0].rows),
        widest(whole.power[0].rows) if whole.power else {},
        widest(whole.config[0].rows) if whole.config else {},
        whole.events[0].rows if whole.events else [],
        whole.events[0].status[0].when if whole.events and whole.events[0].status else None,
    )


def telemetry(
    reading: Reading,
    *,
    cumulative: bool,
    power_w: float | None = None,
    suspended: bool | None = None,
    codes: tuple[str, ...] = (),
) -> Telemetry:
    """Return what the reading tells, `power_w`, `suspended` and `codes` as given.

    `cumulative`: `Total MH` is the work since the process started, as in Bitmain's own firmware. Where it is not, work
    is the average since the start times the age, and boards' sensors are told as the chips'.

    Raises DeviceError and CodecError as `usable` does.
    """
    summary = reading.summary
    stats = reading.stats
    pool = pool_facts(reading.pools)
    rate_gh = summary.hashrate_gh
    elapsed_s = age_s(stats.get("Elapsed")) if summary.elapsed_s is None else summary.elapsed_s
    total_mh = summary.total_mh if cumulative else None
    fans = fans_rpm(stats)
    coolant = (None, None) if fans or not cumulative else coolant_c(stats)
    return usable(
        reading.reply,
        Telemetry(
            hashrate_th=rate_th(stats.get("GHS 5s"), TH_PER_GH) if rate_gh is None else rate_gh * TH_PER_GH,
            expected_th=rate_th(stats.get("total_rateideal"), rate_factor(stats.get("rate_unit"))) or None,
            work_gh=work(summary.average_gh, elapsed_s) if total_mh is None else total_mh * GH_PER_MH,
            elapsed_s=elapsed_s,
            accepted=summary.accepted,
            rejected=summary.rejected,
            stale=summary.stale,
            accepted_diff=summary.accepted_diff,
            share_diff=pool.share_diff,
            hw_errors=summary.hw_errors,
            chip_max_c=chip_max_c(stats),
            board_max_c=board_max_c(stats) if cumulative else None,
            inlet_c=coolant[0],
            outlet_c=coolant[1],
            fans_rpm=fans,
            boards=boards(stats),
            power_w=power_w,
            pool_alive=pool.alive,
            pool_url=pool.url,
            pool_user=pool.user,
            drops=pool.drops,
            pool_drops=pool.pool_drops,
            suspended=suspended,
            codes=codes,
        ),
    )


def rate_factor(unit: object) -> float:
    """Return TH/s per the unit that `rate_unit` names; GH/s where it names none."""
    return _RATE_UNITS.get(unit[:2].upper(), TH_PER_GH) if isinstance(unit, str) else TH_PER_GH


def chip_max_c(stats: Row) -> float | None:
    """Return the hottest chip in °C from `temp_chipN` ("78-50-69-70"), or from `temp2_N` of older firmware."""
    return _hottest_listed(stats, _CHIP_KEYS) or hottest(map(stats.get, _OLD_CHIP_KEYS))


def board_max_c(stats: Row) -> float | None:
    """Return the hottest sensor on a board in °C from `temp_pcbN`."""
    return _hottest_listed(stats, _BOARD_KEYS)


def _hottest_listed(stats: Row, keys: Sequence[str]) -> float | None:
    """Return the hottest believable sensor in °C of those that each chain lists."""
    chains = [value for value in map(stats.get, keys) if isinstance(value, str)]
    try:
        best = max(map(float, "-".join(chains).split("-")))
    except ValueError:
        best = CHIP_C[1]
    if CHIP_C[0] < best < CHIP_C[1]:
        return best
    # Something odd among them, or none at all: sensor by sensor.
    return hottest(reading for chain in chains for reading in dashed(chain))


def coolant_c(stats: Row) -> tuple[float | None, float | None]:
    """Return the coolant's inlet and outlet in °C: a machine without fans tells them first among its chips' sensors.

    Source: facts "control", section 3 (S21 Hyd).
    """
    for value in map(stats.get, _CHIP_KEYS):
        told = [within(reading, *CHIP_C) for reading in dashed(value)] if isinstance(value, str) else []
        if len(told) > 2 and told[0] and told[1]:
            return told[0], told[1]
    return None, None


def fans_rpm(stats: Row) -> tuple[float, ...]:
    """Return the fans in rpm, in their order where every connector told has one, as `fan_num` says.

    Connectors without a fan read 0 as well, and older boards count fans that are not on the first connectors: there
    those that turn come first, and then a 0 for each of `fan_num` that does not.
    """
    told = [rpm for key in _FAN_KEYS if (rpm := within(stats.get(key), 0.0, MAX_FAN_RPM)) is not None]
    turning = [rpm for rpm in told if rpm]
    if len(turning) == len(told):
        return tuple(told)
    declared = int(within(stats.get("fan_num"), 0.0, float(len(_FAN_KEYS))) or 0.0)
    if declared == len(told):
        return tuple(told)
    return (*turning, *[0.0] * max(0, min(len(told), declared) - len(turning)))


def boards(stats: Row) -> tuple[BoardReading, ...]:
    """Return each chain's board: the chips counted (`chain_acn1`) without those that do not answer (`chain_acs1`)."""
    found: list[BoardReading] = []
    for slot, (count_key, map_key, rate_key) in enumerate(_CHAIN_KEYS, start=1):
        if count_key not in stats:
            break
        chips, marks = within(stats[count_key], 0.0, MAX_CHIPS), stats.get(map_key)
        silent = marks.count("x") if isinstance(marks, str) else 0
        rate_gh = within(stats.get(rate_key), 0.0, MAX_TH / TH_PER_GH)
        found.append(
            BoardReading(
                slot,
                None if chips is None else max(0, int(chips) - silent),
                None if rate_gh is None else rate_gh * TH_PER_GH,
            )
        )
    return tuple(found)


def work_mode_sleeps(row: Row) -> bool | None:
    """Return whether the work mode is sleep (1): facts "detection", section 1.3. None where the row has no mode."""
    mode = within(row.get("miner-mode", row.get("bitmain-work-mode")), 0.0, 99.0)
    return None if mode is None else mode == 1.0


class _SummaryAnswer(Answer, gc=False):
    rows: Annotated[list[Summary], Meta(min_length=1, max_length=1)] = field(name="SUMMARY")


class _PoolsAnswer(Answer, gc=False):
    rows: list[Pool] = field(name="POOLS")


class _StatsAnswer(Answer, gc=False):
    rows: list[Row] = field(name="STATS")


class _PowerAnswer(Answer, gc=False):
    rows: list[Row] = field(name="POWER")


class _ConfigAnswer(Answer, gc=False):
    rows: list[Row] = field(name="CONFIG")


class _EventsAnswer(Answer, gc=False):
    rows: list[Row] = field(name="EVENTS")


class _Reply(msgspec.Struct, gc=False):
    summary: Present[_SummaryAnswer]
    pools: Present[_PoolsAnswer]
    stats: Present[_StatsAnswer]
    power: list[_PowerAnswer] = []
    config: list[_ConfigAnswer] = []
    events: list[_EventsAnswer] = []


_WHOLE = msgspec.json.Decoder(_Reply)
_summary = by_field(Summary)
_pool = by_field(Pool)
