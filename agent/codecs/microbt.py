"""The fields of MicroBT's API V2: `summary`, `pools`, `devs`.

Rates are in MH/s, except `Factory GHS`; `HS RT` is misnamed and in MH/s too.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, field

from agent.codecs import cgminer
from agent.codecs.cgminer import flag, within
from agent.codecs.rows import AMISS, Answer, Present, by_field
from agent.codecs.telemetry import (
    GH_PER_MH,
    MAX_CHIPS,
    MAX_SERIAL_CHARS,
    TH_PER_GH,
    TH_PER_MH,
    Count,
    FanRpm,
    Pool,
    PowerW,
    RateGh,
    RateMh,
    Shares,
    hottest,
    pool_facts,
    section,
    usable,
    work,
)
from agent.model.telemetry import MAX_BOARDS, BoardReading, Telemetry

INLET_C = (-40.0, 80.0)
"""Believable temperatures of what a machine is given."""

MAX_CODE = 9_999_999.0
"""Error codes have up to seven digits."""


class Summary(Shares, frozen=True, gc=False):
    """The row of `summary`."""

    hashrate_mh: RateMh = field(name="MHS 5s", default=None)
    real_time_mh: RateMh = field(name="HS RT", default=None)
    average_mh: Count = field(name="MHS av", default=None)
    target_mh: RateMh = field(name="Target MHS", default=None)
    factory_gh: RateGh = field(name="Factory GHS", default=None)
    power_w: PowerW = field(name="Power", default=None)
    real_time_w: PowerW = field(name="Power_RT", default=None)
    fan_in_rpm: FanRpm = field(name="Fan Speed In", default=None)
    fan_out_rpm: FanRpm = field(name="Fan Speed Out", default=None)
    chip_max_c: object = field(name="Chip Temp Max", default=None)
    inlet_c: object = field(name="Env Temp", default=None)
    liquid: object = field(name="Liquid Cooling", default=None)
    code_0: object = field(name="Error Code 0", default=None)
    code_1: object = field(name="Error Code 1", default=None)
    code_2: object = field(name="Error Code 2", default=None)
    code_3: object = field(name="Error Code 3", default=None)
    btminer_off: object = field(name="btmineroff", default=None)
    miner_off: object = field(name="mineroff", default=None)


class Board(msgspec.Struct, frozen=True, gc=False):
    """A row of `devs`."""

    chip_max_c: object = field(name="Chip Temp Max", default=None)
    ramp_ended: object = field(name="Upfreq Complete", default=None)
    slot: object = field(name="Slot", default=None)
    chips: object = field(name="Effective Chips", default=None)
    rate_mh: RateMh = field(name="MHS 5s", default=None)
    serial: object = field(name="PCB SN", default=None)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What a reply holds, empty where the device sent no such section or an error in its place."""

    reply: bytes
    summary: Summary
    pools: list[Pool]
    boards: list[Board]


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
            list(map(_board, section(sections, "devs").rows)),
        )
    return Reading(reply, whole.summary[0].rows[0], whole.pools[0].rows, whole.devs[0].rows)


def telemetry(reading: Reading) -> Telemetry:
    """Return what the reading tells. Raises DeviceError and CodecError as `usable` does."""
    summary = reading.summary
    pool = pool_facts(reading.pools)
    rate_mh = summary.real_time_mh if summary.hashrate_mh is None else summary.hashrate_mh
    target_th = (summary.target_mh or 0.0) * TH_PER_MH or (summary.factory_gh or 0.0) * TH_PER_GH
    work_mh = work(summary.average_mh, summary.elapsed_s) if summary.total_mh is None else summary.total_mh
    return usable(
        reading.reply,
        Telemetry(
            hashrate_th=None if rate_mh is None else rate_mh * TH_PER_MH,
            expected_th=target_th or None,
            work_gh=None if work_mh is None else work_mh * GH_PER_MH,
            elapsed_s=summary.elapsed_s,
            accepted=summary.accepted,
            rejected=summary.rejected,
            stale=summary.stale,
            accepted_diff=summary.accepted_diff,
            share_diff=pool.share_diff,
            hw_errors=summary.hw_errors,
            chip_max_c=hottest([*(board.chip_max_c for board in reading.boards), summary.chip_max_c]),
            inlet_c=within(summary.inlet_c, *INLET_C),
            fans_rpm=_fans_rpm(summary),
            power_w=summary.real_time_w if summary.power_w is None else summary.power_w,
            pool_alive=pool.alive,
            pool_url=pool.url,
            pool_user=pool.user,
            drops=pool.drops,
            pool_drops=pool.pool_drops,
            suspended=flag(summary.miner_off if summary.btminer_off is None else summary.btminer_off),
            tuned=_tuned(reading.boards),
            boards=_boards(reading.boards),
            codes=_codes(summary),
        ),
    )


def _fans_rpm(summary: Summary) -> tuple[float, ...]:
    """Return inlet and outlet fans in rpm; none on a liquid-cooled machine, whose fields read 0."""
    if flag(summary.liquid):
        return ()
    return tuple(rpm for rpm in (summary.fan_in_rpm, summary.fan_out_rpm) if rpm is not None)


def _boards(rows: Sequence[Board]) -> tuple[BoardReading, ...]:
    """Return the boards that are there; a slot whose board is not found has no row."""
    found: list[BoardReading] = []
    for place, board in enumerate(rows[:MAX_BOARDS]):
        slot, chips = within(board.slot, 0.0, MAX_BOARDS), within(board.chips, 0.0, MAX_CHIPS)
        found.append(
            BoardReading(
                place if slot is None else int(slot),
                None if chips is None else int(chips),
                None if board.rate_mh is None else board.rate_mh * TH_PER_MH,
                board.serial[:MAX_SERIAL_CHARS] if isinstance(board.serial, str) else "",
            )
        )
    return tuple(found)


def _codes(summary: Summary) -> tuple[str, ...]:
    """Return the error codes that stand."""
    codes = (within(code, 0.0, MAX_CODE) for code in (summary.code_0, summary.code_1, summary.code_2, summary.code_3))
    return tuple(f"{code:.0f}" for code in codes if code)


def _tuned(boards: Sequence[Board]) -> bool | None:
    """Return whether every board's frequency ramp has ended; None where no board says."""
    ends = [end for board in boards if (end := flag(board.ramp_ended)) is not None]
    return all(ends) if ends else None


class _SummaryAnswer(Answer, gc=False):
    rows: Annotated[list[Summary], Meta(min_length=1, max_length=1)] = field(name="SUMMARY")


class _PoolsAnswer(Answer, gc=False):
    rows: list[Pool] = field(name="POOLS")


class _DevsAnswer(Answer, gc=False):
    rows: list[Board] = field(name="DEVS")


class _Reply(msgspec.Struct, gc=False):
    summary: Present[_SummaryAnswer]
    pools: Present[_PoolsAnswer]
    devs: Present[_DevsAnswer]


_WHOLE = msgspec.json.Decoder(_Reply)
_summary = by_field(Summary)
_pool = by_field(Pool)
_board = by_field(Board)
