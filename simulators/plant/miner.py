"""One miner: power supply, control board, mining process, hashboards, and what each does over time.

What it says on the wire is not here; servers ask `board`, `process`, `wire` and `readings`. Its rules for choosing a
pool are its client's.
"""

import math
import random
from collections.abc import Callable, Sequence

import numpy as np

from agent.model.ids import MinerId
from agent.model.topology import Miner, Outlet
from simulators.plant.clockwork import Clockwork, Happening
from simulators.plant.firmware import firmware_of, profile_of
from simulators.plant.hardware import Figures, Hardware
from simulators.plant.hashing import Hashing, share_difficulty
from simulators.plant.history import History
from simulators.plant.journal import Journal, What
from simulators.plant.lan import Lan
from simulators.plant.lines import Chatter, Mains
from simulators.plant.pool_client import PoolClient
from simulators.plant.pools import HIGH_REJECTS, PoolLine, PoolsPlant
from simulators.plant.readings import Readings
from simulators.plant.state import Board, HungDraw, MinerFaults, Process, WireFault

HEALTHY_LEVEL = 0.95
"""A miner is healthy at this share of its target or more: the clear condition of facts "detection", section 7."""

ROUNDING = 1e-6
"""What a level may fall short of the one it was planned to have reached."""

FED_RAMP_S, FED_RAMP_FROM = 10.0, 0.5
"""Warm boards that get work again are back at full rate after so long, from that share of it. An estimate."""

SHARE_OCTETS = 220


class MinerPlant:
    """One simulated miner.

    It is up while all its outlets have voltage: a miner with two cords loses its hashboards with either of them, so one
    dead cord counts as off. Its draw spreads evenly over the outlets that do have voltage. A latched supply counts as
    cold only while none has.

    Times are site seconds. Every method that takes `now` first lets happen what is due by then.

    Attributes:
        spec: the miner of the inventory. firmware: what it runs. profile: its family's figures under that firmware.
        hashing: its process's counters. client: the pool client. lan: its network. full_w: its draw at full rate.
        board, process, fault, wire: its present state; servers read these after `SitePlant.advance`.
        healthy: hashes at 95 % of its target or more, for a pool of the site that takes its shares.
        suspended: told to sleep.
        api_octets: octets of API replies; whoever answers for the miner adds them.
        on_change: called before anything about it changes but counters.
    """

    def __init__(
        self,
        spec: Miner,
        *,
        clockwork: Clockwork,
        journal: Journal,
        history: History,
        pools: PoolsPlant,
        rng: random.Random,
        nonce_rng: np.random.Generator,
        share_rng: np.random.Generator,
    ) -> None:
        self.spec = spec
        self.firmware = firmware_of(spec.id, spec.family, history)
        self.profile = profile_of(spec.family, self.firmware)
        self.fault = MinerFaults()
        self.on_change: Callable[[MinerId], None] | None = None
        self._wire: WireFault | None = None
        self.board = Board.UP
        self.process = Process.RUNNING
        self.healthy = True
        self.suspended = False
        self.api_octets = 0
        self._clock = clockwork
        self._journal = journal
        self._rng = rng
        self._plans = 0
        self._mains = Mains(spec.outlets)
        figures = Figures.drawn(spec, self.profile, rng)
        self.full_w = figures.full_w
        self.target_gh = spec.hashrate_th * 1000.0
        full_gh = self.target_gh * rng.uniform(0.985, 1.015)
        self.hashing = Hashing(
            spec.id,
            full_gh=full_gh,
            diff=share_difficulty(self.target_gh),
            reject_share=self.profile.reject_share,
            stale_share=self.profile.stale_share,
            freezes=self.profile.freezes,
            history=history,
            nonce_rng=nonce_rng,
            share_rng=share_rng,
        )
        self.client = PoolClient(
            spec.id,
            pools.lines_for(spec),
            owner=self,
            pools=pools,
            hashing=self.hashing,
            clockwork=clockwork,
            rng=rng,
        )
        self.lan = Lan(self, clockwork, rng, self.profile.gives_up_s)
        self._hardware = Hardware(figures, self.profile, self.hashing, clockwork.now)
        self._run_since_long_ago(clockwork.now)

    def _run_since_long_ago(self, now: float) -> None:
        started = now - self._rng.uniform(3600.0, 10 * 86_400.0)
        self._booted_at = started - self._rng.uniform(*self.profile.boot_s)
        self._chatter = Chatter(self._booted_at)
        self.hashing.reset(started)
        self.hashing.begin(started + self._rng.uniform(*self.profile.init_s), 0.0, 1.0)
        self.hashing.advance(now)
        self.client.start(now)
        self.client.clear(now)

    # -- what happens to it ------------------------------------------------------------------------------------------

    def set_energised(self, on: bool, now: float) -> None:
        """Give voltage to all its outlets, or take it from all."""
        for outlet in self.spec.outlets:
            self.set_feed(outlet, on, now)

    def set_feed(self, outlet: Outlet, on: bool, now: float) -> None:
        """Give voltage to one of its outlets, or take it away."""
        self._clock.advance(now)
        self._changed()
        was_up = self.energised
        if on:
            self.fault.psu_latched &= not self._mains.is_cold(now)
            self._mains.give(outlet)
        else:
            self._mains.take(outlet, now)
        if self.energised and not was_up:
            self._power_up(now)
        elif was_up and not self.energised:
            self._power_down(now)

    def restart_process(self, now: float) -> bool:
        """Restart the mining process; return whether the command reached a living control board."""
        self._clock.advance(now)
        if self.board is not Board.UP:
            return False
        self._journal.note(now, What.RESTART, miner=self.spec.id, healthy=self.healthy)
        self._start_process(now)
        return True

    def reboot(self, now: float, *, by_itself: bool = False) -> bool:
        """Reboot the control board; return whether the command reached a living control board."""
        self._clock.advance(now)
        if self.board is not Board.UP:
            return False
        if not by_itself:
            self._journal.note(now, What.REBOOT, miner=self.spec.id, healthy=self.healthy)
        self._power_down(now)
        self._power_up(now)
        return True

    def suspend(self, now: float) -> None:
        """Put a running miner to sleep: the API answers, the hashboards are off. It was told to."""
        self._clock.advance(now)
        if self.process is Process.RUNNING:
            self._halt(now)
            self._hardware.boards_off_at = now
            self.suspended = True

    def resume(self, now: float) -> None:
        """Wake a sleeping miner."""
        self._clock.advance(now)
        if self.suspended:
            self._changed()
            self.suspended = False
            self._work(now)

    def set_pools(self, now: float, lines: Sequence[PoolLine]) -> bool:
        """Give it another list of pools; return whether that reached a living control board.

        Some families start another mining process for it, others connect anew.
        """
        self._clock.advance(now)
        if self.board is not Board.UP:
            return False
        self._journal.note(now, What.SET_POOLS, miner=self.spec.id, healthy=self.healthy)
        self._configure_pools(now, lines)
        return True

    def switch_pool(self, now: float, index: int) -> bool:
        """Have it work for one line of its list; return whether there is such a line and a process that hears it."""
        self._clock.advance(now)
        was_healthy = self.healthy
        switched = self.board is Board.UP and self.client.switch(index, now)
        if switched:
            self._journal.note(now, What.SWITCH_POOL, miner=self.spec.id, healthy=was_healthy)
        return switched

    # -- what breaks it ----------------------------------------------------------------------------------------------

    def kill_process(self, now: float, *, watchdog: bool) -> None:
        """Let the mining process die; a stock Antminer starts it again by itself unless its `watchdog` failed too."""
        self._clock.advance(now)
        if self.board is not Board.UP:
            return
        self._halt(now)
        self._end_process(Process.DEAD, now)
        self.fault.process_dead = True
        self._lose_heartbeat(now)
        if watchdog and self.profile.watchdog_s is not None:
            self._plan(now + self.profile.watchdog_s, self._start_process)

    def stop_hashing(self, now: float) -> None:
        """Let the hashboards stop under a living process: rates fall, averages freeze where firmware does so."""
        self._clock.advance(now)
        if self.process is Process.RUNNING:
            self._halt(now)
            self._lose_heartbeat(now)
            self.fault.hashing_stopped = True

    def hang_board(self, now: float, *, draw: HungDraw) -> None:
        """Let the control board hang: nothing is sent any more; the boards switch off, or go on drawing in full."""
        self._clock.advance(now)
        if self.board is Board.OFF:
            return
        self._halt(now)
        self._chatter.end(now)
        self.board = Board.HUNG
        self._end_process(Process.STOPPED, now)
        self.fault.board_hung = True
        self.fault.hung_draw = draw
        self._lose_heartbeat(now)

    def latch_psu(self, now: float) -> None:
        """Let the power supply latch off: only its standby draw remains until it was cold for COLD_S."""
        self._clock.advance(now)
        self.fault.psu_latched = True
        self._power_down(now)

    def kill_psu(self, now: float, *, standby_w: float) -> None:
        """Let the power supply die for good, still drawing `standby_w`."""
        self._clock.advance(now)
        self.fault.psu_dead = True
        self.fault.standby_w = standby_w
        self._power_down(now)

    def spoil_shares(self, now: float, share: float, *, until_restart: bool) -> None:
        """Let that share of its shares be bad: any pool rejects them; a new process may or may not cure it."""
        self._clock.advance(now)
        self._changed()
        self.fault.bad_shares = share
        self.fault.bad_until_restart = until_restart
        self.pool_changed(now)

    def hijack(self, now: float, lines: Sequence[PoolLine]) -> None:
        """Let somebody who has no business there give it another list of pools."""
        self._clock.advance(now)
        self._configure_pools(now, lines)

    def repair(self, now: float) -> None:
        """Let a person put right whatever is broken, and start it afresh; a sound miner is left alone."""
        self._clock.advance(now)
        if not self.fault.any():
            return
        self._power_down(now)
        self.fault = MinerFaults()
        if self.energised:
            self._power_up(now)

    # -- what it shows -----------------------------------------------------------------------------------------------

    @property
    def wire(self) -> WireFault | None:
        """What disturbs its API's connections, None when nothing does."""
        return self._wire

    @wire.setter
    def wire(self, fault: WireFault | None) -> None:
        self._changed()
        self._wire = fault

    def is_steady(self, now: float) -> bool:
        """Whether nothing about it changes but counters: up, hashing in full for a while, and nothing wrong."""
        return (
            self.board is Board.UP
            and self.process is Process.RUNNING
            and self.healthy
            and not self.suspended
            and self._wire is None
            and self.energised
            and not self.fault.any()
            and self.lan.is_sound
            and self.hashing.is_steady(now)
        )

    @property
    def energised(self) -> bool:
        """All its outlets have voltage."""
        return self._mains.whole

    @property
    def live_feeds(self) -> int:
        """How many of its outlets have voltage."""
        return self._mains.live

    def hashing_ratio(self) -> float:
        """Return the share of its target that it computes now, without chance."""
        return self.hashing.level(self._clock.now) * self.hashing.full_gh / self.target_gh

    def power_w(self) -> float:
        """Return what it draws from all its outlets now, in W."""
        if not self._mains.live:
            return 0.0
        if self.fault.psu_dead:
            return self.fault.standby_w
        if self.fault.psu_latched:
            return self._hardware.figures.latch_w
        if not self.energised:
            return self._hardware.figures.standby_w
        return self._hardware.drawn_w(self._clock.now, self.board, self.process, self.fault.hung_draw)

    def octets_sent(self) -> int:
        """Return how many octets it has ever put on the network."""
        now = self._clock.now
        self.hashing.advance(now)
        return self._chatter.octets(now) + self.hashing.shares_ever * SHARE_OCTETS + self.api_octets

    def readings(self, now: float) -> Readings:
        """Return what its displays show at `now`; meaningful while the board is UP."""
        self._clock.advance(now)
        h = self.hashing
        h.advance(now)
        alive = self.process is Process.RUNNING or self.process is Process.STARTING
        rate_5s, rate_1m, rate_5m, rate_15m, rate_30m = h.rates_gh
        line = self.client.line
        return Readings(
            at=now,
            rate_5s=rate_5s,
            rate_1m=rate_1m,
            rate_5m=rate_5m,
            rate_15m=rate_15m,
            rate_30m=rate_30m,
            rate_av=h.average_gh(now),
            elapsed_s=int(now - h.started_at) if alive else 0,
            uptime_s=int(now - self._booted_at) if self.board is Board.UP else 0,
            accepted=h.accepted,
            rejected=h.rejected,
            stale=h.stale,
            diff=h.diff,
            accepted_diff=h.accepted_diff,
            rejected_diff=h.rejected_diff,
            stale_diff=h.stale_diff,
            work_gh=h.work_gh,
            hw_errors=int(h.nonces() * self.profile.hw_error_share),
            last_share_at=h.last_share_at,
            chips_ok=now < self._hardware.boards_off_at and self.board is Board.UP,
            power_w=self.power_w(),
            target_gh=self.target_gh,
            upfreq_complete=h.level(now) >= 1.0,
            suspended=self.suspended,
            pool_url=line.url if line is not None else "",
            pool_user=line.user if line is not None else "",
            pool_alive=self.client.alive,
            build=self._hardware.figures.build,
            heat=self._hardware.warmth(now),
            flicker=self._hardware.flicker(now),
            fans_on=self.board is not Board.OFF,
            pool_book=self.client.book(),
        )

    # -- what its pool client tells it -------------------------------------------------------------------------------

    def pool_changes(self) -> None:
        """Hear that the client's state is about to change."""
        self._changed()

    def pool_changed(self, now: float) -> None:
        """Let shares go where the client sends them now, and be taken as the pool takes them."""
        taken = (1.0 - self.profile.reject_share) * (1.0 - self.client.reject_share) * (1.0 - self.fault.bad_shares)
        self.hashing.want(now, self.client.wanted and self.lan.reaches_pools)
        self.hashing.reject(now, 1.0 - taken)
        self._judge(now)

    def starve(self, now: float) -> None:
        """Run out of work: the boards keep their power and compute nothing."""
        self._hardware.halt(now)
        self._judge(now)

    def feed(self, now: float) -> None:
        """Get work again."""
        if not self.suspended and not self.fault.hashing_stopped:
            self._work(now, warm=self.hashing.hashing_s > 0.0)

    # -- its own life ------------------------------------------------------------------------------------------------

    def _power_up(self, now: float) -> None:
        if self.fault.psu_dead or self.fault.psu_latched:
            return
        self.board = Board.BOOTING
        self._plan(now + self._rng.uniform(*self.profile.boot_s), self._booted)

    def _power_down(self, now: float) -> None:
        self._halt(now)
        self._chatter.end(now)
        self.board = Board.OFF
        self._end_process(Process.STOPPED, now)
        self._hardware.boards_off_at = now
        self.fault.board_hung = False
        self._mend_by_restart()

    def _mend_by_restart(self) -> None:
        self.fault.process_dead = self.fault.hashing_stopped = False
        self.suspended = False
        if self.fault.bad_until_restart:
            self.fault.bad_shares, self.fault.bad_until_restart = 0.0, False

    def _booted(self, now: float) -> None:
        self.board = Board.UP
        self._booted_at = now
        self._chatter.begin(now)
        self._start_process(now)

    def _start_process(self, now: float) -> None:
        self._halt(now)
        self._mend_by_restart()
        self._end_process(Process.STARTING, now)
        self._hardware.boards_off_at = math.inf
        self.hashing.reset(now)
        self.client.clear(now)
        self._plan(now + self._rng.uniform(*self.profile.init_s), self._begin)

    def _end_process(self, process: Process, now: float) -> None:
        self.process = process
        self.client.stop(now)

    def _begin(self, now: float) -> None:
        self._changed()
        self.process = Process.RUNNING
        self.client.start(now)
        self.pool_changed(now)
        self._work(now)

    def _work(self, now: float, *, warm: bool = False) -> None:
        """Compute, if there is work: cold hashboards after the family's ramp, warm ones within seconds."""
        self._hardware.boards_off_at = math.inf
        if self.client.starved or not self.lan.brings_work():
            return
        ramp_s, ramp_from = self._rng.uniform(*self.profile.ramp_s), self.profile.ramp_from
        if warm:
            ramp_s, ramp_from = min(ramp_s, FED_RAMP_S), FED_RAMP_FROM
        self._hardware.compute(now, ramp_s, ramp_from)
        wanted = HEALTHY_LEVEL * self.target_gh / self.hashing.full_gh
        self._plan(now + ramp_s * max(0.0, wanted - ramp_from) / (1.0 - ramp_from), self._judge)

    def _configure_pools(self, now: float, lines: Sequence[PoolLine]) -> None:
        self._changed()
        self.client.configure(lines, now)
        if self.profile.pools_restart and self.process in {Process.RUNNING, Process.STARTING}:
            self._start_process(now)

    def _judge(self, now: float) -> None:
        """Tell whether it is healthy, and note when that changes."""
        level = self.hashing.level(now) * self.hashing.full_gh / self.target_gh
        useful = self.client.earning and self.lan.reaches_pools and self.fault.bad_shares < HIGH_REJECTS
        healthy = self.process is Process.RUNNING and useful and level >= HEALTHY_LEVEL - ROUNDING
        if healthy != self.healthy:
            what = What.HEALTHY if healthy else What.UNHEALTHY
            self._journal.note(now, what, miner=self.spec.id, healthy=self.healthy)
            self.healthy = healthy

    def _changed(self) -> None:
        """Tell whoever advances steady miners, before anything is touched: its counters may have to come back."""
        if self.on_change:
            self.on_change(self.spec.id)

    def _halt(self, now: float) -> None:
        """Stop hashing, whatever it was doing, and forget what it was about to do."""
        self._changed()
        self._plans += 1
        self._hardware.halt(now)
        self._judge(now)

    def _lose_heartbeat(self, now: float) -> None:
        self._hardware.boards_off_at = now + self._rng.uniform(*self.profile.heartbeat_s)

    def _plan(self, at: float, step: Happening) -> None:
        """Plan the next step of its life; any later turn of events cancels it."""
        self._plans += 1
        plan = self._plans

        def happen(now: float) -> None:
            if plan == self._plans:
                step(now)

        self._clock.plan(at, happen)
