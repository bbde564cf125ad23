"""What a miner's firmware does about its own temperature: step down, stop, start again. The rules are in `limits`."""

import math
from typing import Protocol

from agent.model.topology import Miner
from simulators.plant.heat import MinerHeat
from simulators.plant.limits import COOLER_K, RULES, limits_of

WATCH_K = 6.0
"""A miner is watched from so far below the temperature at which its firmware first does something."""

UP_AFTER_S = 300.0
UP_BELOW_K = 5.0
"""A step down is taken back once it was so much cooler than where it stepped down for so long. Estimates."""

LOOKS_APART_S = 10.0
"""What passed between two looks further apart than this was passed unwatched: nothing was amiss."""

INLET_BACK_K = 2.0
"""A miner that stopped for hot coolant starts again when it comes so much cooler."""


_NEVER = math.nan, math.nan
"""Is no temperature and no heat that was seen."""


class Curbed(Protocol):
    """The miner, as its protection sees it."""

    def curb(self, now: float) -> None:
        """Hear that it is about to be slowed down or stopped for its heat."""
        ...

    def aim(self, now: float) -> None:
        """Compute the share that is allowed now."""
        ...

    def stop_for_heat(self, now: float) -> None:
        """Switch the hashboards off."""
        ...

    def start_after_heat(self, now: float) -> None:
        """Hash again."""
        ...


class Protection:
    """One miner's protection against heat.

    Attributes:
        share: of the rate it was told to run at that it allows now. tripped: it has stopped for heat.
        over_s: seconds for which its chips were as hot as that or hotter, powered or not.
        dry_s: seconds for which its hashboards had power and no coolant moved.
    """

    def __init__(self, spec: Miner, heat: MinerHeat, owner: Curbed) -> None:
        self.rules = RULES[spec.family]
        self.limits = limits_of(spec)
        self.share = 1.0
        self.tripped = False
        self.over_s = self.dry_s = 0.0
        self._heat = heat
        self._owner = owner
        self._tripped_at = self._stepped_at = self._looked_at = self._cool_since = 0.0
        self._steeper = heat.rise_k / heat.board_rise_k  # the chip's rise over what comes in, over the board's
        self._calm_at, self._calm_says = _NEVER, False

    def stop_c(self, now: float) -> float:
        """Return the hottest chip at which it stops, in °C: at its own limit, or with the board at the board's."""
        return self._stop_c(self._heat.coolant.supply_c(now))

    def _stop_c(self, inlet_c: float) -> float:
        """Return the same for what comes in that warm: boards rise over it as chips do, by less."""
        return min(self.limits.chip_c, inlet_c + (self.limits.board_c - inlet_c) * self._steeper)

    @property
    def _before_k(self) -> float:
        """So far below where it stops the hottest chip is when it first does something."""
        return self.rules.steps_before_k or 0.0

    def endures_c(self) -> float:
        """Return the coolant's temperature below which it has nothing to do at full rate, whatever lasts."""
        return self._safe_below_c(self._before_k + WATCH_K)

    def _safe_below_c(self, below_k: float, share: float = 1.0) -> float:
        """Return the coolant's temperature below which chips stay so far from where it stops at that share."""
        by_chip_c = self._heat.safe_below_c(self.limits.chip_c - below_k, share)
        above_k = self.limits.chip_c - by_chip_c  # what it is warmer at that share, and what is to be left
        return min(by_chip_c, self.limits.board_c - above_k / self._steeper, self.limits.inlet_c)

    def margin_k(self, now: float) -> float:
        """Return how far the hottest chip, or the coolant that comes in, is below where it stops."""
        inlet_c = self._heat.coolant.supply_c(now)
        return self._below(self._heat.chip_c(now, inlet_c), inlet_c)

    def room_k(self, now: float) -> float:
        """Return how far chip, board and coolant are below their limits, each as a thermometer on it would show."""
        inlet_c = self._heat.coolant.supply_c(now)
        chip_c = self._heat.chip_c(now, inlet_c)
        board_c = inlet_c + (chip_c - inlet_c) / self._steeper
        return min(self.limits.chip_c - chip_c, self.limits.board_c - board_c, self.limits.inlet_c - inlet_c)

    def _below(self, chip_c: float, inlet_c: float) -> float:
        return min(self._stop_c(inlet_c) - chip_c, self.limits.inlet_c - inlet_c)

    def clog_for(self, now: float, over_k: float) -> float:
        """Return the clog with which the hottest chip comes to so much above where it stops, at full rate."""
        rise_k = self.stop_c(now) + over_k - self._heat.warmth(now).inlet_c
        return max(1.0, rise_k / (self._heat.rise_k * self._heat.least))

    def holds(self, now: float, share: float) -> bool:
        """Whether, at that share of its full rate, it can go on for good without doing anything about its heat."""
        return self._heat.warmth(now).inlet_c < self._safe_below_c(self._before_k, share)

    def reset(self) -> None:
        """Be in force no more: it is cool again."""
        self.tripped, self._heat.fans_full = False, False

    def begin(self) -> None:
        """Forget what was: a new process begins, at all that it was told to do."""
        self.reset()
        self.share = 1.0

    def bears(self, now: float, over_k: float, share: float) -> bool:
        """Whether, clogged like that, it could go on for good at that share of its full rate."""
        inlet_c = self._heat.warmth(now).inlet_c
        stop_c = self._stop_c(inlet_c)
        return inlet_c + (stop_c + over_k - inlet_c) * share < stop_c - self._before_k

    def watch(self, now: float, *, stays_off: bool = False) -> bool:
        """Do what is to be done now; return whether to look again soon.

        As long as it is as warm as when there was last nothing to do, there still is nothing.

        Args:
            now: site s.
            stays_off: having stopped, it does not begin again by itself.
        """
        dt, self._looked_at = now - self._looked_at, now
        inlet_c = self._heat.coolant.supply_c(now)
        seen = inlet_c, self._heat.advance(now)
        if seen == self._calm_at and not self._heat.is_stalled:
            return self._calm_says
        self._calm_at = _NEVER
        hashes = self._heat.is_fed(now)
        chip_c = self._heat.chip_c(now, inlet_c)
        margin_k, stop_c = self._below(chip_c, inlet_c), self._stop_c(inlet_c)
        if dt <= LOOKS_APART_S:
            self.over_s += dt * (chip_c >= stop_c)
            self.dry_s += dt * (hashes and self._heat.is_stalled)
        if self.tripped:
            cool = margin_k >= COOLER_K or (chip_c <= stop_c - COOLER_K and margin_k >= INLET_BACK_K)
            if stays_off:
                return not cool
            if cool and now - self._tripped_at >= self.rules.wait_s:
                self.reset()
                self._owner.start_after_heat(now)
            return True
        if hashes and margin_k <= 0.0:
            self.tripped, self._tripped_at = True, now
            self._heat.fans_full = True
            self._owner.curb(now)
            self._owner.stop_for_heat(now)
            return True
        stepping = self.rules.steps_before_k is not None and self._step(now, margin_k, self.rules.steps_before_k)
        near = margin_k < self._before_k + WATCH_K
        if not stepping and margin_k > self._before_k:
            self._calm_at, self._calm_says = seen, near
        return stepping or near or self._heat.is_stalled

    def _step(self, now: float, margin_k: float, before_k: float) -> bool:
        """Step down while it is too hot, up again when it has been cooler for a while; return whether it is down."""
        rules = self.rules
        if margin_k < before_k + UP_BELOW_K:
            self._cool_since = now
        if now - self._stepped_at >= rules.step_s:
            if margin_k <= before_k and self.share > rules.least_share:
                self._to(now, max(rules.least_share, self.share - rules.step))
            elif self.share < 1.0 and now - self._cool_since >= UP_AFTER_S:
                self._to(now, min(1.0, self.share + rules.step))
                self._cool_since = now
        return self.share < 1.0

    def _to(self, now: float, share: float) -> None:
        if share < self.share:
            self._owner.curb(now)
        self.share, self._stepped_at = round(share, 6), now
        self._owner.aim(now)
