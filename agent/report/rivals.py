"""What else an incident's symptom might have been, and what spoke for and against each: from the evidence alone. Pure.

Causes of silence that several miners share are weighed against each other by likelihood (agent.triage.cover); all
others are told apart by what was seen, which has the figures that detectors and triage weighed.
"""

from collections.abc import Mapping

import msgspec

from agent.model.incident import Category, Evidence, Reason
from agent.report import signs_of_heat, signs_of_silence, signs_of_work
from agent.report.signs import Cause, said


class Rival(msgspec.Struct, frozen=True):
    """One cause, and what was seen for and against it.

    Attributes:
        chosen: it is what the incident was taken for.
    """

    cause: str
    chosen: bool
    supports: tuple[str, ...]
    opposes: tuple[str, ...]


_TABLES: Mapping[Category, tuple[Cause, ...]] = {
    **dict.fromkeys(signs_of_silence.CATEGORIES, signs_of_silence.CAUSES),
    Category.POOL: signs_of_work.POOL_CAUSES,
    Category.REJECTS: signs_of_work.REJECT_CAUSES,
    Category.THERMAL: signs_of_heat.CAUSES,
}


def rivals(category: Category, cause: Reason, seen: Evidence, *, shared: bool = False) -> tuple[Rival, ...]:
    """Return what a symptom was told apart from, the chosen first; nothing for classes without rivals.

    Args:
        category: of the incident.
        cause: what it was taken for.
        seen: its evidence.
        shared: it is about what several miners share.
    """
    causes = () if shared and category in signs_of_silence.CATEGORIES else _TABLES.get(category, ())
    if not seen:
        return ()
    found = [
        Rival(
            one.name,
            one.is_called(cause, shared=shared),
            tuple(said(one.supports, seen)),
            tuple(said(one.opposes, seen)),
        )
        for one in causes
    ]
    return tuple(sorted(found, key=lambda rival: not rival.chosen))
