"""A miner's parts that can fail while the rest lives: hashboards, chips, fans, and a supply that cuts out for moments.

Each shows on the displays as real devices show it, and takes its share of the rate. A cold power cycle may bring a
board or a supply back for good; whether it does was settled when the part failed.
"""

from functools import cached_property

from msgspec.structs import replace

from agent.model.topology import Family
from simulators.plant.life import MinerLife
from simulators.plant.limits import LUXOS_HEAT_STOP
from simulators.plant.profile import chips_per_board
from simulators.plant.readings import Parts
from simulators.plant.state import Board, BoardError, PartFaults, Process

OUT_S = (12.0, 40.0)
"""How long a supply that cut out stays off. With the boot that follows its dashboard is gone for 30 to 120 s: facts
"failures", row 32."""

APART = (0.8, 1.2)
"""What lies between two cuts scatters by so much around its mean."""

BAD_NONCES = 0.06
"""Of the nonces of a degraded miner, those that are hardware errors: proto-fleet calls 5 % major (facts "detection",
section 1.2)."""


class MinerParts(MinerLife):
    """The parts of one miner."""

    # -- what breaks -------------------------------------------------------------------------------------------------

    def lose_board(self, now: float, board: int, *, error: BoardError, cold_cures: bool) -> None:
        """Let a hashboard, counted from 0, be lost: none of its chips answers any more."""
        parts = self._faulty(now)
        parts.boards[board] = error
        parts.cold_cures = cold_cures
        self._set_pace(now)

    def lose_chips(self, now: float, board: int, share: float) -> None:
        """Let that share of the chips of a hashboard, counted from 0, fall silent; never all of them."""
        chips = chips_per_board(self.spec, self.profile)
        self._faulty(now).chips[board] = min(round(share * chips), chips - 1)
        self._set_pace(now)

    def degrade(self, now: float, level: float) -> None:
        """Let it compute that share of its full rate, with hardware errors on the way."""
        parts = self._faulty(now)
        parts.level, parts.good_nonces = level, self.hashing.nonces()
        self._set_pace(now)

    def lose_fan(self, now: float, fan: int) -> None:
        """Let a fan, counted from 0, stand still; some firmware refuses to hash without it."""
        faults = self._faulty(now)
        faults.fans.add(fan)
        self._hardware.heat.turn_fans(now, self.profile.fans - len(faults.fans))
        self._coolant.reconsider(self._place)
        if self.refuses_to_hash and self.process is Process.RUNNING:
            self._halt(now)
            self._lose_heartbeat(now)
        self._judge(now)

    def cut_out(self, now: float, every_s: float, *, cold_cures: bool) -> None:
        """Let the supply cut out now, and again about every so often, for moments."""
        parts = self._faulty(now)
        parts.cuts_every_s, parts.cold_cures = every_s, cold_cures
        self._cut(parts, now)

    def _faulty(self, now: float) -> PartFaults:
        self._clock.advance(now)
        self._changed()
        return self.fault.parts

    def _cut(self, parts: PartFaults, now: float) -> None:
        if parts is not self.fault.parts or parts.cuts_every_s is None:
            return
        if self.energised and self.board is not Board.OFF:
            self._power_down(now)
            parts.supply_out = True
            self._plan(now + self._rng.uniform(*OUT_S), self._power_up)
        # Not a step of its life, which any turn of events would cancel: the supply stays as it is.
        self._clock.plan(now + parts.cuts_every_s * self._rng.uniform(*APART), lambda at: self._cut(parts, at))

    # -- what shows --------------------------------------------------------------------------------------------------

    def shown_parts(self, now: float) -> Parts:
        """Return what its displays show of its parts; no chip answers while the boards have no power."""
        faults = self.fault.parts
        powered = now < self._hardware.boards_off_at and self.board is Board.UP
        codes = self._codes(now)
        if not faults.any():
            sound = self._whole if powered else self._mute
            return replace(sound, codes=codes) if codes else sound
        chips = chips_per_board(self.spec, self.profile)
        answering = tuple(
            [
                0 if not powered or board in faults.boards else chips - faults.chips.get(board, 0)
                for board in range(self.profile.boards)
            ]
        )
        weights = self._board_weights()
        whole = sum(weights) or 1.0
        return Parts(chips, answering, tuple([w / whole for w in weights]), frozenset(faults.fans), codes)

    @cached_property
    def _whole(self) -> Parts:
        chips = chips_per_board(self.spec, self.profile)
        return Parts(chips, (chips,) * self.profile.boards, self._hardware.figures.build.board_shares)

    @cached_property
    def _mute(self) -> Parts:
        return replace(self._whole, answering=(0,) * self.profile.boards)

    def hw_errors(self) -> int:
        """Return the hardware errors that its process has counted."""
        share, spared = self.hw_error_terms()
        return int(self.hashing.nonces() * share - spared)

    def hw_error_terms(self) -> tuple[float, float]:
        """Return the share of its nonces that are hardware errors, and how many those before it degraded make less."""
        share, faults = self.profile.hw_error_share, self.fault.parts
        if faults.level >= 1.0:
            return share, 0.0
        good = faults.good_nonces if self.hashing.nonces() >= faults.good_nonces else 0.0
        return share + BAD_NONCES, BAD_NONCES * good

    def _codes(self, now: float) -> tuple[str, ...]:
        """Return the error codes where it is polled: those on a Whatsminer's display, a heat stop of LuxOS."""
        if self.spec.family is Family.LUXOS and self.protection.tripped:
            return (LUXOS_HEAT_STOP,)
        if self.spec.family is not Family.WHATSMINER:
            return ()
        faults, from_system = self.fault.parts, tuple([code.code for code in self.system.codes(now)])
        if not faults.any() and not self.protection.tripped:
            return from_system
        codes = [f"11{fan}" for fan in sorted(faults.fans)]
        codes += ["350"] if self.protection.tripped else []
        codes += ["238"] if faults.cuts_every_s is not None else []
        codes += [f"{41 if error == 'eeprom' else 53}{board}" for board, error in sorted(faults.boards.items())]
        codes += [f"55{board}" for board in sorted(faults.chips)]
        return (*codes, *from_system)
