"""What a part of an incident's evidence says for or against a cause, in words. Pure.

A sign looks at what is there and says nothing of what is not. The figures from which it speaks are the detectors' own
(facts "detection", section 7), as they are delivered.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.model.incident import Evidence, Reason

Sign = Callable[[Evidence], str | None]
"""What a part of the evidence says, in words; None where it says nothing."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause, with its names in incidents and the signs for and against it.

    Attributes:
        shared: whether it is about something that miners share; None where that is no question.
    """

    name: str
    reasons: frozenset[Reason]
    supports: tuple[Sign, ...]
    opposes: tuple[Sign, ...]
    shared: bool | None = None

    def is_called(self, cause: Reason, *, shared: bool) -> bool:
        """Whether that is what an incident calls it."""
        return cause in self.reasons and self.shared in (None, shared)


def said(signs: tuple[Sign, ...], seen: Evidence) -> Iterator[str]:
    """Yield what signs say of what was seen."""
    return (words for sign in signs if (words := sign(seen)) is not None)


def number(seen: Evidence, key: str) -> float | None:
    """Return a measured number; None where there is none."""
    value = seen.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def share(seen: Evidence, part: str, whole: str) -> float | None:
    """Return one measured number over another; None where either is missing, or the second is nothing."""
    over, under = number(seen, part), number(seen, whole)
    return None if over is None or under is None or under <= 0.0 else over / under
