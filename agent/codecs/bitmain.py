"""The fields of Bitmain's API, which its stock firmware and LuxOS share: `summary`, `pools`, `stats`.

What they do not share (whether `Total MH` is a total, power, work mode) the driver says or adds.
"""

from collections.abc import Mapping

from agent.codecs.cgminer import Row, Section, dashed, within
from agent.codecs.telemetry import (
    CHIP_C,
    GH_PER_MH,
    MAX_FAN_RPM,
    TH_PER_GH,
    TH_PER_MH,
    age_s,
    count,
    hottest,
    pool_facts,
    rate_th,
    section,
    target_th,
    usable,
    work_gh,
)
from agent.model.telemetry import Telemetry

_FAN_KEYS = tuple(f"fan{index}" for index in range(1, 9))
_CHIP_KEYS = tuple(f"temp_chip{chain}" for chain in range(1, 17))
_OLD_CHIP_KEYS = tuple(f"temp2_{chain}" for chain in range(1, 17))
_RATE_UNITS = {"MH": TH_PER_MH, "GH": TH_PER_GH, "TH": 1.0, "PH": 1e3}


def telemetry(
    sections: Mapping[str, Section], *, cumulative: bool, power_w: float | None = None, suspended: bool | None = None
) -> Telemetry:
    """Return what the sections tell, `power_w` and `suspended` as given.

    `cumulative`: `Total MH` is the work since the process started. Where it is not, work is the average since the start
    times the age.

    Raises DeviceError and CodecError as `usable` does.
    """
    summary = section(sections, "summary").widest
    stats = section(sections, "stats").widest
    pool_alive, share_diff = pool_facts(section(sections, "pools"))
    hashrate_th = rate_th(summary.get("GHS 5s"), TH_PER_GH)
    if hashrate_th is None:
        hashrate_th = rate_th(stats.get("GHS 5s"), TH_PER_GH)
    elapsed_s = age_s(summary.get("Elapsed"))
    if elapsed_s is None:
        elapsed_s = age_s(stats.get("Elapsed"))
    total_mh = count(summary.get("Total MH")) if cumulative else None
    return usable(
        sections,
        Telemetry(
            hashrate_th=hashrate_th,
            expected_th=target_th(stats.get("total_rateideal"), rate_factor(stats.get("rate_unit"))),
            work_gh=work_gh(count(summary.get("GHS av")), elapsed_s) if total_mh is None else total_mh * GH_PER_MH,
            elapsed_s=elapsed_s,
            accepted=count(summary.get("Accepted")),
            rejected=count(summary.get("Rejected")),
            stale=count(summary.get("Stale")),
            accepted_diff=count(summary.get("Difficulty Accepted")),
            share_diff=share_diff,
            hw_errors=count(summary.get("Hardware Errors")),
            chip_max_c=chip_max_c(stats),
            fans_rpm=fans_rpm(stats),
            power_w=power_w,
            pool_alive=pool_alive,
            suspended=suspended,
        ),
    )


def rate_factor(unit: object) -> float:
    """Return TH/s per the unit that `rate_unit` names; GH/s where it names none."""
    return _RATE_UNITS.get(unit[:2].upper(), TH_PER_GH) if isinstance(unit, str) else TH_PER_GH


def chip_max_c(stats: Row) -> float | None:
    """Return the hottest chip in °C from `temp_chipN` ("78-50-69-70"), or from `temp2_N` of older firmware."""
    chains = [value for value in map(stats.get, _CHIP_KEYS) if isinstance(value, str)]
    try:
        best = max(map(float, "-".join(chains).split("-")))
    except ValueError:
        best = CHIP_C[1]
    if CHIP_C[0] < best < CHIP_C[1]:
        return best
    # Something odd among them, or none at all: sensor by sensor.
    return hottest(reading for chain in chains for reading in dashed(chain)) or hottest(map(stats.get, _OLD_CHIP_KEYS))


def fans_rpm(stats: Row) -> tuple[float, ...]:
    """Return the fans in rpm: those that turn, and a 0 for each of `fan_num` that does not.

    Connectors without a fan read 0 as well, and older boards count fans that are not on the first connectors.
    """
    turning: list[float] = []
    standing = 0
    for value in map(stats.get, _FAN_KEYS):
        if value is None:
            continue
        rpm = within(value, 0.0, MAX_FAN_RPM)
        if rpm:
            turning.append(rpm)
        elif rpm is not None:
            standing += 1
    if standing:
        declared = within(stats.get("fan_num"), 0.0, float(len(_FAN_KEYS))) or 0.0
        turning += [0.0] * min(standing, max(0, int(declared) - len(turning)))
    return tuple(turning)


def work_mode_sleeps(row: Row) -> bool | None:
    """Return whether the work mode is sleep (1): facts "detection", section 1.3. None where the row has no mode."""
    mode = within(row.get("miner-mode", row.get("bitmain-work-mode")), 0.0, 99.0)
    return None if mode is None else mode == 1.0
