"""LuxOS's profiles: steps of the clock, each with a name, a rate and a draw. Names and figures only.

Names and steps as in a capture of an S19k Pro (facts "miners", section 5): 25 MHz each, from 16 below the factory's
setting, which is called "default", to a few above.
"""

from functools import lru_cache

MHZ, STEP_MHZ = 590, 25
STEPS = range(-16, 3)


def profile_name(step: int) -> str:
    """Return what a step is called."""
    return "default" if step == 0 else f"{MHZ + STEP_MHZ * step}MHz"


def clock_mhz(step: int) -> int:
    """Return the clock of a step."""
    return MHZ + STEP_MHZ * step


def share_of(step: int) -> float:
    """Return the rate of a step over the factory's."""
    return clock_mhz(step) / MHZ


@lru_cache(256)
def step_of(share: float) -> int:
    """Return the step nearest to that share of the factory's rate."""
    return min(STEPS, key=lambda step: abs(share_of(step) - share))


def step_within(share: float) -> int | None:
    """Return the fastest step that is no more than that share of the factory's rate; None where there is none."""
    return max((step for step in STEPS if share_of(step) <= share + 1e-9), default=None)


def step_called(name: str) -> int | None:
    """Return the step of that name; None where there is none."""
    return next((step for step in STEPS if profile_name(step) == name), None)
