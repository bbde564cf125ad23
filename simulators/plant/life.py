"""What a miner does by itself: it boots, starts its mining process, hashes, keeps cool, starts afresh.

What it is told, what breaks it and what it shows are the miner's; its rules for choosing a pool are its client's.
"""

import math
import random
from collections.abc import Callable, Sequence

import numpy as np

from agent.model.ids import MinerId
from agent.model.topology import Miner, Outlet
from simulators.plant.clockwork import Clockwork, Happening
from simulators.plant.cooling import Coolant
from simulators.plant.firmware import firmware_of, profile_of
from simulators.plant.hardware import Figures, Hardware
from simulators.plant.hashing import Hashing, share_difficulty
from simulators.plant.heat import MinerHeat
from simulators.plant.history import History
from simulators.plant.image import board_of
from simulators.plant.journal import Journal, What
from simulators.plant.lan import Lan
from simulators.plant.lines import Chatter, Mains
from simulators.plant.pool_client import PoolClient
from simulators.plant.pools import HIGH_REJECTS, PoolLine, PoolsPlant
from simulators.plant.profile import chips_per_board
from simulators.plant.protection import WATCH_K, Protection
from simulators.plant.state import Board, MinerFaults, Process
from simulators.plant.system import Cure, System

HEALTHY_LEVEL = 0.95
"""A miner is healthy at this share of its target or more: the clear condition of facts "detection", section 7."""

ROUNDING = 1e-6
"""What a level may fall short of the one it was planned to have reached."""

FED_RAMP_S, FED_RAMP_FROM = 10.0, 0.5
"""Warm boards that get work again are back at full rate after so long, from that share of it. An estimate."""

RESCALE_S = 20.0
"""From one share of the full rate to another: frequency and voltage go there in steps. An estimate."""

HOT_K = 10.0
"""A miner is called hot from so far below a limit, its chips' or its boards': the clear condition of facts "detection",
section 7."""

RESPAWN_S = 10.0
"""A mining process that exits is started again after so long where the family's watchdog says nothing else."""


class MinerLife:
    """Power supply, control board and mining process of one miner, and what leads from one state to another.

    It is up while all its outlets have voltage: a miner with two cords loses its hashboards with either of them, so one
    dead cord counts as off. Its draw spreads evenly over the outlets that do have voltage. A latched supply counts as
    cold only while none has.

    Times are site seconds. Every method that takes `now` first lets happen what is due by then.

    Attributes:
        spec: the miner of the inventory. firmware: what it runs. profile: its family's figures under that firmware.
        system: what is installed on its control board, and what ails that.
        hashing: its process's counters. client: the pool client. lan: its network. full_w: its draw at full rate.
        board, process, fault: its present state.
        healthy: hashes at 95 % of its target or more, for a pool of the site that takes its shares.
        suspended: told to sleep. derated: the share of its rate that it was told to run at.
        target_gh: the rate it is to run at.
        protection: what its firmware does about its temperature.
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
        coolant: Coolant,
        rng: random.Random,
        nonce_rng: np.random.Generator,
        share_rng: np.random.Generator,
    ) -> None:
        self.spec = spec
        self.firmware = firmware_of(spec.id, spec.family, history)
        self.profile = profile_of(spec.family, self.firmware, spec.boards)
        self.fault = MinerFaults()
        self.on_change: Callable[[MinerId], None] | None = None
        self.board = Board.UP
        self.process = Process.RUNNING
        self.healthy = True
        self.suspended = False
        self.derated = self._lasting_share = 1.0
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
        self.system = System(
            self,
            version=self.firmware.version,
            control_board=board_of(spec, history),
            clockwork=clockwork,
            journal=journal,
            rng=rng,
        )
        self.lan = Lan(self, clockwork, rng, self.profile.gives_up_s, spec.host)
        heat = MinerHeat(spec, figures.build, self.hashing, coolant, clockwork.now)
        self._hardware = Hardware(figures, self.profile, self.hashing, heat)
        self.protection = Protection(spec, heat, self)
        self._coolant, self._place = coolant, coolant.join(self)
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
            self.fault.parts.cool(self._mains.cold_s(now))
            self._mains.give(outlet)
        else:
            self._mains.take(outlet, now)
        if self.energised and not was_up:
            self._power_up(now)
        elif was_up and not self.energised:
            self._power_down(now)
            self.system.cure(Cure.REBOOT)

    def reboot(self, now: float, *, by_itself: bool = False) -> bool:
        """Reboot the control board; return whether the command reached a living control board."""
        self._clock.advance(now)
        if self.board is not Board.UP:
            return False
        if not by_itself:
            self._journal.note(now, What.REBOOT, miner=self.spec.id, healthy=self.healthy)
            self.system.cure(Cure.REBOOT)
        self._power_down(now)
        self._power_up(now)
        return True

    def suspend(self, now: float, *, by_itself: bool = False) -> None:
        """Put a miner to sleep that runs or starts: the API answers, the hashboards are off. It was told to."""
        self._clock.advance(now)
        if self.process in {Process.RUNNING, Process.STARTING}:
            if not by_itself:
                self._journal.note(now, What.SUSPEND, miner=self.spec.id, healthy=self._is_cool(now))
            if self.process is Process.RUNNING:
                self._halt(now)
            self._hardware.boards_off_at = now
            self.suspended = True

    def _be_derated(self, share: float) -> None:
        self.derated = share
        self.target_gh = self.spec.hashrate_th * 1000.0 * share

    @property
    def energised(self) -> bool:
        """All its outlets have voltage."""
        return self._mains.whole

    @property
    def live_feeds(self) -> int:
        """How many of its outlets have voltage."""
        return self._mains.live

    # -- what its pool client tells it -------------------------------------------------------------------------------

    def pool_changes(self) -> None:
        """Hear that the client's state is about to change."""
        self._changed()

    def pool_changed(self, now: float) -> None:
        """Let shares go where the client sends them now, and be taken as the pool takes them."""
        taken = (1.0 - self.profile.reject_share) * (1.0 - self.client.reject_share) * (1.0 - self.bad_shares)
        self.hashing.want(now, self.client.wanted and self.lan.reaches_pools)
        self.hashing.reject(now, 1.0 - taken)
        self._judge(now)

    @property
    def bad_shares(self) -> float:
        """The share of its shares that any pool rejects, as it runs now."""
        eased_at = self.fault.bad_eased_at
        return 0.0 if eased_at is not None and self.derated <= eased_at else self.fault.bad_shares

    def starve(self, now: float) -> None:
        """Run out of work: the boards keep their power and compute nothing."""
        self._coolant.stir(self._place)
        self._hardware.halt(now)
        self._judge(now)

    def feed(self, now: float) -> None:
        """Get work again."""
        if not self.fault.hashing_stopped:
            self._work(now, warm=self.hashing.hashing_s > 0.0)

    # -- what its temperature does to it -----------------------------------------------------------------------------

    @property
    def told_gh(self) -> float:
        """The rate that the device says it aims at, in GH/s."""
        return self.target_gh * (self.protection.share if self.protection.rules.tells_steps else 1.0)

    def curb(self, now: float) -> None:
        """Hear that its firmware is about to slow it down or stop it."""
        self._journal.note(now, What.CURBED, miner=self.spec.id, healthy=self.healthy)

    def aim(self, now: float) -> None:
        """Compute at the share that it was told, and that its protection allows."""
        self._changed()
        self._set_pace(now, RESCALE_S)
        self._clock.plan(now + RESCALE_S, self._judge)

    def stop_for_heat(self, now: float) -> None:
        """Switch the hashboards off."""
        self._halt(now)
        self._hardware.boards_off_at = now

    def start_after_heat(self, now: float) -> None:
        """Hash again, or start a new process where its firmware does that; not if it was told to sleep since."""
        if self.suspended:
            return
        if self.protection.rules.restarts:
            self._start_process(now)
        else:
            self._changed()
            self._work(now)

    def heat_w(self) -> float:
        """Return what it gives off now, without chance, in W."""
        supplied = self.energised and not self.fault.psu_dead and not self.fault.psu_latched
        if not supplied:
            return 0.0
        return self._hardware.steady_w(self._clock.now, self.board, self.process, self.fault.hung_draw)

    def is_ramping(self, now: float) -> bool:
        """Whether its rate or its draw is on its way to another one."""
        return now < self.hashing.ramp_end or now < self._hardware.boards_off_at < math.inf

    def carried_away(self, now: float, resistance: float | None, flow: float) -> None:
        """Hear that its coolant carries heat away otherwise from now on; None: it stands still."""
        self._changed()
        self._hardware.heat.carry(now, resistance, flow)

    def cooled_by(self, now: float, coolant: Coolant) -> None:
        """Hear that from now on something else cools it, as it was designed to."""
        self._changed()
        self._hardware.heat.carry(now, 1.0, 1.0)
        self._hardware.heat.coolant = coolant

    def watch_heat(self, now: float) -> bool:
        """Do what its firmware does about its temperature; return whether that has to be looked at again soon."""
        if self.process is not Process.RUNNING:
            return self.protection.share < 1.0 or self.protection.margin_k(now) < WATCH_K
        return self.protection.watch(now, stays_off=self.fault.stays_off)

    def endures_c(self) -> float:
        """Return the temperature of its coolant below which its firmware has nothing to do about it."""
        return self.protection.endures_c()

    def _is_cool(self, now: float) -> bool:
        """Whether it is healthy, and neither hot itself nor on a loop that is out of order."""
        return self.healthy and self.protection.room_k(now) >= HOT_K and not self._coolant.is_amiss

    # -- what its system tells it ------------------------------------------------------------------------------------

    def system_changes(self) -> None:
        """Hear that something about the system is about to change."""
        self._changed()

    def system_changed(self, now: float) -> None:
        """Hear that it has: what keeps failing is not healthy, not even in between."""
        self._judge(now)

    def crash(self, now: float) -> None:
        """Let the mining process exit; whatever looks after it starts it again."""
        if self.board is Board.UP:
            self._halt(now)
            self._end_process(Process.DEAD, now)
            self._lose_heartbeat(now)
            self._plan(now + (self.profile.watchdog_s or RESPAWN_S), self._start_process)

    def stop_for_flash(self, now: float) -> None:
        """End the mining process: its program is about to be erased."""
        self._halt(now)
        self._end_process(Process.STOPPED, now)
        self._lose_heartbeat(now)

    def forget_settings(self, now: float) -> None:
        """Be as delivered: no pool is configured."""
        self._changed()
        self.client.configure((), now)

    # -- its own life ------------------------------------------------------------------------------------------------

    def _power_up(self, now: float) -> None:
        if self.fault.psu_dead or self.fault.psu_latched:
            return
        self.fault.parts.supply_out = False
        self.board = Board.BOOTING
        self._plan(now + self._rng.uniform(*self.profile.boot_s), self._booted)

    def _power_down(self, now: float) -> None:
        self._halt(now)
        self.system.ends(now)
        self._chatter.end(now)
        self.board = Board.OFF
        self._end_process(Process.STOPPED, now)
        self._hardware.boards_off_at = now
        self.fault.board_hung = False
        self._mend_by_restart()

    def _mend_by_restart(self) -> None:
        self.fault.process_dead = self.fault.hashing_stopped = False
        self.suspended = False
        self._be_derated(self._lasting_share)
        self.protection.begin()
        self.fault.stays_off = self.fault.stays_off and self.fault.clogged
        if self.fault.bad_until_restart:
            self.fault.bad_shares, self.fault.bad_until_restart = 0.0, False

    def _booted(self, now: float) -> None:
        self._changed()
        if not self.system.boots(now):
            self.board = Board.BRICKED
            return
        self.board = Board.UP
        self._booted_at = now
        self._chatter.begin(now)
        self._start_process(now)

    def _start_process(self, now: float) -> None:
        self._halt(now)
        self._mend_by_restart()
        if not self.system.starts_process(now):
            self._end_process(Process.DEAD, now)
            return
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
        if self.suspended or self.protection.tripped:
            return
        if self.refuses_to_hash:
            self._lose_heartbeat(now)
            return
        self._hardware.boards_off_at = math.inf
        if self.client.starved or not self.lan.brings_work():
            return
        ramp_s, ramp_from = self._rng.uniform(*self.profile.ramp_s), self.profile.ramp_from
        if warm:
            ramp_s, ramp_from = min(ramp_s, FED_RAMP_S), FED_RAMP_FROM
        self._set_pace(now)
        self._coolant.stir(self._place)
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
        useful = self.client.earning and self.lan.reaches_pools and self.bad_shares < HIGH_REJECTS
        found = self.lan.host == self.lan.known_at
        sound = self.system.is_sound and not self.fault.parts.any()
        sound = sound and (not self.fault.clogged or self.protection.holds(now, self.derated))
        healthy = self.process is Process.RUNNING and sound and useful and found and level >= HEALTHY_LEVEL - ROUNDING
        if healthy != self.healthy:
            what = What.HEALTHY if healthy else What.UNHEALTHY
            self._journal.note(now, what, miner=self.spec.id, healthy=self.healthy)
            self.healthy = healthy

    @property
    def refuses_to_hash(self) -> bool:
        """Whether its firmware does not hash as it is: some want every fan to turn."""
        return self.profile.wants_fans and bool(self.fault.parts.fans)

    def _set_pace(self, now: float, ramp_s: float = 0.0) -> None:
        """Let it compute what its boards and chips can, it was told to, and its protection allows."""
        self._hardware.heat.advance(now)
        allowed = self.derated * self.protection.share
        self.hashing.set_pace(now, self.fault.parts.level * sum(self._board_weights()) * allowed, ramp_s)
        self._judge(now)

    def _board_weights(self) -> list[float]:
        """Return what each board computes of the whole miner's full rate."""
        faults, chips = self.fault.parts, chips_per_board(self.spec, self.profile)
        return [
            0.0 if board in faults.boards else share * (1.0 - faults.chips.get(board, 0) / chips)
            for board, share in enumerate(self._hardware.figures.build.board_shares)
        ]

    def _changed(self) -> None:
        """Tell whoever advances steady miners, before anything is touched: its counters may have to come back."""
        if self.on_change:
            self.on_change(self.spec.id)
        self._coolant.stir(self._place)

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
