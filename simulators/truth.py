"""Ground truth of a run: what was injected, when each miner was really well again, what harm was done to the plant.

All of it is folded from the plant's own journal, so that nothing the agent believes can reach it. What the agent made
of it is the scoreboard's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.model.errors import PolicyError
from agent.model.ids import MinerId
from agent.model.incident import Category, Reason
from agent.model.topology import Bank, Outlet
from simulators.faults import FAULT_KINDS, FaultKind, miners_of
from simulators.faults.kind import Value
from simulators.plant.journal import Entry, What
from simulators.plant.site import SitePlant

DAY_S = 86_400.0
TOLERANCE_S = 0.5
"""Commands that were spaced rightly may reach the plant this much closer together."""


@dataclass(frozen=True, slots=True)
class FaultTruth:
    """One injected fault, as it really went. Times are site seconds.

    Attributes:
        counts, fixable, causes: as its kind declares.
        miners: whom it hits.
        over_at: the miner really healthy again, or the disturbance ended; None while it lasts.
    """

    kind: str
    category: Category
    counts: bool
    fixable: bool
    causes: frozenset[Reason]
    miners: tuple[MinerId, ...]
    started_at: float
    over_at: float | None


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits that actions are held against; the defaults are those of facts "control", section 2."""

    cooldown_s: float = 1200.0
    power_cycles_per_day: int = 2
    on_spacing_s: float = 5.0
    bank_share: float = 0.8


@dataclass(frozen=True, slots=True)
class Harm:
    """What was done to the plant that should not have been.

    Attributes:
        actions_on_healthy: restarts, reboots and switched-off outlets of miners that hashed well at that moment.
        useless_power_cycles: cycles after which the miner was no better than before.
        outlets_left_off: relays that were closed at the beginning and are open at the end.
        budget_breaches: cycles sooner or more often than the budget allows, outlets of one bank closed too close
            together, and outlets closed into a bank beyond its share.
        breaker_trips: banks that lost their breaker.
        miner_minutes_lost: minutes in which miners did not hash because something was done to them while healthy.
    """

    actions_on_healthy: int = 0
    useless_power_cycles: int = 0
    outlets_left_off: int = 0
    budget_breaches: int = 0
    breaker_trips: int = 0
    miner_minutes_lost: float = 0.0


@dataclass(slots=True)
class _Injected:
    kind: FaultKind
    target: str
    miners: tuple[MinerId, ...]
    started_at: float
    ended_at: float | None = None


@dataclass(slots=True)
class _Cycle:
    """One power cycle of one miner: from the first of its outlets opened to the last closed again."""

    miner: MinerId
    asked_at: float
    was_healthy: bool
    closed_at: float | None = None


class Truth:
    """The record of one simulated site. Inject through it, and it remembers."""

    def __init__(self, plant: SitePlant) -> None:
        self._plant = plant
        self._injected: list[_Injected] = []
        outlets = [Outlet(pdu.id, k) for pdu in plant.site.pdus for k in range(1, pdu.outlet_count + 1)]
        self._closed_at_first = [outlet for outlet in outlets if plant.power.relay_on(outlet)]

    def check(self, kind: str, target: str) -> tuple[FaultKind, tuple[MinerId, ...]]:
        """Return the kind of that name and the miners behind the target; PolicyError where there is none such."""
        if kind not in FAULT_KINDS:
            raise PolicyError(f"no fault kind {kind!r}: expected one of {', '.join(FAULT_KINDS)}")
        return FAULT_KINDS[kind], miners_of(self._plant.site, target, FAULT_KINDS[kind].on)

    def inject(self, kind: str, target: str, now: float, *, for_s: float | None = None, **params: Value) -> None:
        """Begin a fault, and end it `for_s` later where given.

        Raises PolicyError for an unknown kind, target or parameter, and for a fault that counts on a miner that is not
        healthy: nobody could tell which of two faults was mended.
        """
        chosen, miners = self.check(kind, target)
        self._plant.advance(now)
        if chosen.counts and not all(self._plant.miners[miner].healthy for miner in miners):
            raise PolicyError(f"{kind} at {target}: it is not healthy now; inject it later or elsewhere")
        chosen.inject(self._plant, target, now, **params)
        injected = _Injected(chosen, target, miners, now)
        self._injected.append(injected)
        if for_s is not None:
            self._plant.clockwork.plan(now + for_s, lambda at: self._end(injected, at))

    def faults(self) -> tuple[FaultTruth, ...]:
        """Return every fault so far, in the order of injection."""
        recoveries: dict[MinerId, list[float]] = {}
        for entry in self._plant.journal.entries:
            if entry.what is What.HEALTHY and entry.miner is not None:
                recoveries.setdefault(entry.miner, []).append(entry.at)
        return tuple(self._told(injected, recoveries) for injected in self._injected)

    def harm(self, budget: Budget | None = None) -> Harm:
        """Return the harm done so far."""
        budget = budget or Budget()
        entries = self._plant.journal.entries
        now = self._plant.now
        cycles = _cycles(entries, {m.id: m.outlets for m in self._plant.site.miners})
        on = What.RELAY_ON
        closings = list({(e.outlet, e.at): e for e in entries if e.what is on and e.outlet is not None}.values())
        return Harm(
            actions_on_healthy=sum(e.healthy for e in entries if e.what in _HARMFUL),
            useless_power_cycles=sum(self._useless(cycle, entries, now) for cycle in cycles),
            outlets_left_off=sum(not self._plant.power.relay_on(outlet) for outlet in self._closed_at_first),
            budget_breaches=_cycles_over_budget(cycles, budget)
            + _spacing_breaches(closings, self._plant.site.bank, budget.on_spacing_s)
            + sum(e.bank_load > budget.bank_share for e in closings),
            breaker_trips=len(
                {(e.at, self._plant.site.bank[e.outlet]) for e in entries if e.what is What.BREAKER_TRIP and e.outlet}
            ),
            miner_minutes_lost=self._lost_s(entries, now) / 60.0,
        )

    def _end(self, injected: _Injected, at: float) -> None:
        injected.kind.end(self._plant, injected.target, at)
        injected.ended_at = at

    def _told(self, injected: _Injected, recoveries: Mapping[MinerId, Sequence[float]]) -> FaultTruth:
        kind = injected.kind
        over_at = injected.ended_at
        if kind.counts:
            healed = [
                next((at for at in recoveries.get(miner, ()) if at > injected.started_at), None)
                for miner in injected.miners
            ]
            known = [at for at in healed if at is not None]
            over_at = max(known) if known and len(known) == len(healed) else None
        return FaultTruth(
            kind.name,
            kind.category,
            kind.counts,
            kind.fixable,
            kind.causes,
            injected.miners,
            injected.started_at,
            over_at,
        )

    def _useless(self, cycle: _Cycle, entries: Iterable[Entry], now: float) -> bool:
        """Whether a cycle did not help; one whose miner may still be starting is given the benefit of the doubt."""
        if cycle.closed_at is None:
            return False
        if cycle.was_healthy:
            return True
        for entry in entries:
            if entry.miner == cycle.miner and entry.at > cycle.closed_at:
                if entry.what is What.HEALTHY:
                    return False
                if entry.what in _HARMFUL:
                    return True
        profile = self._plant.miners[cycle.miner].profile
        return now - cycle.closed_at > profile.boot_s[1] + profile.init_s[1] + profile.ramp_s[1]

    def _lost_s(self, entries: Iterable[Entry], now: float) -> float:
        """Return the seconds between harm to a healthy miner and its recovery, or now.

        No real fault falls in between: none is injected on a miner that is not healthy.
        """
        lost_s = 0.0
        since: dict[MinerId, float] = {}
        for entry in entries:
            if entry.miner is None:
                continue
            if entry.healthy and (entry.what in _HARMFUL or entry.what is What.BREAKER_TRIP):
                since.setdefault(entry.miner, entry.at)
            elif entry.what is What.HEALTHY and entry.miner in since:
                lost_s += entry.at - since.pop(entry.miner)
        return lost_s + sum(now - at for at in since.values())


_HARMFUL = frozenset({What.RELAY_OFF, What.RESTART, What.REBOOT})


def _cycles(entries: Iterable[Entry], outlets: Mapping[MinerId, tuple[Outlet, ...]]) -> list[_Cycle]:
    open_outlets: dict[MinerId, set[Outlet]] = {}
    under_way: dict[MinerId, _Cycle] = {}
    cycles: list[_Cycle] = []
    for entry in entries:
        if entry.miner is None or entry.outlet not in outlets[entry.miner]:
            continue
        opened = open_outlets.setdefault(entry.miner, set())
        if entry.what is What.RELAY_OFF:
            if not opened:
                under_way[entry.miner] = _Cycle(entry.miner, entry.asked_at, entry.healthy)
                cycles.append(under_way[entry.miner])
            opened.add(entry.outlet)
        elif entry.what is What.RELAY_ON and opened:
            opened.discard(entry.outlet)
            if not opened:
                under_way.pop(entry.miner).closed_at = entry.at
    return cycles


def _cycles_over_budget(cycles: Iterable[_Cycle], budget: Budget) -> int:
    asked: dict[MinerId, list[float]] = {}
    breaches = 0
    for cycle in cycles:
        earlier = asked.setdefault(cycle.miner, [])
        too_soon = bool(earlier) and cycle.asked_at - earlier[-1] < budget.cooldown_s - TOLERANCE_S
        within_day = sum(cycle.asked_at - at < DAY_S for at in earlier)
        breaches += too_soon or within_day >= budget.power_cycles_per_day
        earlier.append(cycle.asked_at)
    return breaches


def _spacing_breaches(closings: Iterable[Entry], banks: Mapping[Outlet, Bank], spacing_s: float) -> int:
    last: dict[Bank, float] = {}
    breaches = 0
    for entry in sorted(closings, key=lambda closing: closing.asked_at):
        bank = banks.get(entry.outlet) if entry.outlet is not None else None
        if bank is None:
            continue
        breaches += bank in last and entry.asked_at - last[bank] < spacing_s - TOLERANCE_S
        last[bank] = entry.asked_at
    return breaches
