"""One miner: power supply, control board, mining process, hashboards, and what each does over time.

What it says on the wire is not here; servers ask `board`, `process`, `wire` and `readings`.
"""

import math
import random
import zlib
from dataclasses import dataclass, field

from agent.model.topology import Miner, Outlet
from simulators.plant.clockwork import Clockwork, Happening
from simulators.plant.hashing import Hashing, share_difficulty
from simulators.plant.journal import Journal, What
from simulators.plant.profile import PROFILES, Span
from simulators.plant.readings import Readings
from simulators.plant.state import Board, HungDraw, MinerFaults, Process, WireFault, WireFaultKind

__all__ = ["Board", "MinerPlant", "Process", "Readings", "WireFault", "WireFaultKind"]

HEALTHY_LEVEL = 0.95
"""A miner is healthy at this share of its target or more: the clear condition of facts "detection", section 7."""

COLD_S = 30.0
"""A latched supply forgets after so long without any mains: facts "control", section 2."""

AMBIENT_C = 25.0
HEAT_TAU_S = 75.0
"""Thermal time constant of an air-cooled miner: facts "detection", section 5."""

LATCH_DRAW_W: Span = (10.0, 18.0)
SHARE_OCTETS = 220
CHATTER_OCTETS_PER_S = 6.0
"""What a board with a living operating system sends by itself (ARP, NTP, TCP acknowledgements)."""


@dataclass(slots=True)
class _Feeds:
    """The miner's outlets: which have voltage, and when one last lost it."""

    live: set[Outlet] = field(default_factory=set)
    lost_at: float = math.inf


class MinerPlant:
    """One simulated miner.

    It is up while all its outlets have voltage: a miner with two cords loses its hashboards with either of them, so one
    dead cord counts as off. Its draw spreads evenly over the outlets that do have voltage. A latched supply counts as
    cold only while none has.

    Times are site seconds. Every method that takes `now` first lets happen what is due by then.

    Attributes:
        spec: the miner of the inventory. profile: its family's figures.
        board, process, fault, wire: its present state; servers read these after `SitePlant.advance`.
        healthy: hashes at 95 % of its target or more.
        suspended: told to sleep.
        api_octets: octets of API replies; whoever answers for the miner adds them.
    """

    def __init__(
        self,
        spec: Miner,
        *,
        clockwork: Clockwork,
        journal: Journal,
        rng: random.Random,
        nonce_rng: random.Random,
        share_rng: random.Random,
    ) -> None:
        self.spec = spec
        self.profile = PROFILES[spec.family]
        self.fault = MinerFaults()
        self.wire: WireFault | None = None
        self.board = Board.UP
        self.process = Process.RUNNING
        self.healthy = True
        self.suspended = False
        self.api_octets = 0
        self._clock = clockwork
        self._journal = journal
        self._rng = rng
        self._plans = 0
        self._feeds = _Feeds(set(spec.outlets))
        self._draw_figures()
        self.target_gh = spec.hashrate_th * 1000.0
        full_gh = self.target_gh * rng.uniform(0.985, 1.015)
        self._hashing = Hashing(
            full_gh=full_gh,
            diff=share_difficulty(self.target_gh),
            reject_share=self.profile.reject_share,
            stale_share=self.profile.stale_share,
            freezes=self.profile.freezes,
            nonce_rng=nonce_rng,
            share_rng=share_rng,
        )
        self._live_s = 0.0
        self._live_since: float | None = None
        self._boards_off_at = math.inf
        self._heat = 1.0
        self._heat_at = clockwork.now
        self._run_since_long_ago(clockwork.now)

    def _draw_figures(self) -> None:
        p, rng = self.profile, self._rng
        self._idle_w = rng.uniform(*p.idle_w)
        self._standby_w = rng.uniform(*p.standby_w)
        self._latch_w = rng.uniform(*LATCH_DRAW_W)
        self._full_w = self.spec.power_w * rng.uniform(0.98, 1.01)
        self._chip_c = tuple(rng.uniform(*p.chip_c) for _ in range(p.boards))
        self._pcb_c = tuple(c - p.pcb_below_c for c in self._chip_c)
        self._fan_rpm = tuple(rng.uniform(*p.fan_rpm) for _ in range(p.fans))
        weights = [rng.uniform(0.97, 1.03) for _ in range(p.boards)]
        self._board_shares = tuple(w / sum(weights) for w in weights)
        self._noise_key = f"{self.spec.id}/{rng.random()}"

    def _run_since_long_ago(self, now: float) -> None:
        age = self._rng.uniform(3600.0, 10 * 86_400.0)
        started = now - age
        self._booted_at = started - self._rng.uniform(*self.profile.boot_s)
        self._live_since = self._booted_at
        self._hashing.reset(started)
        self._hashing.begin(started + self._rng.uniform(*self.profile.init_s), 0.0, 1.0)
        self._hashing.advance(now)

    # -- what happens to it ------------------------------------------------------------------------------------------

    def set_energised(self, on: bool, now: float) -> None:
        """Give voltage to all its outlets, or take it from all."""
        for outlet in self.spec.outlets:
            self.set_feed(outlet, on, now)

    def set_feed(self, outlet: Outlet, on: bool, now: float) -> None:
        """Give voltage to one of its outlets, or take it away."""
        self._clock.advance(now)
        feeds = self._feeds
        was_up = self.energised
        if on and not feeds.live and self.fault.psu_latched and now - feeds.lost_at >= COLD_S:
            self.fault.psu_latched = False
        if on:
            feeds.live.add(outlet)
        elif outlet in feeds.live:
            feeds.live.discard(outlet)
            feeds.lost_at = now
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

    def reboot(self, now: float) -> bool:
        """Reboot the control board; return whether the command reached a living control board."""
        self._clock.advance(now)
        if self.board is not Board.UP:
            return False
        self._journal.note(now, What.REBOOT, miner=self.spec.id, healthy=self.healthy)
        self._power_down(now)
        self._power_up(now)
        return True

    def suspend(self, now: float) -> None:
        """Put a running miner to sleep: the API answers, the hashboards are off. It was told to."""
        self._clock.advance(now)
        if self.process is Process.RUNNING:
            self._halt(now)
            self._boards_off_at = now
            self.suspended = True

    def resume(self, now: float) -> None:
        """Wake a sleeping miner."""
        self._clock.advance(now)
        if self.suspended:
            self.suspended = False
            self._begin(now)

    # -- what breaks it ----------------------------------------------------------------------------------------------

    def kill_process(self, now: float, *, watchdog: bool) -> None:
        """Let the mining process die; a stock Antminer starts it again by itself unless its `watchdog` failed too."""
        self._clock.advance(now)
        if self.board is not Board.UP:
            return
        self._halt(now)
        self.process = Process.DEAD
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
        self._stop_chatter(now)
        self.board = Board.HUNG
        self.process = Process.STOPPED
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
    def energised(self) -> bool:
        """All its outlets have voltage."""
        return len(self._feeds.live) == len(self.spec.outlets)

    @property
    def live_feeds(self) -> int:
        """How many of its outlets have voltage."""
        return len(self._feeds.live)

    def hashing_ratio(self) -> float:
        """Return the share of its target that it computes now, without chance."""
        return self._hashing.level(self._clock.now) * self._hashing.full_gh / self.target_gh

    def power_w(self) -> float:
        """Return what it draws from all its outlets now, in W."""
        if not self._feeds.live:
            return 0.0
        if self.fault.psu_dead:
            return self.fault.standby_w
        if self.fault.psu_latched:
            return self._latch_w
        if not self.energised:
            return self._standby_w
        return self._drawn_w() * self._flicker()

    def octets_sent(self) -> int:
        """Return how many octets it has ever put on the network."""
        now = self._clock.now
        self._hashing.advance(now)
        live_s = self._live_s + (now - self._live_since if self._live_since is not None else 0.0)
        return int(live_s * CHATTER_OCTETS_PER_S) + self._hashing.shares_ever * SHARE_OCTETS + self.api_octets

    def readings(self, now: float) -> Readings:
        """Return what its displays show at `now`; meaningful while the board is UP."""
        self._clock.advance(now)
        h = self._hashing
        h.advance(now)
        alive = self.process in {Process.STARTING, Process.RUNNING}
        heat = self._warmth(now)
        fans_on = self.board is not Board.OFF
        return Readings(
            rate_5s=h.rates_gh[0],
            rate_1m=h.rates_gh[1],
            rate_5m=h.rates_gh[2],
            rate_15m=h.rates_gh[3],
            rate_30m=h.rates_gh[4],
            rate_av=h.average_gh(now),
            elapsed_s=int(now - h.started_at) if alive else 0,
            uptime_s=int(now - self._booted_at) if self.board is Board.UP else 0,
            accepted=h.accepted,
            rejected=h.rejected,
            stale=h.stale,
            diff=h.diff,
            accepted_diff=h.accepted * h.diff,
            rejected_diff=h.rejected * h.diff,
            stale_diff=h.stale * h.diff,
            work_gh=h.work_gh,
            hw_errors=int(h.nonces() * self.profile.hw_error_share),
            last_share_at=h.last_share_at,
            board_rates_gh=tuple(h.rates_gh[0] * share for share in self._board_shares),
            chips_ok=now < self._boards_off_at and self.board is Board.UP,
            chip_temp_c=tuple(_warm(c, heat) for c in self._chip_c),
            pcb_temp_c=tuple(_warm(c, heat) for c in self._pcb_c),
            fans_rpm=tuple(self._fan(rpm, heat) if fans_on else 0 for rpm in self._fan_rpm),
            power_w=self.power_w(),
            target_gh=self.target_gh,
            upfreq_complete=h.level(now) >= 1.0,
            suspended=self.suspended,
            pool_url="stratum+tcp://pool.example.com:3333",
            pool_user=f"site.{self.spec.id}",
            pool_alive=self.process is Process.RUNNING,
        )

    # -- its own life ------------------------------------------------------------------------------------------------

    def _power_up(self, now: float) -> None:
        if self.fault.psu_dead or self.fault.psu_latched:
            return
        self.board = Board.BOOTING
        self._plan(now + self._rng.uniform(*self.profile.boot_s), self._booted)

    def _power_down(self, now: float) -> None:
        self._halt(now)
        self._stop_chatter(now)
        self.board = Board.OFF
        self.process = Process.STOPPED
        self._boards_off_at = now
        self._mend_by_power_loss()

    def _mend_by_power_loss(self) -> None:
        self.fault.board_hung = False
        self._mend_by_restart()

    def _mend_by_restart(self) -> None:
        self.fault.process_dead = self.fault.hashing_stopped = False
        self.suspended = False

    def _booted(self, now: float) -> None:
        self.board = Board.UP
        self._booted_at = self._live_since = now
        self._start_process(now)

    def _start_process(self, now: float) -> None:
        self._halt(now)
        self._mend_by_restart()
        self.process = Process.STARTING
        self._boards_off_at = math.inf
        self._hashing.reset(now)
        self._plan(now + self._rng.uniform(*self.profile.init_s), self._begin)

    def _begin(self, now: float) -> None:
        self._warmth(now)
        self.process = Process.RUNNING
        self._boards_off_at = math.inf
        ramp_s, ramp_from = self._rng.uniform(*self.profile.ramp_s), self.profile.ramp_from
        self._hashing.begin(now, ramp_s, ramp_from)
        wanted = HEALTHY_LEVEL * self.target_gh / self._hashing.full_gh
        self._plan(now + ramp_s * max(0.0, wanted - ramp_from) / (1.0 - ramp_from), self._recovered)

    def _recovered(self, now: float) -> None:
        self.healthy = True
        self._journal.note(now, What.HEALTHY, miner=self.spec.id)

    def _halt(self, now: float) -> None:
        """Stop hashing, whatever it was doing, and forget what it was about to do."""
        self._plans += 1
        self._warmth(now)
        self._hashing.stop(now)
        if self.healthy:
            self.healthy = False
            self._journal.note(now, What.UNHEALTHY, miner=self.spec.id, healthy=True)

    def _lose_heartbeat(self, now: float) -> None:
        self._boards_off_at = now + self._rng.uniform(*self.profile.heartbeat_s)

    def _stop_chatter(self, now: float) -> None:
        if self._live_since is not None:
            self._live_s += now - self._live_since
            self._live_since = None

    def _plan(self, at: float, step: Happening) -> None:
        """Plan the next step of its life; any later turn of events cancels it."""
        self._plans += 1
        plan = self._plans

        def happen(now: float) -> None:
            if plan == self._plans:
                step(now)

        self._clock.plan(at, happen)

    def _drawn_w(self) -> float:
        now, full = self._clock.now, self._full_w
        boards_on = now < self._boards_off_at
        if self.board is Board.HUNG and self.fault.hung_draw == "full":
            return full
        if self.board in {Board.OFF, Board.BOOTING} or (self.process is Process.STOPPED and self.board is Board.UP):
            return self._idle_w
        if self.process is Process.STARTING:
            return max(self._idle_w, full * self.profile.init_share)
        level = self._hashing.level(now)
        if level > 0.0:
            return self._idle_w + (full - self._idle_w) * level
        return max(self._idle_w, full * self.profile.unfed_share) if boards_on else self._idle_w

    def _flicker(self) -> float:
        """Return a factor within 1 % of one that changes every second, the same whoever looks."""
        return 0.99 + 0.02 * zlib.crc32(f"{self._noise_key}/{int(self._clock.now)}".encode()) / 2**32

    def _warmth(self, now: float) -> float:
        """Bring the heat, 1 at full rate and 0 when cold, up to `now` and return it."""
        dt = now - self._heat_at
        if dt > 0:
            level = self._hashing.level(now)
            self._heat = level + (self._heat - level) * math.exp(-dt / HEAT_TAU_S)
            self._heat_at = now
        return self._heat

    def _fan(self, full_rpm: float, heat: float) -> int:
        rpm = self.profile.idle_rpm + (full_rpm - self.profile.idle_rpm) * min(1.0, max(0.0, heat))
        return round(rpm * self._flicker() / 30.0) * 30


def _warm(full_c: float, heat: float) -> float:
    return round(AMBIENT_C + (full_c - AMBIENT_C) * heat, 1)
