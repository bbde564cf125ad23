"""Power cycles as the plant felt them, whatever the inventory says, and what they are held against."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.model.ids import MinerId
from agent.model.topology import Bank, Outlet
from simulators.plant.journal import Entry, What

DAY_S = 86_400.0
TOLERANCE_S = 0.5
"""Commands that were spaced rightly may reach the plant this much closer together."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits that actions are held against; the defaults are those of facts "control", section 2."""

    cooldown_s: float = 1200.0
    power_cycles_per_day: int = 2
    on_spacing_s: float = 5.0
    bank_share: float = 0.8


@dataclass(slots=True)
class Cycle:
    """One power cycle of one miner: from the first of its outlets opened to the last closed again.

    Attributes:
        asked_at: when the first of its outlets was told to open, in site s.
        was_healthy: whether the miner was, then.
        plugged_at: when somebody last changed the cords it hangs on, in site s; since ever where nobody did.
        closed_at: when it had all its power again, in site s; None before.
    """

    miner: MinerId
    asked_at: float
    was_healthy: bool
    plugged_at: float = -math.inf
    closed_at: float | None = None


def power_cycles(entries: Iterable[Entry]) -> list[Cycle]:
    """Return the power cycles of every miner, by the outlets that really fed it."""
    open_outlets: dict[MinerId, set[Outlet]] = {}
    under_way: dict[MinerId, Cycle] = {}
    plugged_at: dict[MinerId, float] = {}
    cycles: list[Cycle] = []
    for entry in entries:
        if entry.miner is None or entry.outlet is None:
            continue
        opened = open_outlets.setdefault(entry.miner, set())
        if entry.what is What.RELAY_OFF:
            if not opened:
                since = plugged_at.get(entry.miner, -math.inf)
                under_way[entry.miner] = Cycle(entry.miner, entry.asked_at, entry.healthy, since)
                cycles.append(under_way[entry.miner])
            opened.add(entry.outlet)
        elif entry.what is What.RELAY_ON and opened:
            opened.discard(entry.outlet)
            if not opened:
                under_way.pop(entry.miner).closed_at = entry.at
        elif entry.what is What.REPLUGGED:
            plugged_at[entry.miner] = entry.at
            if opened:
                opened.clear()
                under_way.pop(entry.miner).closed_at = entry.at
    return cycles


def over_budget(cycles: Iterable[Cycle], budget: Budget) -> int:
    """Return how many cycles came sooner after, or together with more, of the same miner than the budget allows.

    It begins anew where somebody has changed the miner's cords: what its former outlets did to it, nobody can count who
    is not told.
    """
    asked: dict[MinerId, list[float]] = {}
    breaches = 0
    for cycle in cycles:
        earlier = [at for at in asked.get(cycle.miner, ()) if at >= cycle.plugged_at]
        too_soon = bool(earlier) and cycle.asked_at - earlier[-1] < budget.cooldown_s - TOLERANCE_S
        within_day = sum(cycle.asked_at - at < DAY_S for at in earlier)
        breaches += too_soon or within_day >= budget.power_cycles_per_day
        asked[cycle.miner] = [*earlier, cycle.asked_at]
    return breaches


def too_close(closings: Iterable[Entry], banks: Mapping[Outlet, Bank], spacing_s: float) -> int:
    """Return how many outlets were closed less than `spacing_s` after another one of their bank."""
    last: dict[Bank, float] = {}
    breaches = 0
    for entry in sorted(closings, key=lambda closing: closing.asked_at):
        bank = banks.get(entry.outlet) if entry.outlet is not None else None
        if bank is None:
            continue
        breaches += bank in last and entry.asked_at - last[bank] < spacing_s - TOLERANCE_S
        last[bank] = entry.asked_at
    return breaches
