"""One miner: a life of its own, what it is told, what breaks it, and what it shows.

What it says on the wire is not here; servers ask `board`, `process`, `wire` and `readings`.
"""

import math
from collections.abc import Sequence
from functools import partial

from simulators.plant.hashing import SHARES_PER_S
from simulators.plant.heat import MinerHeat
from simulators.plant.journal import What
from simulators.plant.parts import MinerParts
from simulators.plant.pools import HIGH_REJECTS, PoolLine
from simulators.plant.readings import Readings
from simulators.plant.state import Board, HungDraw, MinerFaults, Process, SshTrouble, WireFault, WireFaultKind
from simulators.plant.system import Cure

SHARE_OCTETS = 220

COLD = 0.01
"""Heat, over that at full rate, below which hashboards count as cold."""

CLOG_STEP_S = 60.0
"""A clog that grows does so in steps of this length."""


_UP, _OFF = Board.UP, Board.OFF
_RUNNING, _STARTING = Process.RUNNING, Process.STARTING
"""Members as such, as in `hardware`."""


class MinerPlant(MinerParts):
    """One simulated miner.

    Attributes:
        board, process, fault, wire: its present state; servers read these after `SitePlant.advance`.
        api_octets: octets of API replies; whoever answers for the miner adds them.
    """

    api_octets = 0
    _ssh = SshTrouble()
    _wire: WireFault | None = None

    # -- what it is told ---------------------------------------------------------------------------------------------

    def restart_process(self, now: float) -> bool:
        """Restart the mining process; return whether the command reached a living control board."""
        self._clock.advance(now)
        if self.board is not Board.UP:
            return False
        self._journal.note(now, What.RESTART, miner=self.spec.id, healthy=self.healthy)
        if not self.system.is_erased:
            self.system.cure(Cure.RESTART)
            self._start_process(now)
        return True

    def resume(self, now: float, *, restarts: bool = False, by_itself: bool = False) -> None:
        """Wake a sleeping miner, or have it start a new process; one that is too hot hashes once it is not."""
        self._clock.advance(now)
        if self.suspended:
            if not by_itself:
                self._journal.note(now, What.RESUME, miner=self.spec.id, healthy=self.healthy)
            self._changed()
            self.suspended = False
            self.protection.share = (
                1.0  # waking is like a start: it tries what it was told to do (facts "detection", 1.1)
            )
            if restarts:
                self._start_process(now)
            else:
                self._work(now)

    def derate(
        self, now: float, share: float, *, restarts: bool = False, lasts: bool = True, by_itself: bool = False
    ) -> bool:
        """Have it run at that share of its rate; return whether that reached a living control board.

        Args:
            now: site s.
            share: 1 for in full.
            restarts: it starts a new process for that.
            lasts: it outlives the mining process.
            by_itself: nobody is to blame for it.
        """
        self._clock.advance(now)
        if self.board is not Board.UP:
            return False
        if share != self.derated:
            self._changed()
            slows = share < self.derated
            needless = slows and self._is_cool(now) and self.bad_shares < HIGH_REJECTS
            if not by_itself:
                self._journal.note(now, What.DERATE, miner=self.spec.id, healthy=needless)
            self._lasting_share = share if lasts else self._lasting_share
            self._be_derated(share)
            self.pool_changed(now)
            self.protection.share = 1.0
            if restarts and self.process in {Process.RUNNING, Process.STARTING} and not self.suspended:
                self._start_process(now)
            else:
                self.aim(now)
        return True

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
        self.system.ends(now)
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

    def spoil_shares(self, now: float, share: float, *, until_restart: bool, eased_at: float | None = None) -> None:
        """Let that share of its shares be bad: any pool rejects them; a new process may cure it.

        At `eased_at` of its power or less they are good again; None where less power changes nothing.
        """
        self._clock.advance(now)
        self._changed()
        self.fault.bad_shares = share
        self.fault.bad_until_restart = until_restart
        self.fault.bad_eased_at = eased_at
        self.pool_changed(now)

    def clog_up(self, now: float, *, over_k: float, within_s: float = 0.0) -> None:
        """Let dust or scale hinder its cooling more and more, within so long.

        At full rate, with its fans at full speed, its hottest chip then comes to `over_k` above where it stops.
        """
        self._clock.advance(now)
        self._changed()
        self.fault.clogged = True
        faults, steps = self.fault, max(1, math.ceil(within_s / CLOG_STEP_S))
        before, most = self.warmth.clog, self.protection.clog_for(now, over_k)

        def clog(at: float, *, step: int) -> None:
            if faults is self.fault and faults.clogged:  # nobody has cleaned it
                self._changed()
                self.warmth.clog_up(at, before + (most - before) * step / steps)
                self._coolant.reconsider(self._place)
                self._judge(at)

        clog(now, step=1)
        for step in range(2, steps + 1):
            self._clock.plan(now + (step - 1) * within_s / steps, partial(clog, step=step))

    def block(self, now: float, *, over_k: float, for_s: float | None) -> None:
        """Let something lie on its intake for so long, or for good, so that it stops for its heat, and stays off.

        At full rate its hottest chip would come to `over_k` above where it stops.
        """
        self.clog_up(now, over_k=over_k)
        self.fault.stays_off = True
        if for_s is not None:
            faults = self.fault
            self._clock.plan(now + for_s, lambda at: self._unblock(at) if faults is self.fault else None)

    def clean(self, now: float) -> None:
        """Let a person clean it, and do nothing else."""
        self._clock.advance(now)
        if self.fault.clogged:
            self._unclog(now)

    def _unblock(self, now: float) -> None:
        self.fault.stays_off = self.protection.tripped
        self._unclog(now)

    def _unclog(self, now: float) -> None:
        self._changed()
        self.fault.clogged = False
        self.warmth.clog_up(now, 1.0)
        self._coolant.reconsider(self._place)
        self._judge(now)

    def hang_client(self, now: float) -> None:
        """Let its pool client hang on a connection that is gone."""
        self._clock.advance(now)
        self.client.hang(now)

    def hijack(self, now: float, lines: Sequence[PoolLine]) -> None:
        """Let somebody who has no business there give it another list of pools."""
        self._clock.advance(now)
        self._configure_pools(now, lines)

    @property
    def is_only_clogged(self) -> bool:
        """Whether nothing ails it but dust or scale, with which it is well at the rate that it was derated to."""
        sound = self.system.is_sound and not self.client.hung
        return self.healthy and sound and self.fault == MinerFaults(clogged=True)

    def repair(self, now: float) -> None:
        """Let a person put right whatever is broken, and start it afresh; a sound miner is left alone."""
        self._clock.advance(now)
        self.client.recall(now)
        if not self.fault.any() and self.system.is_sound and not self.client.hung:
            return
        self.system.restore()
        self._power_down(now)
        self.fault = MinerFaults()
        self._set_pace(now)
        self.warmth.clog_up(now, 1.0)
        self.warmth.turn_fans(now, self.profile.fans)
        self._coolant.reconsider(self._place)
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

    @property
    def ssh(self) -> SshTrouble:
        """What is wrong with its SSH."""
        return self._ssh

    @ssh.setter
    def ssh(self, trouble: SshTrouble) -> None:
        self._changed()
        self._ssh = trouble

    @property
    def warmth(self) -> MinerHeat:
        """How warm it is."""
        return self._hardware.heat

    def is_steady(self, now: float) -> bool:
        """Whether nothing about it changes but counters: up, and hashing evenly for a while, or no longer.

        What is wrong with it stays as it is until something happens: parts, bad shares, a wire that drops replies.
        """
        return (
            self.board is Board.UP
            and self.process is Process.RUNNING
            and (self.healthy or self._ails_evenly() or self._sleeps_evenly())
            and not self.protection.tripped
            and (self._wire is None or self._wire.kind is WireFaultKind.DROP)
            and self.energised
            and self.system.is_sound
            and not self.system.is_busy
            and not self.system.codes(now)
            and self.lan.is_sound
            and self._is_even(now)
        )

    def _ails_evenly(self) -> bool:
        return not self.fault.moves() and (self.client.starved or (self.fault.any() and self.client.earning))

    def _sleeps_evenly(self) -> bool:
        return self.suspended and not self.fault.any()

    def _is_even(self, now: float) -> bool:
        """Whether it hashes evenly and is as warm as that makes it, or does neither any more."""
        heat = self._hardware.heat
        if self.suspended or self.refuses_to_hash or self.client.starved:
            off_at = self._hardware.boards_off_at
            keeps_power = self.client.starved and math.isinf(off_at) and not self.suspended
            return self.hashing.is_still and heat.advance(now) < COLD and (keeps_power or now >= off_at)
        return self.hashing.is_steady(now) and heat.is_settled(now)

    def stands_still(self, now: float) -> bool:
        """Whether, computing nothing, it draws and sends evenly until something happens.

        A supply that is only out comes back without a word, and a cable that damages frames does so more and more.
        """
        starts = self.board is Board.BOOTING or self.process is Process.STARTING or self.fault.parts.supply_out
        powers_down = now < self._hardware.boards_off_at < math.inf
        return not (starts or powers_down or self.lan.loss > 0.0 or self.hashing.output(now) > 0.0)

    def octets_per_s(self) -> float:
        """Return how many octets a second it sends in the mean, as long as it is as it is."""
        shares = SHARES_PER_S * SHARE_OCTETS if self.hashing.output(self._clock.now) > 0.0 else 0.0
        return self._chatter.per_s + shares

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
        if not self.energised or self.fault.parts.supply_out:
            return self._hardware.figures.standby_w
        return self._hardware.drawn_w(self._clock.now, self.board, self.process, self.fault.hung_draw)

    def mean_w(self) -> tuple[float, bool]:
        """Return what it draws from all its outlets in the mean, in W, and whether that flickers."""
        flickers = self.energised and not (self.fault.psu_dead or self.fault.psu_latched)
        return (self.heat_w() if flickers else self.power_w()), flickers

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
        alive = self.process is _RUNNING or self.process is _STARTING
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
            uptime_s=int(now - self._booted_at) if self.board is _UP else 0,
            accepted=h.accepted,
            rejected=h.rejected,
            stale=h.stale,
            diff=h.diff,
            accepted_diff=h.accepted_diff,
            rejected_diff=h.rejected_diff,
            stale_diff=h.stale_diff,
            work_gh=h.work_gh,
            hw_errors=self.hw_errors(),
            last_share_at=h.last_share_at,
            parts=self.shown_parts(now),
            power_w=self.power_w(),
            target_gh=self.told_gh,
            upfreq_complete=h.level(now) >= 1.0,
            suspended=self.suspended,
            share=self.derated * self.protection.share,
            overheated=self.protection.tripped,
            pool_url=line.url if line is not None else "",
            pool_user=line.user if line is not None else "",
            pool_alive=self.client.alive,
            build=self._hardware.figures.build,
            warmth=self._hardware.heat.warmth(now),
            flicker=self._hardware.flicker(now),
            fans_on=self.board is not _OFF,
            pool_book=self.client.book(),
        )
