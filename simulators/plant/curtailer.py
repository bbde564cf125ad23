"""Somebody at the site who puts miners to sleep, or slows them down, and lets them work again. It is not the agent.

It tells them one by one, as controllers do: all within a while, and later batch by batch. What others have done to a
miner meanwhile stays: one that was switched off and on has forgotten that it was told to sleep.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from agent.model.ids import MinerId
from agent.model.topology import Family
from simulators.plant.clockwork import Clockwork
from simulators.plant.miner import MinerPlant


@dataclass(frozen=True, slots=True)
class Restoring:
    """How miners are let work again: so many at a time, so many seconds apart."""

    batch: int
    every_s: float


@dataclass(frozen=True, slots=True)
class _Told:
    miners: tuple[MinerId, ...]
    share: float
    restoring: Restoring


class Curtailer:
    """Tells the miners of one site.

    Attributes:
        unheard: miners that do not hear it.
    """

    def __init__(self, miners: Mapping[MinerId, MinerPlant], clockwork: Clockwork) -> None:
        self.unheard: set[MinerId] = set()
        self._miners = miners
        self._clock = clockwork
        self._told: dict[str, _Told] = {}

    def curtail(
        self,
        name: str,
        miners: Sequence[MinerId],
        now: float,
        *,
        share: float,
        within_s: float,
        restoring: Restoring,
        rng: random.Random,
    ) -> None:
        """Have miners run at a share of their rate from within so many seconds on; 0 for asleep.

        Args:
            name: what to call this by when it is over.
            miners: whom it concerns; those that do not hear it are left out.
            now: site s.
            share: of their rate.
            within_s: all are told within that time, in an order of chance.
            restoring: how they are let work again.
            rng: the order.
        """
        told = tuple(miner for miner in miners if miner not in self.unheard)
        self._told[name] = _Told(told, share, restoring)
        for miner in told:
            self._clock.plan(now + rng.uniform(0.0, within_s), partial(self._slow, name, miner))

    def restore(self, name: str, now: float) -> None:
        """Let them work again, batch by batch."""
        told = self._told.pop(name, None)
        if told is None:
            return
        for place, miner in enumerate(told.miners):
            at = now + place // told.restoring.batch * told.restoring.every_s
            self._clock.plan(at, partial(self._free, miner, told.share))

    def _slow(self, name: str, miner: MinerId, now: float) -> None:
        told = self._told.get(name)
        if told is None:
            return
        if told.share > 0.0:
            self._miners[miner].derate(now, told.share, by_itself=True)
        else:
            self._miners[miner].suspend(now, by_itself=True)

    def _free(self, miner: MinerId, share: float, now: float) -> None:
        plant = self._miners[miner]
        if any(miner in told.miners for told in self._told.values()):
            return
        if share > 0.0:
            plant.derate(now, 1.0, by_itself=True)
        else:
            plant.resume(now, restarts=plant.spec.family is Family.ANTMINER_STOCK, by_itself=True)
