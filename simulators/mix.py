"""What goes wrong during a run, drawn from the seed, and played on the event loop's time.

Background faults come by rate. A mix draws the category by the shares of the KPI reference, then one of its kinds that
are aimed at miners. Every draw is from a named stream of the plant: what one line of a
scenario draws does not depend on the others.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from agent.model.incident import Category
from simulators.faults import FAULT_KINDS, FaultKind, On
from simulators.faults.kind import Value
from simulators.plant.site import SitePlant
from simulators.truth import Truth

CATEGORY_SHARES: Mapping[Category, float] = {
    Category.STUCK: 0.25,
    Category.POOL: 0.20,
    Category.THERMAL: 0.15,
    Category.FIRMWARE: 0.10,
    Category.NETWORK: 0.15,
    Category.REJECTS: 0.10,
    Category.OTHER: 0.05,
}
"""Share of incidents; KPI reference."""

WEIGHTS: Mapping[str, float] = {
    "miner.process_died": 4.0,
    "miner.hashing_stopped": 2.0,
    "miner.control_board_hung": 3.0,
    "miner.psu_latched": 1.0,
    "miner.firmware_corrupt": 4.0,
    "miner.boot_loop": 4.0,
    "miner.crash_loop": 2.0,
}
"""How often a kind comes among the fixable ones of its category, 1.0 where it is not named here: an estimate."""

UNFIXABLE = 0.05
"""Share of faults that nothing remote fixes. An estimate, on the safe side: supplies die in 4 % of miners a year (facts
"detection", section 4), which at three stuck incidents a miner and year is one in 75."""

VARIED: Mapping[str, Mapping[str, tuple[Value, ...]]] = {
    "miner.control_board_hung": {"draw": ("idle", "full")},
    "miner.psu_dead": {"standby_w": (0.0, 8.0, 12.0)},
    "miner.boot_loop": {"every_s": (300.0, 600.0, 900.0), "cured_by": ("restart", "reboot", "flash", "flash")},
    "miner.crash_loop": {"every_s": (200.0, 400.0), "cured_by": ("restart", "reboot", "flash")},
}
"""Parameters that a mix draws evenly; all others keep their defaults."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Faults of one kind that begin together.

    Attributes:
        at_s: site time in s.
        targets: in the order in which they are tried; those that are not well at the time are passed over.
        count: how many of them are hit.
        for_s: how long it lasts, in s; None until it is fixed.
        background: it comes by rate, so that one on a target that is broken already is simply none.
    """

    at_s: float
    kind: str
    targets: tuple[str, ...]
    count: int
    for_s: float | None = None
    params: Mapping[str, Value] = field(default_factory=dict)
    background: bool = False


def shuffled(rng: random.Random, targets: Sequence[str], count: int) -> tuple[str, ...]:
    """Return the targets in a random order where only some of them are hit, else as they are."""
    return tuple(targets) if count >= len(targets) else tuple(rng.sample(targets, len(targets)))


def arrivals(rng: random.Random, per_s: float, until_s: float) -> Iterator[float]:
    """Yield the times in s of a Poisson process with `per_s` > 0 arrivals a second, from 0 until `until_s`."""
    at_s = rng.expovariate(per_s)
    while at_s < until_s:
        yield at_s
        at_s += rng.expovariate(per_s)


def drawn(rng: random.Random, unfixable: float | None = None) -> tuple[str, dict[str, Value]]:
    """Return a fault kind of the mix and its parameters.

    Args:
        rng: where it is drawn from.
        unfixable: share of faults that nothing remote fixes; UNFIXABLE where None.
    """
    share = UNFIXABLE if unfixable is None else unfixable
    kinds = [k for k in FAULT_KINDS.values() if k.counts and On.MINER in k.on]
    remedied = rng.random() >= share
    # A category without such a kind, as most are without unfixable ones, leaves its share to the others.
    fitting = [kind for kind in kinds if kind.fixable is remedied] or kinds
    (chosen,) = rng.choices(fitting, [_weight(kind, fitting) for kind in fitting])
    return chosen.name, {name: rng.choice(values) for name, values in VARIED.get(chosen.name, {}).items()}


async def play(truth: Truth, plant: SitePlant, happenings: Iterable[Happening]) -> int:
    """Inject each at its time; return after the last how many planned faults found no target that was well."""
    loop = asyncio.get_running_loop()
    short = 0
    for happening in sorted(happenings, key=lambda h: h.at_s):
        await asyncio.sleep(happening.at_s - loop.time())
        now = loop.time()
        plant.advance(now)
        may_begin = partial(FAULT_KINDS[happening.kind].may_begin, plant)
        well = list(islice(filter(may_begin, happening.targets), happening.count))
        for target in well:
            truth.inject(happening.kind, target, now, for_s=happening.for_s, **happening.params)
        short += 0 if happening.background else max(0, happening.count - len(well))
    return short


def _weight(kind: FaultKind, among: Sequence[FaultKind]) -> float:
    siblings = [WEIGHTS.get(k.name, 1.0) for k in among if k.category is kind.category]
    return CATEGORY_SHARES[kind.category] * WEIGHTS.get(kind.name, 1.0) / sum(siblings)
