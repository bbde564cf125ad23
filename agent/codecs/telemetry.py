"""What the API's fields mean, as far as all families share it: units, plausible ranges, pools, sensors.

Everything gives None for what the device did not say or what cannot be true: one bad field costs that field only. Rates
are the shortest window there is; 30-minute averages are never read (facts "detection", section 0).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, field

from agent.codecs import cgminer
from agent.codecs.cgminer import Section, flag, with_suffix, within
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
MAX_CHIPS = 1_000.0
"""Chips on a board; the largest have about 250."""
CHIP_C = (0.0, 130.0)
"""Believable chip temperatures, ends excluded; 255, -40, 0, -273 are garbage: facts "detection", sections 1.3, 7."""
MAX_SERIAL_CHARS = 64
MAX_POOL_CHARS = 256
"""What is kept of a pool's address and of a worker's name."""

Count = Annotated[float, Meta(ge=0.0, le=MAX_COUNT)] | None
AgeS = Annotated[float, Meta(ge=0.0, le=MAX_AGE_S)] | None
RateGh = Annotated[float, Meta(ge=0.0, le=MAX_TH / TH_PER_GH)] | None
RateMh = Annotated[float, Meta(ge=0.0, le=MAX_TH / TH_PER_MH)] | None
PowerW = Annotated[float, Meta(ge=0.0, le=MAX_POWER_W)] | None
FanRpm = Annotated[float, Meta(ge=0.0, le=MAX_FAN_RPM)] | None

_NO_SECTION = Section("", "", [])


class Shares(msgspec.Struct, gc=False, frozen=True):
    """The fields of `summary` that every family has."""

    elapsed_s: AgeS = field(name="Elapsed", default=None)
    accepted: Count = field(name="Accepted", default=None)
    rejected: Count = field(name="Rejected", default=None)
    stale: Count = field(name="Stale", default=None)
    accepted_diff: Count = field(name="Difficulty Accepted", default=None)
    hw_errors: Count = field(name="Hardware Errors", default=None)
    total_mh: Count = field(name="Total MH", default=None)


class Pool(msgspec.Struct, gc=False, frozen=True):
    """A row of `pools`."""

    url: object = field(name="URL", default=None)
    user: object = field(name="User", default=None)
    priority: object = field(name="Priority", default=None)
    status: object = field(name="Status", default=None)
    active: object = field(name="Stratum Active", default=None)
    diff: Count = field(name="Stratum Difficulty", default=None)
    short_diff: object = field(name="Diff", default=None)
    drops: Count = field(name="Get Failures", default=None)


def section(sections: Mapping[str, Section], name: str) -> Section:
    """Return the section, empty where the reply has none or the device answered it with an error."""
    found = sections.get(name)
    return _NO_SECTION if found is None or found.failed else found


def usable(reply: bytes, telemetry: Telemetry) -> Telemetry:
    """Return the telemetry if it tells whether the miner mines.

    Raises DeviceError where the API answered an error instead, CodecError where nothing in the reply can be used.
    """
    if telemetry.hashrate_th is None and telemetry.elapsed_s is None and telemetry.accepted is None:
        sections = cgminer.decode(reply)
        for name, answer in sections.items():
            if answer.failed:
                raise DeviceError(
                    f"expected telemetry, the API answered an error to {name or 'the command'!r}: {answer.message!r}"
                )
        raise CodecError(f"expected hashrate, age or shares, none of them is in the reply ({', '.join(sections)})")
    return telemetry


def age_s(value: object) -> float | None:
    """Return the age of a process in s."""
    return within(value, 0.0, MAX_AGE_S)


def rate_th(value: object, factor: float) -> float | None:
    """Return a measured rate in TH/s, 0 included; `factor` turns the device's unit into TH/s."""
    rate = within(value, 0.0, MAX_TH / factor)
    return None if rate is None else rate * factor


def power_w(value: object) -> float | None:
    """Return a plausible power in W."""
    return within(value, 0.0, MAX_POWER_W)


def work(average: float | None, elapsed_s: float | None) -> float | None:
    """Return the hashes since the process started, from the average per s over its whole age and in its unit."""
    return None if average is None or elapsed_s is None else average * elapsed_s


def hottest(values: Iterable[object]) -> float | None:
    """Return the hottest believable chip temperature among numbers, None if there is none."""
    low, high = CHIP_C
    best = low
    for value in values:
        reading = within(value, low, high)
        if reading is not None and best < reading < high:
            best = reading
    return best if best > low else None


class PoolFacts(msgspec.Struct, gc=False, frozen=True):
    """What `pools` tells of the work: alive and share difficulty as `pool_facts` says, url and user as written.

    Attributes:
        drops: connections lost since the process started, to any of them; pool_drops: to the one that url names.
    """

    alive: bool | None
    share_diff: float | None
    url: str | None
    user: str | None
    drops: float | None = None
    pool_drops: float | None = None


def pool_facts(pools: Sequence[Pool]) -> PoolFacts:
    """Return what the active pool tells.

    Alive is exactly "Alive" (captures have other spellings of its opposite). Without an active pool it is False: the
    miner works for nobody. Where the firmware does not say which pool is active, any that is alive counts.
    """
    for pool in pools:
        if pool.status == "Alive" and flag(pool.active):
            url, user = _pool_text(pool.url), _pool_text(pool.user)
            return PoolFacts(True, _share_diff(pool), url, user, _drops(pools), pool.drops)
    return _without_active_pool(pools)


def _without_active_pool(pools: Sequence[Pool]) -> PoolFacts:
    """Return what is told without a pool that is active and alive.

    Address and worker are those of the pool that is active though it is dead, else of the one that a client turns to:
    the first by priority among those alive, or among all.
    """
    if not pools:
        return PoolFacts(None, None, None, None)
    chosen = min(pools, key=_rank)
    url, user = _pool_text(chosen.url), _pool_text(chosen.user)
    told = [pool for pool in pools if isinstance(pool.status, str)]
    if chosen.status == "Alive" and all(flag(pool.active) is None for pool in told):
        return PoolFacts(True, _share_diff(chosen), url, user, _drops(pools), chosen.drops)
    return PoolFacts(False if told else None, None, url, user, _drops(pools), chosen.drops)


def _rank(pool: Pool) -> tuple[bool, bool, float]:
    priority = within(pool.priority, 0.0, MAX_COUNT)
    return not flag(pool.active), pool.status != "Alive", MAX_COUNT if priority is None else priority


def _drops(pools: Sequence[Pool]) -> float | None:
    """Return the connections lost to all pools together; None where one of them does not tell, so that none falls."""
    total = 0.0
    for pool in pools:
        if pool.drops is None:
            return None
        total += pool.drops
    return total


def _pool_text(value: object) -> str | None:
    """Return an address or a name in its bounds; None where there is none."""
    return value[:MAX_POOL_CHARS] if isinstance(value, str) and value else None


def _share_diff(pool: Pool) -> float | None:
    return pool.diff or within(with_suffix(pool.short_diff), 0.0, MAX_COUNT) or None
