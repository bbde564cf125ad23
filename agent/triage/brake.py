"""The brake on what miners say themselves: nothing is done to one of several that fell ill alike, for a while.

Silence has its own, with its own evidence (agent.triage.correlate). Here it is pools, heat, rejects and miners that
answer and do not hash. What these share is named by their detectors, each in its own time; the brake lasts until it is
named, or two minutes, whichever is sooner.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools
from agent.model.incident import Category
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.verdicts import Verdicts
from agent.triage.correlate import WINDOW_S
from agent.triage.cover import BRAKE_AT, Cover, Symptom

SYMPTOMS: Mapping[Category, Symptom] = {
    Category.POOL: Symptom.POOL,
    Category.THERMAL: Symptom.HOT,
    Category.REJECTS: Symptom.REJECTS,
    Category.STUCK: Symptom.IDLE,
}
"""As what a miner that answers counts, by the class of its verdict."""

_ANSWERED = int(Reach.ANSWERED)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""

Firing = Sequence[tuple[Verdicts, NDArray[np.int64]]]
"""Verdicts with the rows for which they fire."""


def braked(view: SiteView, memory: Memory, cover: Cover, firing: Firing, now: float) -> Bools | None:
    """Return to whom nothing is done alone for now, shape (n,); None for nobody. `now` is UTC s."""
    shown: dict[Symptom, Bools] = {}
    for verdict, rows in firing:
        symptom = SYMPTOMS.get(verdict.category)
        if symptom is None or rows.size < BRAKE_AT:
            continue
        recent = rows[(now - verdict.since[rows] <= WINDOW_S) & (view.reach[rows] == _ANSWERED)]
        unexplained = [row for row in recent.tolist() if not _is_explained(view, memory, row)]
        if unexplained:
            shown.setdefault(symptom, np.zeros(len(view.reach), dtype=np.bool_))[unexplained] = True
    held = [cover.brake(symptom, rows) for symptom, rows in shown.items()]
    return np.logical_or.reduce(held) if held else None


def _is_explained(view: SiteView, memory: Memory, row: int) -> bool:
    """Whether what it shares with others has been named."""
    owner = memory.owner(view.site.miners[row].id)
    return owner is not None and len(owner.members) > 1
