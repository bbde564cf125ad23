"""Power: outlets with relays, banks with breakers, PDUs with habits. Miners draw, this decides what they get.

Meters are exact here; resolution and units are a protocol's business.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from agent.model.ids import MinerId, PduId
from agent.model.topology import Bank, Outlet, Site
from simulators.plant.clockwork import Clockwork
from simulators.plant.journal import Journal, What
from simulators.plant.miner import MinerPlant

INRUSH_FACTOR = 8.0
"""Peak of the charging current over nominal current (about 110 A for a 3.25 kW supply at 230 V): facts "control",
section 2, has 60 A for a 3 kW supply; miners without inrush limiting are worse."""

INRUSH_WINDOW_S = 1.0
"""Relays that close within this window charge their supplies together."""

MAGNETIC_FACTOR = 5.0
"""A C-curve breaker may trip at once from 5 times its rating on (IEC 60898-1)."""

STAGGER_S = 1.0
"""A PDU that comes up leaves so long between two outlets (facts "control", section 2, has 0.1 to 10 s)."""

RELAY_DELAY_S = 1.5
REPLY_DELAY_S = 0.05


@dataclass(slots=True)
class PduPlant:
    """One PDU's habits and faults.

    Attributes:
        lies_accept: outlets whose SET is answered OK while the relay stays.
        lies_refuse: outlets whose SET is answered with an error while the relay moves.
        lies_left: how many more SETs lie; None for all until the fault ends.
        reply_delay_s: until any SNMP request is answered.
        relay_delay_s: from the SET until the relay moves.
        dark: it has no feed. cut_off: its management is not reached from anywhere.
    """

    id: PduId
    lies_accept: set[Outlet] = field(default_factory=set)
    lies_refuse: set[Outlet] = field(default_factory=set)
    lies_left: int | None = None
    reply_delay_s: float = REPLY_DELAY_S
    relay_delay_s: float = RELAY_DELAY_S
    dark: bool = False
    cut_off: bool = False
    _usual: tuple[float, float] | None = None

    @property
    def answers_in_s(self) -> float:
        """Return how long a request takes; for ever while it is not reached, or has no feed."""
        return self.reply_delay_s if self.is_reached else math.inf

    @property
    def is_reached(self) -> bool:
        """Whether a request comes to anybody."""
        return not (self.dark or self.cut_off)

    def is_prompt(self, within_s: float) -> bool:
        """Whether a request takes no longer than that."""
        return self.reply_delay_s <= within_s and not (self.dark or self.cut_off)

    def slow_down(self, *, reply_delay_s: float, relay_delay_s: float) -> None:
        """Answer and switch more slowly than usual."""
        self._usual = self._usual or (self.reply_delay_s, self.relay_delay_s)
        self.reply_delay_s, self.relay_delay_s = reply_delay_s, relay_delay_s

    def speed_up(self) -> None:
        """Be as fast as usual again."""
        if self._usual is not None:
            self.reply_delay_s, self.relay_delay_s = self._usual
            self._usual = None

    def stop_lying(self) -> None:
        """End every lie."""
        self.lies_accept.clear()
        self.lies_refuse.clear()
        self.lies_left = None


@dataclass(slots=True, eq=False)
class Relay:
    """One outlet's relay, and what hangs on it.

    Attributes:
        closed: it is closed now. wanted: what the last command that is still under way asks for.
        order: how many commands it has been given. moved_at: site time in s at which it last moved.
        live: there is voltage before it: the PDU is fed and the breaker closed.
        feeds: the miners whose cord really is in its outlet.
    """

    feeds: Sequence[MinerPlant]
    closed: bool = True
    wanted: bool = True
    order: int = 0
    moved_at: float = 0.0
    live: bool = True

    def power_w(self) -> float:
        """Return the outlet's draw now, in W."""
        power_w = 0.0
        if self.closed and self.live:
            for miner in self.feeds:
                if feeds := miner.live_feeds:
                    power_w += miner.power_w() / feeds
        return power_w


class PowerPlant:
    """All PDUs of a site. Every outlet starts closed, every breaker closed.

    A breaker trips magnetically only: when the bank's draw and the inrush of the relays closed within the last
    INRUSH_WINDOW_S exceed MAGNETIC_FACTOR times its rating; or because something has it trip. One relay alone does not
    trip what it does not overload: nobody could ever have switched on a miner that has a breaker to itself. Slow
    overload is not modelled; nothing closes a breaker again but `reset_breaker`, a person's hand.

    Attributes:
        pdu: habits and fault switches of each PDU.
        elsewhere: outlets that hang on another feed and another breaker than the inventory says: neither fails them.
    """

    def __init__(self, site: Site, miners: dict[MinerId, MinerPlant], clockwork: Clockwork, journal: Journal) -> None:
        self.elsewhere: set[Outlet] = set()
        self.pdu = {pdu.id: PduPlant(pdu.id) for pdu in site.pdus}
        self._site = site
        self._clock = clockwork
        self._journal = journal
        self._fed = {outlet: [miners[m] for m in fed] for outlet, fed in site.fed_by.items()}
        outlets = [Outlet(p.id, k) for p in site.pdus for k in range(1, p.outlet_count + 1)]
        self._relays = {o: Relay(self._fed.get(o, ()), moved_at=clockwork.now) for o in outlets}
        self._cord_at: dict[Outlet, Outlet] = {}
        """For outlets with another cord than the inventory's: the outlet that the inventory gives that cord."""
        self._tripped: set[Bank] = set()
        self._closed_with_care: set[Bank] = set()
        self._inrush: dict[Bank, deque[tuple[float, float]]] = {}

    # -- commands ----------------------------------------------------------------------------------------------------

    def command(self, outlet: Outlet, on: bool, now: float) -> bool:
        """Do what a PDU does with a SET, lies included, and return whether it answers OK."""
        pdu = self.pdu[outlet.pdu]
        accepts, refuses = outlet in pdu.lies_accept, outlet in pdu.lies_refuse
        if (accepts or refuses) and pdu.lies_left is not None:
            pdu.lies_left -= 1
            if pdu.lies_left <= 0:
                pdu.stop_lying()
        if not accepts:
            self.set_relay(outlet, on, now)
        return not refuses

    def set_relay(self, outlet: Outlet, on: bool, now: float) -> None:
        """Move a relay `relay_delay_s` from now; a later command before then replaces this one."""
        self._clock.advance(now)
        relay = self._relays[outlet]
        relay.order += 1
        relay.wanted = on
        order = relay.order

        def move(at: float) -> None:
            if relay.order == order and relay.closed is not on:
                self._move(outlet, relay, on, at, now)

        self._clock.plan(now + self.pdu[outlet.pdu].relay_delay_s, move)

    def reset_breaker(self, bank: Bank, now: float) -> None:
        """Close a tripped breaker by hand: onto all its outlets, or, with care, onto one, the others switched off."""
        self._clock.advance(now)
        if bank in self._closed_with_care:
            for outlet in self._outlets_of(bank)[1:]:
                self._relays[outlet].order += 1
                self._relays[outlet].closed = self._relays[outlet].wanted = False
        self._closed_with_care.discard(bank)
        self._tripped.discard(bank)
        self._follow_lines(self._outlets_of(bank), now)

    def trip_breaker(self, bank: Bank, now: float, *, with_care: bool = False) -> None:
        """Have a breaker open by itself: it is worn, or something on its line is; `with_care` it is closed onto one."""
        self._clock.advance(now)
        if with_care:
            self._closed_with_care.add(bank)
        self._tripped.add(bank)
        self._follow_lines(self._outlets_of(bank), now)

    def cut_feed(self, pdu: PduId, now: float) -> None:
        """Take a PDU's feed away: its outlets are dead, and so is whoever answers for it."""
        self._clock.advance(now)
        self.pdu[pdu].dark = True
        self._follow_lines([o for o in self._relays if o.pdu == pdu], now)

    def restore_feed(self, pdu: PduId, now: float) -> None:
        """Give a PDU its feed again; it switches its outlets on one after another, as it was delivered to do."""
        self._clock.advance(now)
        if self.pdu[pdu].dark:
            self.pdu[pdu].dark = False
            for place, outlet in enumerate(o for o in self._relays if o.pdu == pdu):
                self._clock.plan(now + place * STAGGER_S, partial(self._follow_lines, (outlet,)))

    def swap_cords(self, one: Outlet, other: Outlet, now: float) -> None:
        """Have two cords the wrong way round: each outlet feeds what the inventory says hangs on the other.

        Nobody loses power by it where both outlets are alike. Cords that are the wrong way round already stay so.
        """
        self._clock.advance(now)
        if self._cord_at.get(one) == other and self._cord_at.get(other) == one:
            return
        at_one, at_other = self._cord_at.get(one, one), self._cord_at.get(other, other)
        self._plug({one: at_other, other: at_one}, now)

    def restore_cords(self, pdu: PduId, now: float) -> None:
        """Have every cord of a PDU where the inventory says it is."""
        self._clock.advance(now)
        self._plug({outlet: outlet for outlet in self._cord_at if outlet.pdu == pdu}, now)

    def fed_from(self, outlet: Outlet) -> Sequence[MinerPlant]:
        """Return the miners whose cord really is in that outlet."""
        return self._relays[outlet].feeds

    # -- meters ------------------------------------------------------------------------------------------------------

    def relay(self, outlet: Outlet) -> Relay:
        """Return the outlet's relay, for who reads it often; commands go through the plant."""
        return self._relays[outlet]

    def relay_on(self, outlet: Outlet) -> bool:
        """Whether the relay is closed now."""
        return self._relays[outlet].closed

    def pending(self, outlet: Outlet) -> bool:
        """Whether a command is under way that will move the relay."""
        relay = self._relays[outlet]
        return relay.wanted is not relay.closed

    def switched_at(self, outlet: Outlet) -> float:
        """Return the site time at which the relay last moved; the start of the site before that."""
        return self._relays[outlet].moved_at

    def energised(self, outlet: Outlet) -> bool:
        """Whether there is voltage: relay closed, breaker closed."""
        relay = self._relays[outlet]
        return relay.closed and relay.live

    def breaker_closed(self, bank: Bank) -> bool:
        """Whether the bank's breaker is closed."""
        return bank not in self._tripped

    def power_w(self, outlet: Outlet) -> float:
        """Return the outlet's draw now, in W."""
        return self._relays[outlet].power_w()

    def current_a(self, outlet: Outlet) -> float:
        """Return the outlet's current now, in A, at unity power factor."""
        return self.power_w(outlet) / self._site.pdu[outlet.pdu].voltage_v

    def bank_current_a(self, bank: Bank) -> float:
        """Return the sum of the bank's outlet currents now, in A."""
        return sum(self.current_a(outlet) for outlet in self._outlets_of(bank))

    # -- what relays do ----------------------------------------------------------------------------------------------

    def _move(self, outlet: Outlet, relay: Relay, on: bool, at: float, asked_at: float) -> None:
        what = What.RELAY_ON if on else What.RELAY_OFF
        bank = self._site.bank.get(outlet)
        load = (self.bank_current_a(bank) + self._nominal_a(outlet)) / bank.rating_a if on and bank else 0.0
        fed: list[MinerPlant | None] = [*self.fed_from(outlet)] or [None]
        for miner in fed:
            self._journal.note(
                at,
                what,
                miner=None if miner is None else miner.spec.id,
                outlet=outlet,
                healthy=miner is not None and miner.healthy,
                asked_at=asked_at,
                bank_load=load,
            )
        relay.closed = on
        relay.moved_at = at
        if not relay.live:
            return
        if on and bank is not None and self._trips(bank, outlet, at):
            self._trip(bank, at)
            return
        self._feed(outlet, on, at)

    def _nominal_a(self, outlet: Outlet) -> float:
        watts = sum(m.spec.power_w / len(m.spec.outlets) for m in self.fed_from(outlet))
        return watts / self._site.pdu[outlet.pdu].voltage_v

    def _trips(self, bank: Bank, outlet: Outlet, at: float) -> bool:
        pulses = self._inrush.setdefault(bank, deque())
        pulses.append((at, INRUSH_FACTOR * self._nominal_a(outlet)))
        while pulses[0][0] <= at - INRUSH_WINDOW_S:
            pulses.popleft()
        before_a = self.bank_current_a(bank)
        if len(pulses) == 1 and before_a + self._nominal_a(outlet) <= bank.rating_a:
            return False
        return before_a + sum(a for _, a in pulses) > MAGNETIC_FACTOR * bank.rating_a

    def _trip(self, bank: Bank, at: float) -> None:
        for outlet in self._outlets_of(bank):
            if self._relays[outlet].closed:
                for miner in self.fed_from(outlet):
                    self._journal.note(at, What.BREAKER_TRIP, miner=miner.spec.id, outlet=outlet, healthy=miner.healthy)
        self._tripped.add(bank)
        self._follow_lines(self._outlets_of(bank), at)

    def _follow_lines(self, outlets: Sequence[Outlet], at: float) -> None:
        """Give outlets the voltage that feed and breaker leave them."""
        for outlet in outlets:
            relay, bank = self._relays[outlet], self._site.bank.get(outlet)
            live = outlet in self.elsewhere or (not self.pdu[outlet.pdu].dark and bank not in self._tripped)
            if live is relay.live:
                continue
            relay.live = live
            for miner in self.fed_from(outlet):
                self._journal.note(at, What.LINE, miner=miner.spec.id, outlet=outlet, healthy=miner.healthy)
            if relay.closed:
                self._feed(outlet, live, at)

    def _feed(self, outlet: Outlet, on: bool, at: float) -> None:
        cord = self._cord_at.get(outlet, outlet)
        for miner in self.fed_from(outlet):
            miner.set_feed(cord, on, at)

    def _plug(self, cords: Mapping[Outlet, Outlet], at: float) -> None:
        for outlet, cord in cords.items():
            self._cord_at[outlet] = cord
            if cord == outlet:
                del self._cord_at[outlet]
            self._relays[outlet].feeds = self._fed.get(cord, ())
        for outlet in cords:
            fed: list[MinerPlant | None] = [*self.fed_from(outlet)] or [None]
            for miner in fed:
                name, healthy = (None, False) if miner is None else (miner.spec.id, miner.healthy)
                self._journal.note(at, What.REPLUGGED, miner=name, outlet=outlet, healthy=healthy)
            self._feed(outlet, self.energised(outlet), at)

    def _outlets_of(self, bank: Bank) -> list[Outlet]:
        return [Outlet(bank.pdu, number) for number in bank.outlets]
