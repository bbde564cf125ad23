"""The duty to bring back what was changed for heat: setpoints, deratings, sleep. It is owed whatever became of the run.

Like the duty to switch on, it is worked out anew each tick from the ledger and the view, so that neither a restart of
the agent nor a person's taking over ends it. It waits for the loop to have recovered: a loop that is hot is nobody's to
warm up.
"""

import math
from collections.abc import Iterable
from itertools import repeat
from operator import itemgetter

import numpy as np

from agent.model.action import Action, Verb
from agent.model.ids import CoolingUnitId, IncidentId, MinerId
from agent.model.incident import Category, Incident, Phase
from agent.model.loops import (
    DOMAIN,
    FRESH_S,
    HOT_SHARE,
    RAISE_EVERY_S,
    RAISE_K,
    SAFE_K,
    SAME,
    SETTLE_S,
    Rows,
    headroom_k,
    inlets_c,
    members,
    reading,
)
from agent.model.memory import Memory, Setpoint
from agent.model.site_view import SiteView
from agent.model.topology import CoolingUnit

STATE = "restore"
"""Stands where an attempt made outside any run would name its playbook state."""

CALM_S = 600.0
"""A loop that has been well for so long has recovered (facts "detection", section 7, D8)."""

TRY_AGAIN_S = 86_400.0
"""A miner that was derated for its rejects is tried in full again after a day: whoever repaired it does not say so."""

SPARE_K = 10.0
"""A derated miner runs in full again where it would still be so far below its limit."""

WARM_S = (120.0, 300.0)
WARM_SHARE = 0.9
"""What hashed at its share over both of these times, but for a poll or a ramp, is as hot as that makes it: chips in air
follow within 75 s, all others sooner (facts "detection", section 5). Firmware that knows steps alone runs at up to a
twentieth less than it was told."""

COLD_INLET_C = 10.0
"""Stands for an inlet temperature that nobody tells: the colder the inlet, the more of a miner's heat is its own."""

OVER_FLOW = 1.05
"""A raised flow is taken back once the pumps bring so much of the design flow with it: they were repaired."""

WAVE_SHARES = (0.10, 0.40)
"""How many of a loop's miners are woken first, and next; the rest comes last."""

MOST_SHARE = 0.5
"""A loop bears those who were woken unless so many of them are warm: a clog ails fewer, and a loop all of them."""


def owed(memory: Memory, view: SiteView, now: float) -> list[tuple[Incident, Action]]:
    """Return what is due now, at most one action for each incident."""
    due: dict[IncidentId, Action] = {}
    for (unit_id, verb), record in memory.setpoints.items():
        unit = view.site.cooling_unit.get(unit_id)
        if unit is not None and _may(memory, record.incident) and _is_free(memory, unit, record.incident):
            action = _setpoint(view, unit, verb, record, now)
            if action is not None:
                due.setdefault(record.incident, action)
    for incident_id, miners in _by_incident((m, i) for m, (i, _) in memory.asleep.items()).items():
        if incident_id not in due and _may(memory, incident_id):
            woken = _to_wake(memory, view, miners, now)
            if woken:
                due[incident_id] = Action(verb=Verb.WAKE, miner=woken[0], others=tuple(woken[1:]))
    cool = _with_room(memory, view, now)
    for incident_id, miners in _by_incident((m, memory.derated[m][1]) for m in cool).items():
        if incident_id not in due and _may(memory, incident_id):
            ready = [m for m in miners if _bears_it(memory, view, m, now)]
            if ready:
                due[incident_id] = Action(verb=Verb.DERATE, miner=ready[0], others=tuple(ready[1:]), share=1.0)
    return [(memory.incidents[incident_id], action) for incident_id, action in due.items()]


def stands(memory: Memory, incident: IncidentId) -> bool:
    """Whether something that was changed for that incident has not been brought back yet."""
    return (
        any(record.incident == incident for record in memory.setpoints.values())
        or any(by == incident for _, by, _ in memory.derated.values())
        or any(by == incident for by, _ in memory.asleep.values())
    )


def _may(memory: Memory, incident_id: IncidentId) -> bool:
    """Whether an incident's run is over, and nothing of it is in flight."""
    incident = memory.incidents[incident_id]
    return incident.phase in (Phase.ESCALATED, Phase.CLOSED) and incident.in_flight is None


def _is_free(memory: Memory, unit: CoolingUnit, incident_id: IncidentId) -> bool:
    """Whether no other incident is about that loop: it may have to lower what this one would raise."""
    other = memory.shared(Category.THERMAL, f"{DOMAIN}{unit.loop}")
    return other is None or other.id == incident_id


def _by_incident(pairs: Iterable[tuple[MinerId, IncidentId]]) -> dict[IncidentId, list[MinerId]]:
    found: dict[IncidentId, list[MinerId]] = {}
    for miner, incident in pairs:
        found.setdefault(incident, []).append(miner)
    return found


def _setpoint(view: SiteView, unit: CoolingUnit, verb: Verb, record: Setpoint, now: float) -> Action | None:
    """Return the next step of a setpoint on its way back; None while it has to wait, or somebody else has moved it."""
    column = "setpoint_c" if verb is Verb.SET_SUPPLY else "flow_setpoint_lpm"
    found, rows = reading(view, unit.id, column, now), members(view, unit.id)
    if now - record.at < RAISE_EVERY_S or found is None or not rows.size:
        return None
    if not _is_calm(view, unit.id, now) or not _are_cool(view, rows, HOT_SHARE, now):
        return None
    miner = view.site.miners[int(rows[0])].id
    if verb is Verb.SET_FLOW:
        flow_lpm = reading(view, unit.id, "flow_lpm", now)
        repaired = flow_lpm is not None and flow_lpm >= OVER_FLOW * unit.design_flow_lpm
        return Action(verb=verb, miner=miner, unit=unit.id, flow_lpm=record.base, was=found) if repaired else None
    if found > record.base + SAME:
        return None
    target_c = record.base if found >= record.base - SAME else min(found + RAISE_K, record.base)
    return Action(verb=verb, miner=miner, unit=unit.id, supply_c=target_c, was=found)


def _is_calm(view: SiteView, unit: CoolingUnitId, now: float) -> bool:
    """Whether a cooling unit has shown its loop well for a while, and shows it still.

    For one that has never told its supply the miners on it speak: few of them are warm.
    """
    columns = view.cooling
    row = columns.rows[unit]
    fresh = now - columns.read_at[row] <= SETTLE_S[view.site.cooling_unit[unit].kind]
    if np.isnan(columns.supply_c.value[row]):
        return bool(fresh and _are_cool(view, members(view, unit), HOT_SHARE, now))
    return bool(fresh and now - columns.calm_since[row] >= CALM_S)


def _are_cool(view: SiteView, rows: Rows, share: float, now: float) -> bool:
    """Whether fewer than that share of miners are warm, or one alone: it may be clogged, and derated for that."""
    warm = int((headroom_k(view, rows, now) < SAFE_K).sum())
    return warm <= 1 or warm < share * rows.size


def _to_wake(memory: Memory, view: SiteView, asleep: list[MinerId], now: float) -> list[MinerId]:
    """Return whom to wake now: a few first, then more, each wave only on a loop that bears the one before.

    Whether it does is told by those who were woken. Who hashed all along may be clogged, and says nothing of the
    others; but where the unit is doubted all are asked.
    """
    site = view.site
    units = {int(view.cooling.unit_of[site.rows[m]]) for m in asleep if m in site.rows}
    if not units or -1 in units:
        return asleep if units else []
    if not all(_is_calm(view, site.cooling_units[unit].id, now) for unit in units):
        return []
    loop = np.flatnonzero(np.isin(view.cooling.unit_of, list(units)))
    told = {int(row): memory.settled.get(site.miners[row].id) for row in loop}
    woken = {row: done.at for row, done in told.items() if done is not None and done.action.verb is Verb.WAKE}
    if view.cooling.doubted[list(units)].any():
        bears_it = _are_cool(view, loop, HOT_SHARE, now)
    else:
        bears_it = _are_cool(view, np.array(list(woken), dtype=np.intp), MOST_SHARE, now)
    if not bears_it or now - max(woken.values(), default=-math.inf) < CALM_S:
        return []
    wave = min(len(woken) and 1, len(WAVE_SHARES) - 1)
    most = len(asleep) if len(woken) > WAVE_SHARES[0] * loop.size + 1 else math.ceil(WAVE_SHARES[wave] * loop.size)
    return asleep[:most]


def _with_room(memory: Memory, view: SiteView, now: float) -> list[MinerId]:
    """Return the derated miners that would stay well below their limits in full, by what they show at their share.

    They are asked all at once: some stay derated for weeks.
    """
    if not memory.derated:
        return []
    many = len(memory.derated)
    rows = np.fromiter(map(view.site.rows.get, memory.derated, repeat(-1)), dtype=np.intp, count=many)
    shares = np.fromiter(map(itemgetter(0), memory.derated.values()), dtype=np.float64, count=many)[rows >= 0]
    rows = rows[rows >= 0]
    given_c = inlets_c(view, rows, now)
    base_c = np.where(np.isnan(given_c), COLD_INLET_C, given_c)
    has_room, tells = np.ones(len(rows), dtype=np.bool_), np.zeros(len(rows), dtype=np.bool_)
    for column, limit_c in (view.chip_max_c, view.chip_limit_c), (view.board_max_c, view.board_limit_c):
        fresh = now - column.at[rows] <= FRESH_S
        in_full_c = base_c + np.maximum(column.value[rows] - base_c, 0.0) / shares
        has_room &= ~fresh | (limit_c[rows] - in_full_c >= SPARE_K)
        tells |= fresh
    found = {view.site.miners[row].id for row in rows[has_room & tells].tolist()}
    return [miner for miner in memory.derated if miner in found] if found else []


def _bears_it(memory: Memory, view: SiteView, miner: MinerId, now: float) -> bool:
    """Whether a derated miner that has room may run in full again: its loop is calm, and what it shows is its share."""
    _, incident, at = memory.derated[miner]
    row = view.site.rows[miner]
    least_s = TRY_AGAIN_S if memory.incidents[incident].category is Category.REJECTS else RAISE_EVERY_S
    if now - at < least_s or view.misses[row]:
        return False
    unit = int(view.cooling.unit_of[row])
    if unit >= 0 and not _is_calm(view, view.site.cooling_units[unit].id, now):
        return False
    return _is_warm(view, row)


def _is_warm(view: SiteView, row: int) -> bool:
    """Whether a miner has hashed at its share for long enough to be as hot as that makes it, and does so still.

    Where it did not, nothing is known of it: what has just started again is cool whatever ails it, and what has just
    stopped is cool in a liquid within seconds, when the work of two minutes shows nothing of it yet.
    """
    wanted_gh = WARM_SHARE * view.target_of(row) * 1e3
    done = [view.work_gh.over(row, window_s) for window_s in WARM_S]
    hashes = bool(view.hashrate_th.value[row] * 1e3 >= wanted_gh)
    return hashes and all(work is not None and work[0] >= wanted_gh * work[1] for work in done)
