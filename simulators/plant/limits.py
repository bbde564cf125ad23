"""What miners bear: temperatures at which a model's firmware steps down, stops and starts again. Figures, no behaviour.

The simulators' own copy of the figures of facts "detection", sections 0 and 1.2; the agent has another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.model.topology import Cooling, Family, Miner

COOLER_K = 25.0
"""A miner that stopped for heat starts again when its hottest chip is so much below the limit. An estimate."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How one family's firmware looks after itself; the steps and times are estimates.

    Attributes:
        steps_before_k: so far below the limit it begins to step down; None where it knows no steps.
        step: share of the full rate that a step takes away. step_s: from one step to the next.
        least_share: no step goes below this share.
        wait_s: least time from a stop to the next start.
        restarts: it comes back with a new mining process, not just with its hashboards.
        tells_steps: the rate it says it aims at follows the steps.
    """

    steps_before_k: float | None
    step: float
    step_s: float
    least_share: float
    wait_s: float
    restarts: bool
    tells_steps: bool


RULES: Mapping[Family, Rules] = {
    Family.ANTMINER_STOCK: Rules(None, 0.0, 60.0, 1.0, 600.0, restarts=True, tells_steps=False),
    Family.LUXOS: Rules(5.0, 25.0 / 590.0, 60.0, 0.5, 300.0, restarts=False, tells_steps=True),
    Family.WHATSMINER: Rules(3.0, 0.05, 60.0, 0.6, 300.0, restarts=False, tells_steps=False),
}
"""Stock: a cliff, then a run of 5 to 30 min, a stop, a start. LuxOS: profile steps from `hot` to `dangerous`.
Whatsminer: less power, then a stop. Facts "detection", section 1.3."""

LEAST_LEVEL = 50
"""Least per cent of the clock that a stock Antminer's configuration may ask for. An estimate."""

LUXOS_DANGEROUS_C = 70.0
"""On board sensors, as LuxOS is delivered; `hot` is 5 K below, the fans' target 15 K. Facts "detection", section 0."""

LUXOS_HEAT_STOP = "OVERTEMP_PROTECTION"
"""The event of a LuxOS that stopped for its heat: facts "detection", section 1.4."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where one miner's firmware stops hashing, in °C.

    Attributes:
        chip_c, board_c: hottest chip and hottest sensor on a board, as it shows them.
        inlet_c: hottest coolant; infinite where it does not look.
    """

    chip_c: float
    board_c: float
    inlet_c: float = float("inf")


_MODELS: tuple[tuple[str, Limits], ...] = (
    ("s21 hyd", Limits(95.0, 80.0, 45.0)),
    ("s19 xp hyd", Limits(95.0, 80.0, 45.0)),
    ("s21", Limits(110.0, 80.0)),
    ("t21", Limits(110.0, 80.0)),
    ("s19", Limits(95.0, 80.0)),
    ("t19", Limits(95.0, 80.0)),
    ("m30", Limits(105.0, 90.0)),
    ("m31", Limits(105.0, 90.0)),
    ("m53", Limits(85.0, 70.0, 50.0)),
    ("m56", Limits(85.0, 70.0, 45.0)),
    ("m63", Limits(85.0, 70.0, 50.0)),
    ("m66", Limits(85.0, 70.0, 50.0)),
    ("m5", Limits(105.0, 90.0)),
    ("m6", Limits(105.0, 90.0)),
)
"""By the beginning of the model's name, the longer ones first. S19, S21, M5x: section 1.2. What is told of air-cooled
Whatsminers disagrees: a repair site has the M30S stop at 95 and the M50 at 100 °C, captures show chips at 77 to 100 °C
in normal service; 105 °C leaves room for the captures."""

OTHERS = Limits(95.0, 80.0)


def limits_of(spec: Miner) -> Limits:
    """Return the limits of a miner, by its model and its family's sensors."""
    if spec.family is Family.LUXOS:
        hot_c = float("inf") if spec.cooling is Cooling.AIR else 45.0
        return Limits(LUXOS_DANGEROUS_C, LUXOS_DANGEROUS_C, hot_c)
    name = spec.model.casefold()
    for brand in ("bitmain ", "microbt ", "antminer ", "whatsminer "):
        name = name.removeprefix(brand)
    return next((limits for start, limits in _MODELS if name.startswith(start)), OTHERS)
