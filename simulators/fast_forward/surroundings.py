"""Reads of PDUs and switches, written as columns: outlets with their relays and watts, ports with link and octets.

Outlets of steady miners on closed relays are written all at once; the others, and those whose relay has moved, are read
off the plant one by one.
"""

import heapq
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.ids import PduId, SwitchId
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletReading, OutletState, PortReading
from agent.model.topology import Outlet
from simulators.fast_forward.polls import MinerPolls, Phase
from simulators.plant.journal import What
from simulators.plant.network import USUAL_VLAN
from simulators.plant.site import SitePlant

UNMETERED_POWER = frozenset({"apc_rpdu"})
"""PDU profiles whose outlets are metered in amperes only."""

REQUESTS = 4
READ_S = 15.0
PROMPT_S = 1.0
"""A read is so many requests. It is given up when it takes longer than the one, and counts as done at once when it is
faster than the other."""

_MOVES = frozenset({What.RELAY_OFF, What.RELAY_ON, What.LINE, What.REPLUGGED})


class _Rounds:
    """When each of some devices is due, in site seconds."""

    def __init__(self, first_s: Sequence[float], period_s: float, focus_s: float) -> None:
        n = len(first_s)
        self._due_s: Floats = np.array(first_s, dtype=np.float64)
        self._taken_s: Floats = np.full(n, -np.inf)
        self._period_s = period_s
        self._focus_s = focus_s
        self._focus: Bools = np.zeros(n, dtype=np.bool_)
        self._wait_s: Floats = np.full(n, period_s)

    def focus(self, places: Collection[int], now: float) -> None:
        new = np.zeros_like(self._focus)
        new[list(places)] = True
        self._due_s[new & ~self._focus] = now
        self._focus = new
        self._wait_s = np.where(new, self._focus_s, self._period_s)

    def hurry(self, places: Collection[int], now: float) -> None:
        """Let these be due within the focus interval of their last turn."""
        for place in places:
            self._due_s[place] = max(min(self._due_s[place], self._taken_s[place] + self._focus_s), now)

    def take(self, now: float) -> Bools:
        """Return which are due by `now`, and plan their next turn."""
        due: Bools = self._due_s <= now
        np.putmask(self._taken_s, due, now)
        wait_s = self._wait_s
        # From its turn on, not from now: who is looked at late is not put off. Turns that have passed are left out.
        turn = self._due_s + wait_s * np.ceil(np.maximum(now - self._due_s, 1e-9) / wait_s)
        np.putmask(self._due_s, due, np.where(turn > now, turn, turn + wait_s))
        return due


class Surroundings:
    """Every PDU and switch of a site, read off the plant.

    Args:
        polls: the miners, which say who is steady and what they draw.
        first_within_s: every device is read once within so long; `phase` says when.
    """

    def __init__(
        self,
        view: SiteView,
        plant: SitePlant,
        polls: MinerPolls,
        *,
        epoch_s: float,
        pdu_s: float,
        switch_s: float,
        focus_s: float,
        first_within_s: float,
        phase: Phase,
    ) -> None:
        site = view.site
        self._view = view
        self._plant = plant
        self._polls = polls
        self._epoch_s = epoch_s
        self._pdus = {pdu.id: place for place, pdu in enumerate(site.pdus)}
        self._pdu_plants = [plant.power.pdu[pdu.id] for pdu in site.pdus]
        self._slow: list[tuple[float, int]] = []
        self._switches = {switch.id: place for place, switch in enumerate(site.switches)}
        first = plant.now
        self._pdu_rounds = _Rounds([first + phase(pdu.id) * first_within_s for pdu in site.pdus], pdu_s, focus_s)
        self._switch_rounds = _Rounds([first + phase(s.id) * first_within_s for s in site.switches], switch_s, focus_s)
        self._outlets = list(view.outlet_rows)
        self._ports = list(view.port_rows)
        self._map_outlets()
        self._map_ports()
        self._moved: set[int] = set()
        self._seen = 0

    def focus(self, pdus: Collection[PduId], switches: Collection[SwitchId], now: float) -> None:
        """Read these devices, and no others, at the focus interval; those that are new to it at once."""
        self._pdu_rounds.focus([self._pdus[pdu] for pdu in pdus if pdu in self._pdus], now)
        self._switch_rounds.focus([self._switches[s] for s in switches if s in self._switches], now)

    def hurry(self, rows: NDArray[np.int64], now: float) -> None:
        """Read what stands around these miners at the focus interval, as the agent does for the newly silent."""
        if rows.size:
            miners = [self._view.site.miners[row] for row in rows.tolist()]
            self._pdu_rounds.hurry({self._pdus[o.pdu] for m in miners for o in m.outlets if o.pdu in self._pdus}, now)
            self._switch_rounds.hurry({self._switches[m.port.switch] for m in miners if m.port is not None}, now)

    def read(self, now: float) -> None:
        """Write every read that fell due up to site time `now`; the plant has been brought up to it."""
        self._follow_relays()
        if not self._plant.host.linked:
            self._pdu_rounds.take(now)
            self._switch_rounds.take(now)
            return
        pdus = self._answered(self._pdu_rounds.take(now), now)
        if pdus.any():
            self._read_outlets(pdus[self._pdu_of], now)
        switches = self._switch_rounds.take(now)
        if switches.any():
            self._read_ports(switches[self._switch_of], now)

    # -- outlets -----------------------------------------------------------------------------------------------------

    def _map_outlets(self) -> None:
        site, rows = self._view.site, self._view.site.rows
        n = len(self._outlets)
        self._pdu_of = np.array([self._pdus[o.pdu] for o in self._outlets], dtype=np.int64)
        self._volts: Floats = np.array([site.pdu[o.pdu].voltage_v for o in self._outlets])
        self._tells_watts: Bools = np.array(
            [site.pdu[o.pdu].profile not in UNMETERED_POWER for o in self._outlets], dtype=np.bool_
        )
        cords = [
            (self._view.outlet_rows[o], row, 1.0 / len(m.outlets))
            for row, m in enumerate(site.miners)
            for o in m.outlets
            if o in self._view.outlet_rows
        ]
        self._cord_outlet = np.array([c[0] for c in cords], dtype=np.int64)
        self._cord_miner = np.array([c[1] for c in cords], dtype=np.int64)
        self._cord_part: Floats = np.array([c[2] for c in cords])
        self._outlets_of = [
            [self._view.outlet_rows[o] for o in m.outlets if o in self._view.outlet_rows] for m in site.miners
        ]
        self._on: Floats = np.full(n, float(OutletState.ON))
        self._by_inventory = {o: tuple(rows[m] for m in fed) for o, fed in site.fed_by.items()}

    def _read_outlets(self, due: Bools, now: float) -> None:
        """Write the outlets `due`: by column where nothing is going on, the others one by one."""
        single = due & self._restless()
        plain = due & ~single
        drawn_w = self._polls.power_w[self._cord_miner] * self._cord_part
        watts = np.bincount(self._cord_outlet, drawn_w, minlength=len(due)).astype(np.float64, copy=False)
        at = np.full(len(due), self._epoch_s + now)
        self._view.outlet_state.put_rows(plain, self._on, at)
        self._view.outlet_a.put_rows(plain, watts / self._volts, at)
        self._view.outlet_w.put_rows(plain & self._tells_watts, watts, at)
        power = self._plant.power
        for place in np.flatnonzero(single).tolist():
            outlet: Outlet = self._outlets[place]
            state = OutletState.ON if power.relay_on(outlet) else OutletState.OFF
            own_w = power.power_w(outlet)
            told_w = own_w if self._tells_watts[place] else None
            self._view.put_outlet(outlet, self._epoch_s + now, OutletReading(state, own_w / self._volts[place], told_w))

    def _restless(self) -> Bools:
        """Return the outlets that feed a miner whose draw changes, or whose relay, breaker or cord is not as usual."""
        restless = np.zeros(len(self._outlets), dtype=np.bool_)
        even = self._polls.steady.member | self._polls.still
        restless[self._cord_outlet[~even[self._cord_miner]]] = True
        restless[list(self._moved)] = True
        return restless

    def _follow_relays(self) -> None:
        """Take in what the plant's journal tells of relays, breakers and cords; forget what is as usual again."""
        entries = self._plant.journal.entries
        for entry in entries[self._seen :]:
            if entry.what in _MOVES and entry.outlet in self._view.outlet_rows:
                self._moved.add(self._view.outlet_rows[entry.outlet])
        self._seen = len(entries)
        power = self._plant.power
        for place in tuple(self._moved):
            outlet = self._outlets[place]
            as_planned = tuple(
                self._view.site.rows[m.spec.id] for m in power.fed_from(outlet)
            ) == self._by_inventory.get(outlet, ())
            if power.energised(outlet) and as_planned:
                self._moved.discard(place)

    def _answered(self, asked: Bools, now: float) -> Bools:
        """Return the PDUs whose read is complete by `now`: those just asked, and slow ones asked a while ago."""
        for place in asked.nonzero()[0].tolist():
            pdu = self._pdu_plants[place]
            if pdu.is_prompt(PROMPT_S / REQUESTS):
                continue
            takes_s = REQUESTS * pdu.answers_in_s
            if takes_s < READ_S:
                heapq.heappush(self._slow, (now + takes_s, place))
            asked[place] = False
        while self._slow and self._slow[0][0] <= now:
            asked[heapq.heappop(self._slow)[1]] = True
        return asked

    # -- ports -------------------------------------------------------------------------------------------------------

    def _map_ports(self) -> None:
        rows = {m.port: row for row, m in enumerate(self._view.site.miners) if m.port is not None}
        self._switch_of = np.array([self._switches[p.switch] for p in self._ports], dtype=np.int64)
        self._behind = np.array([rows.get(p, -1) for p in self._ports], dtype=np.int64)
        self._fed: Bools = self._behind >= 0
        self._one: Floats = np.ones(len(self._ports))
        self._usual_pvid: Floats = np.full(len(self._ports), float(USUAL_VLAN))
        self._octets: Floats = np.zeros(len(self._ports))
        self._counted_at: Floats = np.full(len(self._ports), self._plant.now)
        self._own_octets: Floats = np.zeros(len(self._ports))
        self._looked: Bools = np.zeros(len(self._ports), dtype=np.bool_)

    def _read_as_before(self, ports: Bools, at: Floats) -> None:
        """Write ports of miners that stand still, and did so at the read before: all but octets is as it was."""
        view, rows = self._view, ports.nonzero()[0]
        view.port_before[rows] = view.port_octets.at[rows]
        view.port_errors.put_rows(ports, None, at)
        for column in (view.port_up, view.port_admin, view.port_pvid):
            column.at[rows] = at[rows]

    def _read_ports(self, due: Bools, now: float) -> None:
        """Write the ports `due` of living switches: who is steady or stands still sends evenly, others what they do."""
        network = self._plant.network
        silent = [place for switch, place in self._switches.items() if not network.answers(switch)]
        if silent:
            due = due & ~np.isin(self._switch_of, silent)
        unplugged = [self._view.port_rows[port] for port in network.unplugged if port in self._view.port_rows]
        steady = due & self._fed & self._polls.steady.member[self._behind]
        steady[unplugged] = False
        still = self._polls.still[self._behind]
        still &= self._fed
        self._looked &= still
        as_before = self._looked & due
        even = steady | as_before
        at = np.full(len(due), self._epoch_s + now)
        sent = now - self._counted_at
        sent *= self._polls.octets_per_s[self._behind]
        sent *= even
        self._octets += sent
        np.putmask(self._counted_at, due, now)
        if as_before.any():
            self._read_as_before(as_before, at)
        self._view.port_up.put_rows(steady, self._one, at)
        self._view.port_octets.put_rows(even, np.floor(self._octets), at)
        self._view.port_admin.put_rows(steady, self._one, at)
        self._view.port_pvid.put_rows(steady, self._usual_pvid, at)
        np.putmask(self._own_octets, even, np.nan)
        single = due & ~even
        self._looked |= single & still
        for place in np.flatnonzero(single).tolist():
            port = self._ports[place]
            own = float(network.in_octets(port))
            before = self._own_octets[place]
            self._own_octets[place] = own
            self._octets[place] += max(0.0, own - before) if before == before else 0.0  # noqa: PLR0124 - NaN: not known
            reading = PortReading(
                network.port_up(port),
                int(self._octets[place]),
                network.admin_up(port),
                network.in_errors(port),
                network.pvid(port),
            )
            self._view.put_port(port, self._epoch_s + now, reading)
