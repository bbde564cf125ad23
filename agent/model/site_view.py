"""The site as columns: one numpy array per signal, one row per miner, outlet or port.

Observe writes rows, everything else reads. A signal is a value and the time it was last really measured (UTC s, NaN for
never): a field missing in a poll leaves the old value with its old time, and a lost poll is never a zero.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Counter, Floats, Ints, Signal, cells, side_by_side
from agent.model.cooling import CoolingColumns
from agent.model.domains import Domains
from agent.model.hardware import HardwareColumns
from agent.model.ids import CoolingUnitId, MinerId, PoolId, SwitchId
from agent.model.itself import Itself
from agent.model.polling import Polling
from agent.model.pool_book import POOL_FOREIGN, POOL_UNKNOWN, PoolBook
from agent.model.probe import ProbeResult, Verdict
from agent.model.round import COUNTERS, HISTORIES, SIGNALS, TOLD_BY_ALL, Round
from agent.model.telemetry import CoolingReading, OutletReading, OutletState, PortReading, Reach, Telemetry
from agent.model.topology import Outlet, Pdu, Port, Site, Switch

Places = NDArray[np.int64] | slice
EVERY = slice(None)
"""Rows that are asked for: by their places, or all."""

ERROR_SPAN_S = (30.0, 120.0)
"""An error rate is taken over the shortest time within these that readings span."""

PEERS_MIN = 3
"""Fewer ports that agree on their VLAN say nothing about what is usual."""


class Expected(IntEnum):
    """What a miner is supposed to be doing."""

    RUNNING = 0
    TUNING = 1
    DERATED = 2
    """Announced to run at a share of its power."""
    BOOTING = 3
    ACTING = 4
    SUSPENDED = 5
    """It says that it was told to sleep, or the agent told it."""
    CURTAILED = 6
    """Announced to sleep."""
    MAINTENANCE = 7
    """Announced to be worked on."""


_ANSWERED, _ERRORED, _REFUSED = int(Reach.ANSWERED), int(Reach.ERRORED), int(Reach.REFUSED)
_DERATED, _SUSPENDED, _CURTAILED = int(Expected.DERATED), int(Expected.SUSPENDED), int(Expected.CURTAILED)
"""As plain numbers: numpy takes five times as long to compare with a member of an enumeration."""


class SiteView:
    """Every column of a site. Writers: observe (and the fast-forward plant). Readers: everybody."""

    def __init__(self, site: Site) -> None:
        n = len(site.miners)
        self.site = site
        self.nominal_th: Floats = np.array([m.hashrate_th for m in site.miners], dtype=np.float64)
        self.nominal_w: Floats = np.array([m.power_w for m in site.miners], dtype=np.float64)
        self.chip_limit_c: Floats = np.array([m.limits.chip_c for m in site.miners], dtype=np.float64)
        self.board_limit_c: Floats = np.array([m.limits.board_c for m in site.miners], dtype=np.float64)
        self.reach: Ints = np.zeros(n, dtype=np.int8)
        self.polled_at: Floats
        self.answered_at: Floats
        self.missing_since: Floats
        self.mute_since: Floats
        self.pool_at: Floats
        self.polled_at, self.answered_at, self.missing_since, self.mute_since, self.pool_at = np.full((5, n), np.nan)
        self.misses: NDArray[np.int32]
        self.goods: NDArray[np.int32]
        self.misses, self.goods = np.zeros((2, n), dtype=np.int32)
        self.expected: Ints = np.zeros(n, dtype=np.int8)
        self.own_restart_at: Floats = np.full(n, np.nan)
        self.own_boot_at: Floats = np.full(n, np.nan)
        self.own_sure: Bools = np.zeros(n, dtype=np.bool_)
        self.excused: Bools = np.zeros(n, dtype=np.bool_)
        self.asleep_since: Floats = np.full(n, np.nan)
        self.derated: Floats = np.ones(n)
        self.any_derated = False
        self._round = Round(n, signals=len(SIGNALS), histories=[name in HISTORIES for name in COUNTERS])
        self.hashrate_th, self.expected_th, self.elapsed_s, self.hw_errors, self.chip_max_c = self._round.signals[:5]
        self.pool_alive, self.pool_drops, self.boards_up, self.chips_up = self._round.signals[5:]
        others = side_by_side(n, 9)
        self.share_diff, self.board_max_c, self.inlet_c, self.outlet_c, self.fan_min_rpm = others[:5]
        self.power_w, self.worker_ok, self.suspended, self.tuned = others[5:]
        self.hardware = HardwareColumns(site, self.boards_up, self.chips_up)
        self.pool: NDArray[np.int16] = np.full(n, POOL_UNKNOWN, dtype=np.int16)
        self.foreign_work: dict[int, tuple[str, str | None]] = {}
        self.work_gh, self.accepted, self.rejected, self.stale, self.accepted_diff, self.drops = self._round.counters
        self._lay_out_surroundings(site)
        self.cooling = CoolingColumns(site)
        self.itself, self.polling = Itself(), Polling()
        self.probes: dict[PoolId, ProbeResult] = {}
        self.pool_good_since: dict[PoolId, float] = {}
        self._pools = PoolBook(site)
        self._cells = self._single_cells()

    def _lay_out_surroundings(self, site: Site) -> None:
        """Make the columns of outlets and ports."""
        self.outlet_rows = {Outlet(p.id, k): i for i, (p, k) in enumerate(_outlets(site))}
        outlets = len(self.outlet_rows)
        self.outlet_state = Signal(outlets)
        self.outlet_a = Signal(outlets)
        self.outlet_w = Signal(outlets)
        self.port_rows = {Port(s.id, k): i for i, (s, k) in enumerate(_ports(site))}
        ports = len(self.port_rows)
        self.port_up = Signal(ports)
        self.port_octets = Counter(ports)
        self.port_before: Floats = np.full(ports, np.nan)
        self.port_admin = Signal(ports)
        self.port_errors = Counter(ports, history=True)
        self.port_pvid = Signal(ports)
        self._used_ports = _used_ports(site, self.port_rows)

    def _single_cells(self) -> "tuple[memoryview[Any], ...]":
        """Return the columns that `put_answer` writes itself, for access to single elements."""
        stamps = self.polled_at, self.answered_at, self.misses, self.goods, self.missing_since, self.mute_since
        return tuple([cells(column) for column in (self.reach, *stamps, self.elapsed_s.value, self.pool, self.pool_at)])

    @cached_property
    def domains(self) -> Domains:
        """Return what its miners share."""
        return Domains(self.site)

    # -- written by observe ------------------------------------------------------------------------------------------

    def put_answer(self, row: int, now: float, t: Telemetry) -> None:
        """Store a decoded reply. Counters are joined over restarts, which a younger process age gives away."""
        reach, polled_at, answered_at, misses, goods, missing_since, mute_since, elapsed_s, pool, pool_at = self._cells
        restarted = t.elapsed_s is not None and t.elapsed_s + 1.0 < elapsed_s[row]
        reach[row] = _ANSWERED
        polled_at[row] = answered_at[row] = now
        misses[row] = 0
        goods[row] += 1
        missing_since[row] = mute_since[row] = math.nan
        self.hashrate_th.put(row, t.hashrate_th, now)
        self.expected_th.put(row, t.expected_th, now)
        self.elapsed_s.put(row, t.elapsed_s, now)
        self.share_diff.put(row, t.share_diff, now)
        self.hw_errors.put(row, t.hw_errors, now)
        self.chip_max_c.put(row, t.chip_max_c, now)
        self.board_max_c.put(row, t.board_max_c, now)
        self.inlet_c.put(row, t.inlet_c, now)
        self.outlet_c.put(row, t.outlet_c, now)
        self.fan_min_rpm.put(row, min(t.fans_rpm) if t.fans_rpm else None, now)
        self.hardware.put(row, t, now)
        self.power_w.put(row, t.power_w, now)
        self.pool_alive.put(row, t.pool_alive, now)
        self.suspended.put(row, t.suspended, now)
        self.tuned.put(row, t.tuned, now)
        if t.pool_url is not None:
            pool[row], worker_ok = self.named_pool(row, t.pool_url, t.pool_user)
            pool_at[row] = now
            self.worker_ok.put(row, worker_ok, now)
            if pool[row] == POOL_FOREIGN or worker_ok == 0.0:
                self.foreign_work[row] = (t.pool_url, t.pool_user)
        self.work_gh.put(row, t.work_gh, now, restarted=restarted)
        self.accepted.put(row, t.accepted, now, restarted=restarted)
        self.rejected.put(row, t.rejected, now, restarted=restarted)
        self.stale.put(row, t.stale, now, restarted=restarted)
        self.accepted_diff.put(row, t.accepted_diff, now, restarted=restarted)
        self.pool_drops.put(row, t.pool_drops, now)
        if t.drops is not None:  # a new list of pools counts from zero, whatever the age of the process
            self.drops.put(row, t.drops, now, restarted=restarted or t.drops < self.drops.raw[row])

    def put_miss(self, row: int, now: float, reach: Reach) -> None:
        """Store a poll that gave no telemetry: refused, silent or faulty."""
        self.reach[row] = reach
        self.polled_at[row] = now
        self.goods[row] = 0
        if self.misses[row] == 0:
            self.missing_since[row] = now
        self.misses[row] += 1
        if reach in (Reach.ERRORED, Reach.REFUSED):
            self.mute_since[row] = math.nan
        elif math.isnan(self.mute_since[row]):
            self.mute_since[row] = now

    def put_answers(
        self,
        where: Bools,
        at: Floats,
        polls: NDArray[np.int32],
        told: Mapping[str, tuple[Bools, Floats | None]],
        *,
        lost: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> None:
        """Store a whole round of replies as columns; arrays have shape (n,), and only the rows `where` count.

        Args:
            where: the rows that answered.
            at: when each reply came, UTC s.
            polls: how many polls in a row each row has answered since the last round; the newest reply is `told`.
            told: for each signal or counter by its attribute's name, which of those rows told it, and what; None where
                all of them tell what they told last. A row whose process is another than at its reply before does not
                belong here: `put_answer` joins the counters.
            lost: for each signal those rows whose reply was cut before it came to that.
        """
        cut = [(getattr(self, name), rows) for name, rows in (lost or {}).items()]
        kept = [(signal, rows, signal.value[rows], signal.at[rows]) for signal, rows in cut]
        np.putmask(self.reach, where, _ANSWERED)
        np.putmask(self.polled_at, where, at)
        np.putmask(self.answered_at, where, at)
        np.add(self.goods, polls, out=self.goods, where=where)
        back = (where & (self.misses > 0)).nonzero()[0]
        self.misses[back] = 0
        self.missing_since[back] = self.mute_since[back] = math.nan
        whole = all(name in told and told[name][0] is where for name in TOLD_BY_ALL)
        if whole:
            self._round.put(where, at, [told[name][1] for name in SIGNALS], [told[name][1] for name in COUNTERS])
        for name, (said, values) in told.items():
            if not whole or name not in TOLD_BY_ALL:
                column: Signal | Counter = getattr(self, name)
                column.put_rows(said, values, at)
        for signal, rows, value, measured_at in kept:
            signal.value[rows], signal.at[rows] = value, measured_at
        if told.get("boards_up", (where, None))[1] is not None:
            self.hardware.follow()

    def put_misses(self, rows: NDArray[np.int64], at: Floats, polls: NDArray[np.int32], reach: Ints) -> None:
        """Store polls of these rows that gave no telemetry, as `put_miss` does one; shapes as of `rows`."""
        self.reach[rows] = reach
        self.polled_at[rows] = at
        self.goods[rows] = 0
        fallen = self.misses[rows] == 0
        self.missing_since[rows[fallen]] = at[fallen]
        self.misses[rows] += polls
        speaks = (reach == _ERRORED) | (reach == _REFUSED)
        since = self.mute_since[rows]
        self.mute_since[rows] = np.where(speaks, math.nan, np.where(np.isnan(since), at, since))

    def put_outlet(self, outlet: Outlet, now: float, reading: OutletReading) -> None:
        """Store one outlet's relay state, current and power. Outlets the site does not know are ignored."""
        row = self.outlet_rows.get(outlet)
        if row is None:
            return
        self.outlet_state.put(row, float(reading.state), now)
        self.outlet_a.put(row, reading.current_a, now)
        self.outlet_w.put(row, reading.power_w, now)

    def put_pools(self, where: Bools, at: Floats, pool: NDArray[np.int16], worker_ok: Floats) -> None:
        """Store which pool the rows `where` work for, by its place in the site's list, and whether under their name."""
        np.putmask(self.pool, where, pool)
        np.putmask(self.pool_at, where, at)
        self.worker_ok.put_rows(where & ~np.isnan(worker_ok), worker_ok, at)

    def named_pool(self, row: int, url: str, user: str | None) -> tuple[int, float]:
        """Return what a row says of its pool: the pool's place, and 1.0 or 0.0 for its name there, NaN if unknown."""
        return self._pools.code(url), self._pools.worker_fits(row, user)

    def put_probe(self, result: ProbeResult) -> None:
        """Store what the gateway itself found of a pool, and since when it has found it good without a break."""
        self.probes[result.pool] = result
        if result.verdict is Verdict.GOOD:
            self.pool_good_since.setdefault(result.pool, result.at)
        else:
            self.pool_good_since.pop(result.pool, None)

    def put_cooling(self, unit: CoolingUnitId, now: float, reading: CoolingReading) -> None:
        """Store one read of a cooling unit. Units the site does not know are ignored."""
        self.cooling.put(unit, now, reading)

    def put_port(self, port: Port, now: float, reading: PortReading) -> None:
        """Store one switch port's reading. Ports the site does not know are ignored."""
        row = self.port_rows.get(port)
        if row is None:
            return
        self.port_up.put(row, None if reading.up is None else float(reading.up), now)
        self.port_admin.put(row, None if reading.admin_up is None else float(reading.admin_up), now)
        self.port_pvid.put(row, None if reading.pvid is None else float(reading.pvid), now)
        if reading.in_octets is not None:
            self.port_before[row] = self.port_octets.at[row]
        had_errors = not math.isnan(self.port_errors.total[row])
        for counter, count in ((self.port_octets, reading.in_octets), (self.port_errors, reading.in_errors)):
            raw = None if count is None else float(count)
            counter.put(row, raw, now, restarted=raw is not None and raw < counter.raw[row])
        if not had_errors:
            self.port_errors.grew_at[row] = math.nan  # one reading of errors, whenever they came, is no growth

    # -- read by everybody -------------------------------------------------------------------------------------------

    def target_th(self, rows: Places = EVERY) -> Floats:
        """Expected hashrate in TH/s of those rows, or of all: what the device aims at, else the inventory's nominal.

        Of one that the agent has derated no more than its share of the nominal.
        """
        target = self.expected_th.value[rows].copy()
        np.putmask(target, np.isnan(target), self.nominal_th[rows])
        if self.any_derated:
            np.minimum(target, self.nominal_th[rows] * self.derated[rows], out=target)
        return target

    def work_w(self, rows: Places = EVERY) -> Floats:
        """What those rows, or all, draw at work in W: their nominal power, of derated ones their share of it."""
        power_w: Floats = self.nominal_w[rows] * self.derated[rows]
        return power_w

    def target_of(self, row: int) -> float:
        """Return the same of one row."""
        expected_th = float(self.expected_th.value[row])
        target_th = float(self.nominal_th[row]) if math.isnan(expected_th) else expected_th
        return min(target_th, float(self.nominal_th[row] * self.derated[row])) if self.any_derated else target_th

    def watched(self) -> Bools:
        """Return the rows that are supposed to work, shape (n,): running, tuning, or derated."""
        watched: Bools = self.expected <= _DERATED
        return watched

    def asleep(self) -> Bools:
        """Return the rows of which no work is expected, shape (n,): told to sleep, curtailed, or worked on."""
        asleep: Bools = self.expected >= _SUSPENDED
        return asleep

    def may_be_hot(self, rows: Places = EVERY) -> Bools:
        """Return which of those rows' heat counts: all that are supposed to work, and who goes on regardless.

        Neither a curtailment nor a maintenance excuses what is a danger.
        """
        expected = self.expected[rows]
        hot: Bools = (expected <= _DERATED) | ((expected >= _CURTAILED) & (self.suspended.value[rows] != 1.0))
        return hot

    def usual_pvid(self, port: Port) -> int | None:
        """Return the VLAN of most other ports of its switch with miners; None if few are known, or they disagree."""
        used = self._used_ports.get(port.switch)
        if used is None:
            return None
        known = self.port_pvid.value[used[used != self.port_rows.get(port, -1)]]
        pvids, votes = np.unique(known[~np.isnan(known)], return_counts=True)
        most = int(votes.max(initial=0))
        return int(pvids[votes.argmax()]) if most >= PEERS_MIN and 2 * most > int(votes.sum()) else None

    def row(self, miner: MinerId) -> "MinerRow":
        """Return the view of one miner; KeyError if the inventory has none of that id."""
        return MinerRow(self, self.site.rows[miner])

    def outlet(self, outlet: Outlet) -> "OutletView":
        """Return what is known of one outlet; unknown state and NaN where its PDU is not configured."""
        row = self.outlet_rows.get(outlet)
        if row is None:
            return OutletView(outlet, OutletState.UNKNOWN, math.nan, math.nan, math.nan)
        state = self.outlet_state.value[row]
        return OutletView(
            outlet,
            OutletState.UNKNOWN if math.isnan(state) else OutletState(int(state)),
            float(self.outlet_a.value[row]),
            float(self.outlet_w.value[row]),
            float(self.outlet_state.at[row]),
        )


@dataclass(frozen=True, slots=True)
class OutletView:
    """One outlet as last read: relay state, A, W (NaN where unmetered), and when (UTC s, NaN for never)."""

    outlet: Outlet
    state: OutletState
    current_a: float
    power_w: float
    at: float


@dataclass(frozen=True, slots=True)
class PortView:
    """One switch port as last read.

    Attributes:
        up: link state, None where never read.
        quiet_s: how long, at the last reading, the attached device had sent nothing; NaN where unknown.
        at: UTC s of the last reading, NaN for never.
        admin_up: whether somebody wants it to have a link, None where never read.
        admin_at: UTC s of that reading, NaN for never.
        pvid: the VLAN of frames without a tag, None where never read.
    """

    up: bool | None
    quiet_s: float
    at: float
    admin_up: bool | None = None
    admin_at: float = math.nan
    pvid: int | None = None


@dataclass(frozen=True, slots=True)
class MinerRow:
    """One miner's row, for code about one device."""

    view: SiteView
    index: int

    @property
    def reach(self) -> Reach:
        """How its last poll ended."""
        return Reach(int(self.view.reach[self.index]))

    @property
    def missing_s(self) -> float:
        """Seconds between the first of the present run of lost polls and the latest one; 0.0 while it answers."""
        since = float(self.view.missing_since[self.index])
        return 0.0 if math.isnan(since) else float(self.view.polled_at[self.index]) - since

    @property
    def mute_s(self) -> float:
        """Seconds for which, at the last poll, nothing sensible had come back: silence or garbage; 0.0 otherwise."""
        since = float(self.view.mute_since[self.index])
        return 0.0 if math.isnan(since) else float(self.view.polled_at[self.index]) - since

    @property
    def rate_share(self) -> float:
        """Short-window rate as a share of the expected one, at the last answer; NaN where it told none."""
        return float(self.view.hashrate_th.value[self.index] / self.view.target_of(self.index))

    @property
    def work_still_s(self) -> float:
        """Seconds for which, at the last answer, no hash had been counted; NaN where it counts none."""
        return float(self.view.work_gh.at[self.index] - self.view.work_gh.grew_at[self.index])

    @property
    def outlets(self) -> tuple[OutletView, ...]:
        """What is known of each of its outlets."""
        return tuple(self.view.outlet(o) for o in self.view.site.miners[self.index].outlets)

    @property
    def port(self) -> PortView | None:
        """Its switch port as last read; None where the inventory names no port."""
        port = self.view.site.miners[self.index].port
        if port is None or port not in self.view.port_rows:
            return None
        view, row = self.view, self.view.port_rows[port]
        up, admin, pvid = view.port_up.value[row], view.port_admin.value[row], view.port_pvid.value[row]
        return PortView(
            None if math.isnan(up) else bool(up),
            float(view.port_octets.at[row] - view.port_octets.grew_at[row]),
            float(view.port_up.at[row]),
            None if math.isnan(admin) else bool(admin),
            float(view.port_admin.at[row]),
            None if math.isnan(pvid) else int(pvid),
        )

    @property
    def port_error_rate(self) -> float:
        """Damaged frames its port received, a second, over the last ERROR_SPAN_S; NaN where that is not known."""
        port = self.view.site.miners[self.index].port
        row = None if port is None else self.view.port_rows.get(port)
        grown = None if row is None else self.view.port_errors.over(row, ERROR_SPAN_S[0])
        return math.nan if grown is None or grown[1] > ERROR_SPAN_S[1] else grown[0] / grown[1]

    @property
    def usual_pvid(self) -> int | None:
        """The VLAN of most of its switch's other ports with miners; None where too few are known, or they disagree."""
        port = self.view.site.miners[self.index].port
        return None if port is None else self.view.usual_pvid(port)

    @property
    def expected(self) -> Expected:
        """What it is supposed to be doing."""
        return Expected(int(self.view.expected[self.index]))


def _outlets(site: Site) -> list[tuple[Pdu, int]]:
    return [(pdu, number) for pdu in site.pdus for number in range(1, pdu.outlet_count + 1)]


def _used_ports(site: Site, rows: Mapping[Port, int]) -> dict[SwitchId, NDArray[np.int64]]:
    """Return the rows of the ports with a miner behind them, by switch."""
    used: dict[SwitchId, list[int]] = {}
    for miner in site.miners:
        if miner.port is not None and miner.port in rows:
            used.setdefault(miner.port.switch, []).append(rows[miner.port])
    return {switch: np.array(ports, dtype=np.int64) for switch, ports in used.items()}


def _ports(site: Site) -> list[tuple[Switch, int]]:
    return [(switch, number) for switch in site.switches for number in range(1, switch.port_count + 1)]
