"""Ground truth of a run: what was injected, when each miner was really well again, what harm was done to the plant.

All of it is folded from the plant's own journal, so that nothing the agent believes can reach it. What the agent made
of it is the scoreboard's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.model.errors import PolicyError
from agent.model.ids import MinerId, PoolId
from agent.model.incident import Category, Reason
from agent.model.topology import Outlet
from simulators.cycles import Budget, Cycle, over_budget, power_cycles, too_close
from simulators.faults import FAULT_KINDS, FaultKind, On
from simulators.faults.kind import Value, miner_at
from simulators.plant.flash import FlashRecord, Phase
from simulators.plant.journal import Entry, What
from simulators.plant.site import SitePlant
from simulators.refuge import Span, had_refuge


@dataclass(frozen=True, slots=True)
class FaultTruth:
    """One injected fault, as it really went. Times are site seconds.

    Attributes:
        counts, fixable, causes: as its kind declares; one of a miner's own that it never felt does not count, and one
            of a pool is not fixable where no other was well meanwhile.
        miners: whom it hits; nobody where it is the agent's own machine.
        over_at: its miners really healthy again, or the disturbance ended; None while it lasts.
        gone_at: when what is broken was itself again; that may be long after its miners were well. None before, and
            for all faults that do not linger.
        target: what it was aimed at, e.g. `cdu:c1-cdu`.
        ended_at: when somebody ended it, or its time was up.
        lingers: it is a pool or a loop that is broken, or something else that stays so though its miners are well.
    """

    kind: str
    category: Category
    counts: bool
    fixable: bool
    causes: frozenset[Reason]
    miners: tuple[MinerId, ...]
    started_at: float
    over_at: float | None
    gone_at: float | None = None
    lingers: bool = False
    target: str = ""
    ended_at: float | None = None

    @property
    def is_of_device(self) -> bool:
        """Whether it befalls a device that serves its miners."""
        return self.target.startswith(f"{On.CDU}:")

    def lasted_at(self, at: float) -> bool:
        """Whether there was something broken at site time `at`."""
        until = self.gone_at if self.lingers else self.over_at
        return self.started_at <= at and (until is None or at < until)


DRY_S = 60.0
"""Boards with power and without flow bear it for no longer; an estimate."""

MOMENT_S = 1.0
"""What the agent asks for in the moment in which somebody begins with its miner it cannot have known of."""

DWELL_S = 180.0
"""No power cycle keeps an outlet off for longer: a minute's dwell, and what a slow PDU adds."""


@dataclass(frozen=True, slots=True)
class Harm:
    """What was done to the plant that should not have been.

    Attributes:
        actions_on_healthy: restarts, reboots, flashes and outlets switched off of miners that hashed well just then,
            and derates and sleeps of such as were neither hot nor on a loop that was out of order.
        useless_power_cycles: cycles after which the miner was no better than before. The first on a fault that only a
            cycle can tell from one that a cycle fixes is not counted; the second is.
        outlets_left_off: relays that were closed at the beginning and are open at the end, but for those that have been
            for less than DWELL_S: a cycle may be under way.
        budget_breaches: cycles sooner or more often than the budget allows, counted anew where cords were changed;
            outlets of one bank closed too close together, and outlets closed into a bank beyond its share.
        breaker_trips: banks that lost their breaker.
        miner_minutes_lost: minutes in which miners did not hash because something was done to them while healthy.
        bricked: flashes after which the control board had no firmware that starts, for whatever reason.
        flashes_twice: flashes of an image onto a miner that had it already, or was getting it; nothing new was wrong.
        power_cuts_while_flashing: flashes that a relay or a reboot, each by command, put an end to.
        wrong_images: flashes begun with an image that is not, as far as anybody can know, for that miner.
        overheated_minutes: minutes in which miners' hottest chips were at the temperature that stops them, or above.
        dry_boards: hashboards that had power for DRY_S or longer while the liquid on their cold plates stood still.
        setpoints_below_dew_point: supply temperatures written, and taken, below the dew point of that moment.
        cooling_writes: writes that coolant units took; their memory wears out by them.
        actions_while_away: commands that reached miners which somebody else had asleep or under his hands, but for
            those that take load off them, and that undo what was done to sleepers before: an outlet that was off, or a
            sleep of which nobody knew that somebody else wanted it; nor one on who hashes or has since, and nobody
            said it; nor one of the moment in which it was said.
    """

    actions_on_healthy: int = 0
    useless_power_cycles: int = 0
    outlets_left_off: int = 0
    budget_breaches: int = 0
    breaker_trips: int = 0
    miner_minutes_lost: float = 0.0
    bricked: int = 0
    flashes_twice: int = 0
    power_cuts_while_flashing: int = 0
    wrong_images: int = 0
    overheated_minutes: float = 0.0
    dry_boards: int = 0
    setpoints_below_dew_point: int = 0
    cooling_writes: int = 0
    actions_while_away: int = 0


@dataclass(slots=True)
class _Injected:
    kind: FaultKind
    target: str
    miners: tuple[MinerId, ...]
    started_at: float
    fixable: bool
    masked: bool
    ended_at: float | None = None

    @property
    def is_of_host(self) -> bool:
        """Whether it befalls the agent's own machine, and no miner."""
        return self.target.startswith(f"{On.HOST}:")


class Truth:
    """The record of one simulated site. Inject through it, and it remembers."""

    def __init__(self, plant: SitePlant) -> None:
        self._plant = plant
        self._injected: list[_Injected] = []
        self._lasting: dict[tuple[str, str], list[_Injected]] = {}
        self._latest: dict[str, _Injected] = {}
        """By target, the last that counts of those that befell a single miner."""
        outlets = [Outlet(pdu.id, k) for pdu in plant.site.pdus for k in range(1, pdu.outlet_count + 1)]
        self._closed_at_first = [outlet for outlet in outlets if plant.power.relay_on(outlet)]

    def check(self, kind: str, target: str, **params: Value) -> tuple[FaultKind, tuple[MinerId, ...]]:
        """Return the kind of that name and the miners it hits; PolicyError where it does not fit the site."""
        if kind not in FAULT_KINDS:
            raise PolicyError(f"no fault kind {kind!r}: expected one of {', '.join(FAULT_KINDS)}")
        chosen = FAULT_KINDS[kind]
        chosen.check(self._plant.site, target, params)
        return chosen, chosen.victims(self._plant.site, target, params)

    def inject(self, kind: str, target: str, now: float, *, for_s: float | None = None, **params: Value) -> int:
        """Begin a fault, and end it `for_s` later where given; return its place among all, counted from 0.

        Raises PolicyError for an unknown kind, target or parameter, and for a fault that cannot begin there now.
        """
        chosen, _ = self.check(kind, target, **params)
        self._plant.advance(now)
        if not chosen.may_begin(self._plant, target):
            raise PolicyError(f"{kind} at {target}: it is not healthy now; inject it later or elsewhere")
        settled = chosen.drawn(params, self._plant.rng(f"fault/{kind}/{target}/{len(self._injected)}"))
        victims = chosen.reached(self._plant, target, now, settled)
        if chosen.counts:
            # Whoever is out of order already is another fault's.
            victims = tuple(miner for miner in victims if self._plant.miners[miner].healthy)
        fixable, masked = chosen.is_fixable(self._plant, target, settled), chosen.is_masked(settled)
        chosen.inject(self._plant, target, now, **settled)
        injected = _Injected(chosen, target, victims, now, fixable, masked)
        self._injected.append(injected)
        if chosen.counts and target.startswith(f"{On.MINER}:"):
            self._latest[target] = injected
        if not chosen.counts:
            self._lasting.setdefault((kind, target), []).append(injected)
        if for_s is not None:
            self._plant.clockwork.plan(now + for_s, lambda at: self._end(injected, at))
        return len(self._injected) - 1

    def end(self, place: int, now: float) -> None:
        """End the fault at that place, as a person's repair does or by its passing; one that is over stays so."""
        self._plant.advance(now)
        self._end(self._injected[place], now)

    def repair(self, miner: MinerId, now: float) -> None:
        """Let a person put right whatever ails that miner now."""
        self._plant.advance(now)
        injected = self._latest.get(f"{On.MINER}:{miner}")
        if injected is not None:
            self._end(injected, now)

    def faults(self) -> tuple[FaultTruth, ...]:
        """Return every fault so far, in the order of injection."""
        by_miner = _by_miner(self._plant.journal.entries)
        next_at: dict[str, float] = {}
        told: list[FaultTruth] = []
        for injected in reversed(self._injected):
            told.append(self._told(injected, by_miner, next_at.get(injected.target, math.inf)))
            if injected.kind.counts:
                next_at[injected.target] = injected.started_at
        return tuple(reversed(told))

    def harm(self, budget: Budget | None = None) -> Harm:
        """Return the harm done so far."""
        budget = budget or Budget()
        entries = self._plant.journal.entries
        now = self._plant.now
        cycles = power_cycles(entries)
        telling = self._telling(cycles)
        dwelling = {e.outlet for e in entries if e.what is What.RELAY_OFF and now - e.at < DWELL_S}
        by_miner = _by_miner(entries)
        on = What.RELAY_ON
        closings = list({(e.outlet, e.at): e for e in entries if e.what is on and e.outlet is not None}.values())
        return Harm(
            actions_on_healthy=sum(e.healthy for e in entries if e.what in _HARMFUL | _SLOWING),
            useless_power_cycles=sum(
                self._useless(cycle, by_miner[cycle.miner], now)
                for place, cycle in enumerate(cycles)
                if place not in telling
            ),
            outlets_left_off=sum(
                not self._plant.power.relay_on(outlet) for outlet in self._closed_at_first if outlet not in dwelling
            ),
            budget_breaches=over_budget(cycles, budget)
            + too_close(closings, self._plant.site.bank, budget.on_spacing_s)
            + sum(e.bank_load > budget.bank_share for e in closings),
            breaker_trips=len(
                {(e.at, self._plant.site.bank[e.outlet]) for e in entries if e.what is What.BREAKER_TRIP and e.outlet}
            ),
            miner_minutes_lost=self._lost_s(entries, now) / 60.0,
            bricked=sum(flash.bricked for flash in self._plant.journal.flashes),
            flashes_twice=self._flashes_twice(),
            power_cuts_while_flashing=sum(_cut_by_command(f, by_miner) for f in self._plant.journal.flashes),
            wrong_images=sum(not flash.fits for flash in self._plant.journal.flashes),
            overheated_minutes=sum(m.protection.over_s for m in self._plant.miners.values()) / 60.0,
            dry_boards=sum(m.profile.boards for m in self._plant.miners.values() if m.protection.dry_s >= DRY_S),
            setpoints_below_dew_point=sum(
                move.what == "supply_c" and move.value < move.dew_point_c
                for unit in self._plant.units.values()
                for move in unit.moved
            ),
            cooling_writes=sum(unit.writes for unit in self._plant.units.values()),
            actions_while_away=self._while_away(by_miner),
        )

    def _end(self, injected: _Injected, at: float) -> None:
        if injected.ended_at is not None:
            return
        injected.ended_at = at
        if injected.kind.counts and self._latest.get(injected.target, injected) is not injected:
            # None begins on a miner that is not well: this one was over before the next began, but for what lingers.
            if injected.kind.lingers:
                miner_at(self._plant, injected.target).clean(at)
            return
        if self._left_a_clog(injected):
            return
        injected.kind.end(self._plant, injected.target, at)
        # What ends a disturbance of a target ends every one of its kind there.
        for other in self._lasting.pop((injected.kind.name, injected.target), ()):
            other.ended_at = at

    def _left_a_clog(self, injected: _Injected) -> bool:
        """Whether a miner's fault is over, and what ails it still is an older clog: nobody comes for what is over."""
        of_miner = injected.kind.counts and injected.target.startswith(f"{On.MINER}:")
        if not of_miner or injected.kind.category is Category.THERMAL:
            return False
        return miner_at(self._plant, injected.target).is_only_clogged

    def _told(self, injected: _Injected, by_miner: Mapping[MinerId, Sequence[Entry]], next_at: float) -> FaultTruth:
        """Return one fault as it really went; `next_at` is when the next that counts began at its target."""
        kind = injected.kind
        over_at = injected.ended_at
        lingers = kind.lingers or injected.target.partition(":")[0] in (On.POOL, On.LOOP)
        befell = bool(injected.miners) or injected.is_of_host
        if (kind.counts or kind.passes) and injected.target.startswith(f"{On.MINER}:"):
            entries = by_miner.get(injected.miners[0], ())
            befell = _is_felt(entries, kind.felt, injected.started_at, min(next_at, injected.ended_at or math.inf))
            over_at = _healed_at(entries, injected.started_at) if befell else injected.started_at
        elif kind.counts and On.CDU not in kind.on:
            of_miners = [by_miner.get(miner, ()) for miner in injected.miners]
            over_at = passed_at(of_miners, injected.started_at, injected.ended_at)
        return FaultTruth(
            kind.name,
            kind.category,
            kind.counts and befell,
            injected.fixable and self._had_refuge(injected, over_at),
            kind.causes,
            injected.miners,
            injected.started_at,
            over_at,
            gone_at=injected.ended_at if lingers else None,
            lingers=lingers,
            target=injected.target,
            ended_at=injected.ended_at,
        )

    def _had_refuge(self, injected: _Injected, over_at: float | None) -> bool:
        """Whether a pool's miners had another to go to before they were well again; true of all that is no pool's."""
        word, _, name = injected.target.partition(":")
        if word != On.POOL or not injected.kind.counts:
            return True
        ailed: dict[PoolId, list[Span]] = {}
        for other in self._injected:
            form, _, pool = other.target.partition(":")
            if form == On.POOL:
                ailed.setdefault(PoolId(pool), []).append((other.started_at, self._by_now(other.ended_at)))
        lasted = injected.started_at, self._by_now(over_at)
        return had_refuge(self._plant.site, PoolId(name), lasted, ailed)

    def _by_now(self, at: float | None) -> float:
        return self._plant.now if at is None else at

    def _telling(self, cycles: Sequence[Cycle]) -> frozenset[int]:
        """Return the places of the cycles that told a masked fault from what it looked like: the first of each."""
        by_miner: dict[MinerId, list[int]] = {}
        for place, cycle in enumerate(cycles):
            by_miner.setdefault(cycle.miner, []).append(place)
        first = (
            next((place for place in by_miner.get(i.miners[0], ()) if cycles[place].asked_at >= i.started_at), None)
            for i in self._injected
            if i.masked and i.miners
        )
        return frozenset(place for place in first if place is not None and not cycles[place].was_healthy)

    def _useless(self, cycle: Cycle, entries: Iterable[Entry], now: float) -> bool:
        """Whether a cycle did not help; one whose miner may still be starting is given the benefit of the doubt.

        Args:
            cycle: the cycle.
            entries: those of its miner.
            now: the site time.
        """
        if cycle.closed_at is None:
            return False
        if cycle.was_healthy:
            return True
        for entry in entries:
            if entry.at > cycle.closed_at:
                if entry.what is What.HEALTHY:
                    return False
                if entry.what in _HARMFUL:
                    return True
        profile = self._plant.miners[cycle.miner].profile
        return now - cycle.closed_at > profile.boot_s[1] + profile.init_s[1] + profile.ramp_s[1]

    def _while_away(self, by_miner: Mapping[MinerId, Sequence[Entry]]) -> int:
        """Return how many commands reached miners that were to be left alone just then."""
        reached = {
            (entry.at, entry.what, miner)
            for injected in self._injected
            for miner in (injected.miners if injected.kind.hands_off else ())
            for entry in by_miner.get(miner, ())
            if entry.what in _COMMANDS
            and entry.asked_at >= injected.started_at + MOMENT_S
            and (injected.ended_at is None or entry.asked_at < injected.ended_at)
            and not (injected.kind.asleep and _is_excused(entry, by_miner[miner], injected))
        }
        return len(reached)

    def _flashes_twice(self) -> int:
        """Return how many flashes repeat one that had not failed, with no new fault in between."""
        broken_at: dict[MinerId, list[float]] = {}
        for injected in self._injected:
            for miner in injected.miners:
                broken_at.setdefault(miner, []).append(injected.started_at)
        last: dict[tuple[MinerId, str], FlashRecord] = {}
        again = 0
        for flash in self._plant.journal.flashes:
            before = last.get((flash.miner, flash.image))
            if before is not None:
                again += not any(before.began_at < at <= flash.began_at for at in broken_at.get(flash.miner, ()))
            if flash.phase is not Phase.REFUSED:
                last[flash.miner, flash.image] = flash
        return again

    def _lost_s(self, entries: Iterable[Entry], now: float) -> float:
        """Return the seconds between harm to a healthy miner and its recovery, or now.

        No real fault falls in between: none is injected on a miner that is not healthy.
        """
        lost_s = 0.0
        since: dict[MinerId, float] = {}
        for entry in entries:
            if entry.miner is None:
                continue
            stops = entry.what in _HARMFUL or entry.what in {What.BREAKER_TRIP, What.SUSPEND}
            if entry.healthy and stops:
                since.setdefault(entry.miner, entry.at)
            elif entry.what is What.HEALTHY and entry.miner in since:
                lost_s += entry.at - since.pop(entry.miner)
        return lost_s + sum(now - at for at in since.values())


_HARMFUL = frozenset({What.RELAY_OFF, What.RESTART, What.REBOOT, What.FLASH})
_COMMANDS = _HARMFUL | {What.RESUME, What.SET_POOLS, What.SWITCH_POOL, What.RELAY_ON}
_UNDOES = {What.RELAY_ON: What.RELAY_OFF, What.RESUME: What.SUSPEND}
_SLOWING = frozenset({What.SUSPEND, What.DERATE})
_CUTS = frozenset({What.RELAY_OFF, What.REBOOT})


def _is_excused(entry: Entry, entries: Sequence[Entry], curtailed: _Injected) -> bool:
    """Whether it undoes what was done before, or its miner hashed since, as after a power loss, and nobody said it.

    One that lost its power has forgotten that it was told to sleep, whatever ails it later.
    """
    unsaid, undoes = curtailed.kind.counts, _UNDOES.get(entry.what)
    if undoes is None or (undoes is What.SUSPEND and not unsaid):
        since = (e.what is What.HEALTHY and curtailed.started_at < e.at < entry.asked_at for e in entries)
        return unsaid and (entry.healthy or any(since))
    pair = (entry.what, undoes)
    before = [e for e in entries if e.asked_at < curtailed.started_at and e.outlet == entry.outlet and e.what in pair]
    return bool(before) and before[-1].what is undoes


def _cut_by_command(flash: FlashRecord, by_miner: Mapping[MinerId, Sequence[Entry]]) -> bool:
    cut_at = flash.ended_at if flash.phase is Phase.CUT else None
    return any(entry.at == cut_at and entry.what in _CUTS for entry in by_miner.get(flash.miner, ()))


def _by_miner(entries: Iterable[Entry]) -> dict[MinerId, list[Entry]]:
    found: dict[MinerId, list[Entry]] = {}
    for entry in entries:
        if entry.miner is not None:
            found.setdefault(entry.miner, []).append(entry)
    return found


def _healed_at(entries: Sequence[Entry], since: float) -> float | None:
    """Return when a miner with these entries became healthy after `since`; None if it did not yet."""
    return next((entry.at for entry in entries if entry.at > since and entry.what is What.HEALTHY), None)


def _is_felt(entries: Iterable[Entry], what: What, since: float, until: float) -> bool:
    """Whether a miner with these entries has one of that kind in the time in which a fault of its lasted."""
    return any(entry.what is what and since <= entry.at < until for entry in entries)


def passed_at(of_miners: Iterable[Sequence[Entry]], started_at: float, ended_at: float | None) -> float | None:
    """Return when a fault that many miners suffer from was over for all of them; None while it lasts.

    Each of them is done with it when it first becomes healthy again, or when the fault itself ended: a later trouble of
    its own is none of this one's. One that stayed healthy never suffered.

    Args:
        of_miners: the journal's entries of each miner that it hits.
        started_at: when the fault began, in site s.
        ended_at: when it ended, whatever its miners did by then; None where it did not.
    """
    over: list[float] = []
    for entries in of_miners:
        fell_at = next(
            (e.at for e in entries if e.at >= started_at and e.what is What.UNHEALTHY),
            None,
        )
        if fell_at is None:
            continue
        healed_at = _healed_at(entries, fell_at)
        at = ended_at if healed_at is None else healed_at
        if at is None:
            return None
        over.append(at)
    return max(over, default=ended_at)
