"""What the API's fields mean, as far as all families share it: units, plausible ranges, pools, sensors.

Every function takes sections or rows and gives None for what the device did not say or what cannot be true: one bad
field costs that field only. Rates are the shortest window there is; 30-minute averages are never read
(facts "detection", section 0).
"""

from collections.abc import Iterable, Mapping

from agent.codecs.cgminer import Row, Section, flag, with_suffix, within
from agent.model.errors import CodecError, DeviceError
from agent.model.telemetry import Telemetry

TH_PER_GH = 1e-3
TH_PER_MH = 1e-6
GH_PER_MH = 1e-3

MAX_TH = 10_000.0
"""No single machine computes 10 PH/s; the largest hydro units are below 1.5."""
MAX_COUNT = 1e18
MAX_AGE_S = 1e9
MAX_POWER_W = 100_000.0
MAX_FAN_RPM = 30_000.0
CHIP_C = (0.0, 130.0)
"""Believable chip temperatures, ends excluded; 255, -40, 0, -273 are garbage: facts "detection", sections 1.3, 7."""

_NO_SECTION = Section("", "", [])


def section(sections: Mapping[str, Section], name: str) -> Section:
    """Return the section, empty where the reply has none or the device answered it with an error."""
    found = sections.get(name)
    return _NO_SECTION if found is None or found.failed else found


def usable(sections: Mapping[str, Section], telemetry: Telemetry) -> Telemetry:
    """Return the telemetry if it tells whether the miner mines.

    Raises DeviceError where the API answered an error instead, CodecError where nothing in the reply can be used.
    """
    if telemetry.hashrate_th is None and telemetry.elapsed_s is None and telemetry.accepted is None:
        for name, answer in sections.items():
            if answer.failed:
                raise DeviceError(
                    f"expected telemetry, the API answered an error to {name or 'the command'!r}: {answer.message!r}"
                )
        raise CodecError(f"expected hashrate, age or shares, none of them is in the reply ({', '.join(sections)})")
    return telemetry


def count(value: object) -> float | None:
    """Return a counter: a number from 0 up."""
    return within(value, 0.0, MAX_COUNT)


def age_s(value: object) -> float | None:
    """Return the age of a process in s."""
    return within(value, 0.0, MAX_AGE_S)


def rate_th(value: object, factor: float) -> float | None:
    """Return a measured rate in TH/s, 0 included; `factor` turns the device's unit into TH/s."""
    rate = within(value, 0.0, MAX_TH / factor)
    return None if rate is None else rate * factor


def target_th(value: object, factor: float) -> float | None:
    """Return a rate aimed at in TH/s; 0 means that the device has no target yet."""
    return rate_th(value, factor) or None


def power_w(*candidates: object) -> float | None:
    """Return the first plausible power in W."""
    return next((w for w in (within(c, 0.0, MAX_POWER_W) for c in candidates) if w is not None), None)


def work_gh(average_gh: float | None, elapsed_s: float | None) -> float | None:
    """Return the hashes since the process started in GH, from the average over its whole age."""
    return None if average_gh is None or elapsed_s is None else average_gh * elapsed_s


def hottest(values: Iterable[object]) -> float | None:
    """Return the hottest believable chip temperature among numbers, None if there is none."""
    low, high = CHIP_C
    best = low
    for value in values:
        reading = within(value, low, high)
        if reading is not None and best < reading < high:
            best = reading
    return best if best > low else None


def pool_facts(pools: Section) -> tuple[bool | None, float | None]:
    """Return (alive, share difficulty) of the active pool.

    Alive is exactly "Alive" (captures have other spellings of its opposite). Without an active pool it is False: the
    miner works for nobody. Where the firmware does not say which pool is active, any that is alive counts.
    """
    known = says_active = False
    alive: Row | None = None
    for row in pools.rows:
        status = row.get("Status")
        if not isinstance(status, str):
            continue
        known = True
        active = flag(row.get("Stratum Active"))
        if status == "Alive" and active:
            return True, _share_diff(row)
        says_active = says_active or active is not None
        if status == "Alive" and alive is None:
            alive = row
    if says_active or alive is None:
        return (False if known else None), None
    return True, _share_diff(alive)


def _share_diff(pool: Row) -> float | None:
    exact = within(pool.get("Stratum Difficulty"), 0.0, MAX_COUNT)
    return exact or within(with_suffix(pool.get("Diff")), 0.0, MAX_COUNT) or None
