"""What a poll of one miner comes to, without asking it: how it ends, and the fields each family tells.

For miners in which something is going on; steady ones are columns. Which fields a family tells, and what is left of
them in a damaged reply, is checked against what the agent reads of that family byte by byte.
"""

import random
from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.telemetry import BoardReading, Reach, Telemetry
from agent.model.topology import Cooling, Family
from simulators.devices.antminer_forms import SLOTS
from simulators.devices.whatsminer_forms import board_serial
from simulators.plant.miner import MinerPlant
from simulators.plant.readings import Readings
from simulators.plant.state import Board, Process, WireFaultKind

TELLS_POWER = frozenset({Family.LUXOS, Family.WHATSMINER})
TELLS_SLEEP = frozenset({Family.LUXOS})
TELLS_RAMP = frozenset({Family.WHATSMINER})
TELLS_BOARDS = frozenset({Family.ANTMINER_STOCK})
TELLS_INLET = frozenset({Family.WHATSMINER})
TELLS_AVERAGE = frozenset({Family.LUXOS})
"""Families whose work is told as an average since the start of the process, with two decimals of a GH/s."""

TELLS_NO_FANS = frozenset({Family.WHATSMINER})
"""Families that tell of fans at 0 rpm where there are none."""

NO_FANS = (0.0, 0.0)

TH_PER_GH = 1e-3


class Damage(Enum):
    """What a disturbed wire leaves of a reply."""

    NONE = "none"
    HALF = "half"
    """The first sections are whole, the later ones gone."""
    NO_RATES = "no_rates"
    """Rates that are not numbers."""
    ALL = "all"
    """Nothing can be read."""


GARBAGE = (
    Damage.NONE,  # a comma is missing
    Damage.NONE,  # no NUL at the end
    Damage.HALF,  # truncated
    Damage.NO_RATES,
    Damage.NONE,  # empty strings for a dead board
    Damage.NONE,  # bytes that are not UTF-8
    Damage.ALL,  # 10 MB
    Damage.ALL,  # endless
)
"""Spoilt replies come in this order, one after another."""

_NO_STATS: Mapping[str, object] = {
    "expected_th": None,
    "chip_max_c": None,
    "board_max_c": None,
    "inlet_c": None,
    "outlet_c": None,
    "fans_rpm": (),
    "boards": (),
}
_LOST_WITH_HALF: Mapping[Family, Mapping[str, object]] = {
    Family.WHATSMINER: {"tuned": None, "boards": ()},
    Family.ANTMINER_STOCK: _NO_STATS,
    Family.LUXOS: {**_NO_STATS, "power_w": None, "suspended": None},
}
_LOST_WITH_RATES: Mapping[Family, Mapping[str, object]] = {
    Family.WHATSMINER: {"hashrate_th": None},
    Family.ANTMINER_STOCK: {"hashrate_th": None},
    Family.LUXOS: {"hashrate_th": None, "work_gh": None},
}


def reach(miner: MinerPlant, host: str) -> Reach:
    """Return how a poll of that miner at an address ends now if nothing disturbs its wire, and no packet is lost."""
    if miner.board in (Board.OFF, Board.HUNG, Board.BRICKED) or not miner.lan.reaches(host):
        return Reach.SILENT
    works = miner.process in (Process.RUNNING, Process.STARTING)
    if miner.board is Board.BOOTING or (miner.spec.family is Family.ANTMINER_STOCK and not works):
        return Reach.REFUSED
    return Reach.ANSWERED if works else Reach.ERRORED


def poll(
    miner: MinerPlant, host: str, now: float, rng: random.Random, spoilt: int
) -> tuple[Reach, Telemetry | None, bool]:
    """Poll one miner at site time `now`, the disturbances of its wire included.

    Args:
        miner: brought up to now.
        host: where it is looked for.
        now: site s.
        rng: decides for disturbances that hit some connections only.
        spoilt: how many of its replies were spoilt before.

    Returns:
        How it ends, what is told where it is an answer, and whether this reply was spoilt.
    """
    came, wire = reach(miner, host), miner.wire
    if came is not Reach.SILENT and miner.lan.poll_loss > 0.0 and rng.random() < miner.lan.poll_loss:
        return Reach.SILENT, None, False
    replies = came in (Reach.ANSWERED, Reach.ERRORED)
    hit = wire is not None and replies and rng.random() < wire.probability
    told = _told(miner, now) if came is Reach.ANSWERED else None
    if wire is None or not hit:
        return came, told, False
    if wire.kind is WireFaultKind.SILENT:
        return Reach.SILENT, None, False
    garbage = wire.kind is WireFaultKind.GARBAGE
    damage = GARBAGE[spoilt % len(GARBAGE)] if garbage else Damage.HALF
    if told is None:
        # An error is a short reply: a break loses it altogether.
        came = Reach.FAULTY if damage is Damage.ALL else came if garbage else Reach.REFUSED
    elif damage is Damage.ALL:
        came, told = Reach.FAULTY, None
    elif damage is Damage.HALF:
        told = msgspec.structs.replace(told, **_LOST_WITH_HALF[miner.spec.family])
    elif damage is Damage.NO_RATES:
        told = msgspec.structs.replace(told, **_LOST_WITH_RATES[miner.spec.family])
    return came, told, garbage


def _told(miner: MinerPlant, now: float) -> Telemetry:
    r, family = miner.readings(now), miner.spec.family
    return Telemetry(
        hashrate_th=r.rate_5s * TH_PER_GH,
        expected_th=r.target_gh * TH_PER_GH,
        work_gh=round(r.rate_av, 2) * r.elapsed_s if family in TELLS_AVERAGE else r.work_gh,
        elapsed_s=float(r.elapsed_s),
        accepted=float(r.accepted),
        rejected=float(r.rejected),
        stale=float(r.stale),
        accepted_diff=r.accepted_diff,
        share_diff=r.diff if r.pool_alive else None,
        hw_errors=float(r.hw_errors),
        chip_max_c=max(r.chip_temp_c),
        board_max_c=float(round(max(r.pcb_temp_c))) if family in TELLS_BOARDS else None,
        inlet_c=_inlet_c(miner, r),
        outlet_c=float(round(r.warmth.outlet_c)) if _tells_coolant(miner) else None,
        fans_rpm=tuple(map(float, r.fans_rpm)) or (NO_FANS if family in TELLS_NO_FANS else ()),
        power_w=r.power_w if family in TELLS_POWER else None,
        pool_alive=r.pool_alive,
        pool_url=r.pool_url,
        pool_user=r.pool_user,
        drops=r.pool_book.drops,
        pool_drops=r.pool_book.pool_drops,
        suspended=r.suspended if family in TELLS_SLEEP else None,
        tuned=r.upfreq_complete if family in TELLS_RAMP else None,
        boards=_boards(miner, r),
        codes=r.parts.codes,
    )


def _tells_coolant(miner: MinerPlant) -> bool:
    """Whether a miner tells its coolant's inlet and outlet: stock firmware does where there are no fans."""
    return miner.spec.family in TELLS_BOARDS and miner.spec.cooling is not Cooling.AIR


def _inlet_c(miner: MinerPlant, r: Readings) -> float | None:
    if miner.spec.family in TELLS_INLET:
        return round(r.warmth.inlet_c, 1)
    return float(round(r.warmth.inlet_c)) if _tells_coolant(miner) else None


def _boards(miner: MinerPlant, r: Readings) -> tuple[BoardReading, ...]:
    """Return the boards as the family lists them: Antminers by slot from 1, the empty fourth among them."""
    if miner.spec.family is Family.WHATSMINER:
        listed = zip(r.parts.answering, r.board_rates_gh, strict=True)
        return tuple(
            [
                BoardReading(n, chips, gh * TH_PER_GH, board_serial(miner.spec, n))
                for n, (chips, gh) in enumerate(listed)
            ]
        )
    empty = (0,) * (SLOTS - len(r.parts.answering))
    listed = zip(r.parts.answering + empty, r.board_rates_gh + empty, strict=True)
    return tuple([BoardReading(n, chips, gh * TH_PER_GH) for n, (chips, gh) in enumerate(listed, start=1)])


_COLUMNS: Mapping[str, tuple[str, ...]] = {"fans_rpm": ("fan_min_rpm",), "boards": ("boards_up", "chips_up")}
"""What becomes of a field of a reply that is no column itself."""


class Families:
    """Which field each row tells, and how.

    Args:
        families: each row's.
    """

    def __init__(self, families: Sequence[Family]) -> None:
        self._of = list(families)
        self._average = np.flatnonzero([f in TELLS_AVERAGE for f in families])
        self._only: Mapping[str, Bools] = {
            "power_w": np.array([f in TELLS_POWER for f in families], dtype=np.bool_),
            "suspended": np.array([f in TELLS_SLEEP for f in families], dtype=np.bool_),
            "tuned": np.array([f in TELLS_RAMP for f in families], dtype=np.bool_),
        }

    def said(self, rows: Bools, told: Mapping[str, Floats | None]) -> dict[str, tuple[Bools, Floats | None]]:
        """Return for each column which of `rows` tell it, beside what they tell."""
        only = self._only
        return {name: (rows & only[name] if name in only else rows, values) for name, values in told.items()}

    def lost(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return for each column the rows of these for which the second half of a reply tells it."""
        lost: dict[str, list[int]] = {}
        for row in rows.tolist():
            for name in _LOST_WITH_HALF[self._of[row]]:
                for column in _COLUMNS.get(name, (name,)):
                    lost.setdefault(column, []).append(row)
        return {column: np.array(of, dtype=np.int64) for column, of in lost.items()}

    def work_gh(self, work_gh: Floats, elapsed_s: Floats) -> Floats:
        """Return the work as it is told: where that is an average, with the average's rounding."""
        told, rows = work_gh.copy(), self._average
        age_s = np.maximum(elapsed_s[rows], 1.0)
        told[rows] = np.rint(told[rows] / age_s * 100.0) / 100.0 * age_s
        return told
