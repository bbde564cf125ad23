"""Which domains' failure explains a set of like symptoms best: greedy set cover by likelihood. Pure arithmetic.

For a domain with n miners, k of which show the symptom, the score compares two stories: the domain failed and each
member shows it with probability q, or nothing is shared and each shows it by chance with p0:

    score = k ln(q / p0) + (n - k) ln((1 - q) / (1 - p0)) + ln prior

The best positive one is taken, its members are explained, and so on; what is left over has nothing in common. Figures:
facts "detection", section 3, after the shared-risk groups of SCORE (Kompella et al., NSDI 2005).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from agent.model.domains import Domain, Domains, Kind

P0 = 1e-3
"""Chance that a miner shows a symptom within the window when nothing it shares has failed."""

Q = 0.95
WEAK_Q: Mapping[Kind, float] = {Kind.LOOP: 0.6, Kind.POOL: 0.9, Kind.SUBNET: 0.9, Kind.SITE: 0.9}
"""Chance that a miner shows it when the domain has failed; where it is less than Q."""

PRIOR = 1e-5
PRIORS: Mapping[Kind, float] = {Kind.POOL: 1e-4, Kind.BREAKER: 3e-5}
"""Chance of a failure within a window; where it is more than PRIOR."""


class Symptom(StrEnum):
    """Symptoms that a shared cause can have, told apart by evidence from outside the miner."""

    DARK = "dark"
    """Silent, and its outlets give hardly a watt."""
    UNREACHABLE = "unreachable"
    """Silent, and its outlets give what a working miner draws."""
    ASLEEP = "asleep"
    """It says that it was told to sleep, and nobody has announced it."""
    POOL = "pool"
    """It answers, and no pool takes what it finds."""
    HOT = "hot"
    """It answers, and is at its limit or slower for it."""
    REJECTS = "rejects"
    """It answers, and too many of its shares are refused."""
    IDLE = "idle"
    """It answers and does not hash, and says nothing of why."""


CAUSES: Mapping[Symptom, tuple[Kind, ...]] = {
    Symptom.DARK: (Kind.BREAKER, Kind.PDU, Kind.RACK, Kind.SITE),
    Symptom.UNREACHABLE: (Kind.SWITCH, Kind.SUBNET, Kind.SITE),
    Symptom.ASLEEP: (Kind.RACK, Kind.PDU, Kind.SWITCH, Kind.SITE),
    Symptom.POOL: (Kind.POOL, Kind.SWITCH, Kind.SUBNET, Kind.SITE),
    Symptom.HOT: (Kind.LOOP, Kind.RACK, Kind.SITE),
    Symptom.REJECTS: (Kind.POOL, Kind.SWITCH),
    Symptom.IDLE: (Kind.BREAKER, Kind.PDU, Kind.RACK, Kind.LOOP),
}
"""Which domains can be behind which symptom."""

NEARLY = 0.9
"""A cause that nothing speaks against may explain that much less than the likeliest, which something does."""

RIVALS = 3
"""So many other causes are named beside the one that was chosen, the likeliest first."""

BRAKE_AT = 3
"""So many like symptoms under one domain are no chance: 7 in a million site-days of a whole switch (section 3)."""


@dataclass(frozen=True, slots=True)
class Considered:
    """One cause that was weighed.

    Attributes:
        score: logarithm of how much likelier it is than chance, which has 0.
        shown: how many of its miners showed the symptom and were not explained yet.
    """

    domain: Domain
    score: float
    shown: int

    def __str__(self) -> str:
        return f"{self.domain} {self.score:+.1f} ({self.shown} of {len(self.domain.rows)})"


@dataclass(frozen=True, slots=True)
class Group:
    """One shared cause.

    Attributes:
        score: logarithm of how much likelier it is than chance; above 0.
        rows: the miners whose symptom it explains, ascending.
        rivals: what else some of them have in common, the likeliest first.
    """

    domain: Domain
    score: float
    rows: NDArray[np.int64]
    rivals: tuple[Considered, ...] = ()

    @property
    def considered(self) -> tuple[Considered, ...]:
        """The causes weighed, the one that was chosen first."""
        return (Considered(self.domain, self.score, len(self.rows)), *self.rivals)


class Cover:
    """Explains symptoms on one site."""

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        q = np.array([WEAK_Q.get(d.kind, Q) for d in domains.all])
        prior = np.array([PRIORS.get(d.kind, PRIOR) for d in domains.all])
        self._hit = np.log(q / P0)
        self._miss = np.log((1 - q) / (1 - P0))
        self._base = self._miss * domains.sizes + np.log(prior)
        self._allowed = {symptom: domains.of_kinds(kinds) for symptom, kinds in CAUSES.items()}
        self._site = domains.of_kinds((Kind.SITE,))

    def explain(
        self, symptom: Symptom, active: NDArray[np.bool_], denied: NDArray[np.bool_] | None = None
    ) -> list[Group]:
        """Return the shared causes, the likeliest first; none where chance is the better story.

        Args:
            symptom: what they show.
            active: which miners show the symptom, shape (miners,).
            denied: domains of which something independent says that they have not failed, shape (domains,). One of them
                is taken only where no other explains nearly as many.
        """
        left = active.copy()
        groups: list[Group] = []
        while left.any() and self._allowed[symptom].any():
            counts, score = self._weigh(symptom, left)
            best = int(np.argmax(score))
            if not score[best] > 0.0:
                break
            if denied is not None and denied[best]:
                others = np.where(~denied & (counts >= NEARLY * counts[best]), score, -math.inf)
                best = int(np.argmax(others)) if others.max() > 0.0 else best
            group = self._group(best, left, score, counts)
            groups.append(group)
            left[group.rows] = False
        return groups

    def score(self, domain: Domain, shown: int) -> float:
        """Return how much likelier it is that the domain failed than chance, if so many of its miners show it."""
        place = self._domains.place(domain)
        return float(self._base[place] + shown * (self._hit - self._miss)[place])

    def group(self, symptom: Symptom, domain: Domain, active: NDArray[np.bool_]) -> Group:
        """Return the group of the miners of a domain that show a symptom that it can be behind, however likely.

        Arguments as of `explain`.
        """
        counts, score = self._weigh(symptom, active)
        return self._group(self._domains.place(domain), active, score, counts)

    def _weigh(self, symptom: Symptom, active: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return how many show it under each domain, and each one's score; -inf for what cannot be behind it."""
        counts = self._domains.count(active)
        may_be = self._allowed[symptom] & (counts > 0)
        return counts, np.where(may_be, self._base + counts * (self._hit - self._miss), -math.inf)

    def _group(
        self, place: int, active: NDArray[np.bool_], score: NDArray[np.float64], counts: NDArray[np.int64]
    ) -> Group:
        domain = self._domains.all[place]
        rows = domain.rows[active[domain.rows]]
        return Group(domain, float(score[place]), rows, self._rivals(place, rows, score, counts))

    def brake(self, symptom: Symptom, recent: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the miners under any domain in which at least BRAKE_AT show the symptom; shape (miners,).

        Nothing is done to one of them alone until it is known what they have in common. The whole site is no reason:
        three of thousands are chance.

        Args:
            symptom: what they show.
            recent: which miners began to show it within the window.
        """
        if np.count_nonzero(recent) < BRAKE_AT:
            return np.zeros_like(recent)
        full = self._domains.count(recent) >= BRAKE_AT
        return self._domains.under(full & self._allowed[symptom] & ~self._site)

    def mostly(self, symptom: Symptom, active: NDArray[np.bool_], among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the miners under any domain in which most show the symptom; shape (miners,).

        Args:
            symptom: what they show.
            active: which miners show it.
            among: those of whom that could be told; most are more than half of them, and two at the least: one alone is
                chance, and where few are left to tell, so few are evidence.
        """
        shown = self._domains.count(active)
        full = (shown >= 2) & (2 * shown > self._domains.count(among))
        return self._domains.under(full & self._allowed[symptom])

    def _rivals(
        self, best: int, rows: NDArray[np.int64], score: NDArray[np.float64], counts: NDArray[np.int64]
    ) -> tuple[Considered, ...]:
        """Return what else these rows have in common, of those causes that were weighed; see `Group.rivals`."""
        found: list[Considered] = []
        for place in np.argsort(-score, kind="stable").tolist():
            if len(found) == RIVALS or score[place] == -math.inf:
                break
            domain = self._domains.all[place]
            if place != best and np.isin(domain.rows, rows).any():
                found.append(Considered(domain, float(score[place]), int(counts[place])))
        return tuple(found)
