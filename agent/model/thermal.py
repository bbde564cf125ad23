"""Heat as a playbook sees it: how hot an incident's miners are, what its loop allows, and what to do to either.

Pure functions of a Situation. What a loop bears is in agent.model.loops.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from agent.model.action import Action, Verb
from agent.model.incident import Severity
from agent.model.loops import (
    DOMAIN,
    FRESH_S,
    SAFE_K,
    SAME,
    SETTLE_S,
    STEPS,
    Rows,
    dew_point_c,
    headroom_k,
    inlet_c,
    lower_c,
    members,
    more_lpm,
    reading,
)
from agent.model.playbook import Situation
from agent.model.site_view import SiteView
from agent.model.topology import FAMILY_TRAITS, CoolingUnit

STEADY_S = 300.0
"""Four time constants of an air-cooled miner."""

WORKS_SHARE = 0.80
"""Of what it aims at: who does so much is not starting, nor stopped by its heat."""

STOPPED_SHARE = 0.05
"""Below this share of what it aims at a miner does not hash."""

NEAR_K = 10.0
"""A miner of a hot loop that is closer to its limit is derated."""

CLOSE_K = 5.0
"""A miner that is closer to its limit may be throttled (facts "detection", section 7, D3)."""

AIM_K = 11.0
"""A share is chosen so that the miner would be so far below its limit."""

COOLED_K = 20.0
"""A miner that stopped for its heat has cooled down when it is so far below its limit: an estimate."""

SETTLED_S = 300.0
"""What stopped for so long while it was to hash has not just lost a reading."""

COLD_S = 600.0
"""Who has stood still for so long is cold though no sensor tells: eight time constants of an air-cooled miner."""

LEAST_SHARE, MOST_SHARE, SHARE_STEP = 0.50, 0.90, 0.05
"""Shares of the power that a miner is derated to."""

WORK_S = 120.0
"""A rate scatters by 1 % over so long (facts "detection", section 1.2)."""

TAKES_S = 20.0
"""Within this time firmware that is told to sleep stops hashing, and its rate of 5 s shows it: an estimate. A reading
every 30 s finds who does not, or begins meanwhile, before it has hashed for a minute."""

MITIGATION_S = {Severity.CRITICAL: 1800.0, Severity.HIGH: 3600.0, Severity.MEDIUM: 14_400.0, Severity.LOW: 86_400.0}
"""How soon the impact is to end, by severity (KPI reference)."""


def unit_of(s: Situation) -> CoolingUnit | None:
    """Return the unit of the loop that the incident is about; None where the site has none."""
    return s.row.view.site.unit_of_loop.get(s.incident.domain.removeprefix(DOMAIN))


def loop_rows(s: Situation) -> Rows:
    """Return the rows of the loop's miners; the incident's first where there is no unit."""
    unit = unit_of(s)
    return np.array([s.row.index]) if unit is None else members(s.row.view, unit.id)


def is_read(s: Situation) -> bool:
    """The loop's unit was read since this state was entered."""
    unit = unit_of(s)
    return unit is not None and bool(s.row.view.cooling.read_at[s.row.view.cooling.rows[unit.id]] >= s.run.entered_at)


def is_unheard(s: Situation) -> bool:
    """The loop's unit has not answered for so long that there is no reading to wait for."""
    unit = unit_of(s)
    return unit is not None and not _age_s(s, unit) <= FRESH_S


def is_doubted(s: Situation) -> bool:
    """The miners of the loop contradict its unit's supply sensor: what it shows is nothing to steer by."""
    unit = unit_of(s)
    return unit is not None and bool(s.row.view.cooling.doubted[s.row.view.cooling.rows[unit.id]])


def room_k(s: Situation) -> float:
    """Return how far the incident's first miner is below its limits, in K; NaN where nothing fresh tells."""
    return float(headroom_k(s.row.view, np.array([s.row.index]), s.now)[0])


def is_cool(s: Situation) -> bool:
    """The incident's miner is well below its limits, and hashes, and has had the time to get hot again."""
    return (
        s.in_state_s >= STEADY_S
        and room_k(s) >= FAMILY_TRAITS[s.miner.family].cool_k
        and s.row.rate_share >= WORKS_SHARE
    )


def has_stopped(s: Situation) -> bool:
    """The incident's miner answers and does not hash, and it is not for want of a pool."""
    idle = not s.row.missing_s and s.row.rate_share < STOPPED_SHARE
    return idle and bool(s.row.view.pool_alive.value[s.row.index] != 0.0)


def stopped_again(s: Situation) -> bool:
    """It hashed, and has stopped again."""
    return s.in_state_s >= SETTLED_S and has_stopped(s)


def hashes(s: Situation) -> bool:
    """The incident's miner does nearly all it aims at, since this state was entered."""
    return s.in_state_s >= FRESH_S and s.row.rate_share >= WORKS_SHARE


def is_warm(s: Situation) -> bool:
    """It works, and a reading of now shows it not well below its limits: what nobody could read shows nothing."""
    return not has_stopped(s) and room_k(s) < FAMILY_TRAITS[s.miner.family].cool_k


def is_still_hot(s: Situation) -> bool:
    """It works, has had the time to cool, and is not well below its limits."""
    return s.in_state_s >= STEADY_S and is_warm(s)


def is_at_least(s: Situation) -> bool:
    """It is derated as far as it can be: to derate it again would change nothing."""
    return float(s.row.view.derated[s.row.index]) <= LEAST_SHARE


def is_close_to_limit(s: Situation) -> bool:
    """It hashes, and is so close to its limits that its firmware may stop it: nothing is waited for."""
    return not has_stopped(s) and room_k(s) < CLOSE_K


def has_cooled(s: Situation) -> bool:
    """The incident's miner has stopped and cooled down; or it tells no temperature, and has stood still for long."""
    room = room_k(s)
    stood = s.in_state_s >= COLD_S if math.isnan(room) else room >= COOLED_K
    return s.row.rate_share < STOPPED_SHARE and stood


def is_cool_at_work(s: Situation) -> bool:
    """It does nearly all it aims at, and is well below its limits: nothing has to be done about its heat now."""
    works = not s.row.missing_s and s.row.rate_share >= WORKS_SHARE
    return works and room_k(s) >= FAMILY_TRAITS[s.miner.family].cool_k


def near_limit(s: Situation) -> list[int]:
    """Return the loop's rows that are close to their limits and not derated yet, the hottest first."""
    rows = loop_rows(s)
    room = headroom_k(s.row.view, rows, s.now)
    order = np.argsort(room, kind="stable")
    view = s.row.view
    return [
        int(rows[k]) for k in order if room[k] < NEAR_K and view.derated[rows[k]] == 1.0 and not view.misses[rows[k]]
    ]


def share_for(s: Situation, rows: Sequence[int]) -> float:
    """Return the share of the power at which these rows would be cool, by what they show now; one for all of them.

    The rise over the inlet goes with the power, of which firmware that is hot may use less than it was told. Where the
    inlet is not known a tenth less is tried. One that stopped had come to its limits; what it shows once it has cooled
    down stands for an inlet that is not known.
    """
    view = s.row.view
    shares = [1.0]
    for row in rows:
        given_c, limits = inlet_c(view, row, s.now), view.site.miners[row].limits
        stopped = bool(view.hashrate_th.value[row] < STOPPED_SHARE * view.nominal_th[row])
        now_share = float(view.derated[row]) if stopped else _used_share(view, row)
        shares.append(now_share - 2.0 * SHARE_STEP)
        for column, limit_c in ((view.chip_max_c, limits.chip_c), (view.board_max_c, limits.board_c)):
            shown_c = column.fresh(row, s.now, FRESH_S)
            base_c, rose_c = (given_c, shown_c) if not stopped else (shown_c if given_c is None else given_c, limit_c)
            if base_c is not None and rose_c is not None and shown_c is not None and rose_c > base_c:
                shares.append(now_share * (limit_c - AIM_K - base_c) / (rose_c - base_c))
    stepped = math.floor(min(shares) / SHARE_STEP + 1e-9) * SHARE_STEP
    return round(min(max(stepped, LEAST_SHARE), MOST_SHARE), 2)


def _used_share(view: SiteView, row: int) -> float:
    """Return the share of its power that a miner uses, by its work of late; as it was told where it counts none."""
    told, done = float(view.derated[row]), view.work_gh.over(row, WORK_S)
    return told if done is None else min(told, done[0] / done[1] / (float(view.nominal_th[row]) * 1e3))


@dataclass(frozen=True, slots=True)
class DerateMiner:
    """Derate the incident's miner, further than it is; `most`: as far as it can be."""

    most: bool = False

    def __call__(self, s: Situation) -> Action:
        """Return the action."""
        share = LEAST_SHARE if self.most else share_for(s, [s.row.index])
        return Action(verb=Verb.DERATE, miner=s.miner.id, share=share)


@dataclass(frozen=True, slots=True)
class DerateNear:
    """Derate the loop's miners that are close to their limits."""

    reaches_many: ClassVar[bool] = True

    def __call__(self, s: Situation) -> Action:
        """Return the action; the incident's first miner where nobody is close any more."""
        rows = near_limit(s) or [s.row.index]
        named = [s.row.view.site.miners[row].id for row in rows]
        return Action(verb=Verb.DERATE, miner=named[0], others=tuple(named[1:]), share=share_for(s, rows))


@dataclass(frozen=True, slots=True)
class SleepLoop:
    """Put every miner of the loop to sleep, the hottest first."""

    reaches_many: ClassVar[bool] = True

    def __call__(self, s: Situation) -> Action:
        """Return the action."""
        rows = loop_rows(s)
        room = headroom_k(s.row.view, rows, s.now)
        order = np.argsort(np.where(np.isnan(room), np.inf, room), kind="stable")
        named = [s.row.view.site.miners[int(rows[k])].id for k in order]
        return Action(verb=Verb.SLEEP, miner=named[0], others=tuple(named[1:]))


@dataclass(frozen=True, slots=True)
class LowerSupply:
    """Lower the loop's supply temperature by one step."""

    def __call__(self, s: Situation) -> Action:
        """Return the action; one that no guard allows where there is no step left."""
        unit = unit_of(s)
        target_c = None if unit is None else lower_c(s.row.view, unit, s.now)
        was = None if unit is None else reading(s.row.view, unit.id, "setpoint_c", s.now)
        named = None if unit is None else unit.id
        return Action(verb=Verb.SET_SUPPLY, miner=s.miner.id, unit=named, supply_c=target_c, was=was)


@dataclass(frozen=True, slots=True)
class RaiseFlow:
    """Raise the loop's flow by one step."""

    def __call__(self, s: Situation) -> Action:
        """Return the action; one that no guard allows where there is no step left."""
        unit = unit_of(s)
        target_lpm = None if unit is None else more_lpm(s.row.view, unit, s.now)
        was = None if unit is None else reading(s.row.view, unit.id, "flow_setpoint_lpm", s.now)
        named = None if unit is None else unit.id
        return Action(verb=Verb.SET_FLOW, miner=s.miner.id, unit=named, flow_lpm=target_lpm, was=was)


def is_near(s: Situation) -> bool:
    """Miners of the loop are close to their limits, and not derated yet."""
    return bool(near_limit(s))


def must_derate(s: Situation) -> bool:
    """Miners are close to their limits, and steps of the setpoint alone would miss the time the severity allows."""
    unit = unit_of(s)
    too_slow = unit is None or STEPS * SETTLE_S[unit.kind] >= MITIGATION_S[s.incident.severity]
    return too_slow and is_near(s)


def leaks(s: Situation) -> bool:
    """The unit reports a leak."""
    return _flag(s, "leak") is True


def has_alarm(s: Situation) -> bool:
    """The unit shows another alarm."""
    unit = unit_of(s)
    return unit is not None and bool(s.row.view.cooling.alarms[s.row.view.cooling.rows[unit.id]])


def is_local(s: Situation) -> bool:
    """The unit takes no orders from a network: somebody may be at work on it."""
    return _flag(s, "is_remote") is not True


def lacks_pumps(s: Situation) -> bool:
    """Fewer pumps run than are needed, though the coolant flows."""
    return _flag(s, "pumps_ok") is False


def was_moved(s: Situation) -> bool:
    """The unit aims at a temperature above what the site wants: somebody else has set it."""
    unit = unit_of(s)
    found = None if unit is None else reading(s.row.view, unit.id, "setpoint_c", s.now)
    return unit is not None and found is not None and found > unit.setpoint_c + SAME


def flow_can_rise(s: Situation) -> bool:
    """The flow is low, and its setpoint may be raised."""
    unit = unit_of(s)
    return unit is not None and more_lpm(s.row.view, unit, s.now) is not None


def dew_is_unknown(s: Situation) -> bool:
    """Nothing tells the dew point of the air around the loop: its supply must not be lowered."""
    unit = unit_of(s)
    return unit is None or dew_point_c(s.row.view, unit.id, s.now) is None


def supply_can_fall(s: Situation) -> bool:
    """There is a step left between the supply's setpoint and its floor."""
    unit = unit_of(s)
    return unit is not None and lower_c(s.row.view, unit, s.now) is not None


def is_no_better(s: Situation) -> bool:
    """The loop is not well: the unit does not hold its setpoint, or a miner is close to its limit."""
    unit = unit_of(s)
    if unit is None:
        return True
    columns = s.row.view.cooling
    calm = not math.isnan(columns.calm_since[columns.rows[unit.id]])
    return not calm or bool((headroom_k(s.row.view, loop_rows(s), s.now) < SAFE_K).any())


def all_sleep(s: Situation) -> bool:
    """Every miner of the loop says that it sleeps, or hashes no more."""
    view, rows = s.row.view, loop_rows(s)
    since = s.run.entered_at
    told = (view.suspended.value[rows] == 1.0) & (view.suspended.at[rows] >= since - FRESH_S)
    idle = (view.hashrate_th.value[rows] < 0.05 * view.nominal_th[rows]) & (view.hashrate_th.at[rows] >= since)
    silent = view.misses[rows] > 0
    return bool((told | idle | silent).all())


def one_hashes_on(s: Situation) -> bool:
    """A miner of the loop hashes, by a reading before which it had the time to stop: it was starting as it was told."""
    view, rows = s.row.view, loop_rows(s)
    hashes = view.hashrate_th.value[rows] > STOPPED_SHARE * view.nominal_th[rows]
    read = view.hashrate_th.at[rows] >= s.run.entered_at + TAKES_S
    return bool((hashes & read & (view.misses[rows] == 0)).any())


def _age_s(s: Situation, unit: CoolingUnit) -> float:
    return float(s.now - s.row.view.cooling.read_at[s.row.view.cooling.rows[unit.id]])


def _flag(s: Situation, name: str) -> bool | None:
    unit = unit_of(s)
    if unit is None:
        return None
    value = getattr(s.row.view.cooling, name).fresh(s.row.view.cooling.rows[unit.id], s.now, FRESH_S)
    return None if value is None else value == 1.0
