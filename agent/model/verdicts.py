"""What every detector returns: one verdict per row, and a way to explain it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from agent.model.columns import Floats, Ints
from agent.model.incident import Category, Evidence, Reason
from agent.model.site_view import SiteView


class Explains(Protocol):
    """Explains the verdict of one row.

    Attributes:
        reasons: all that it may name, of any row: what its detector looks for.
    """

    reasons: frozenset[Reason]

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row."""

    def domain(self, row: int) -> str:
        """Return what the cause lies in where that is shared, e.g. `pool:primary`; empty for the device itself."""


@dataclass(frozen=True, slots=True)
class Ailing:
    """What is wrong with a device that serves miners. They may all be well: it is an incident of its own.

    Attributes:
        domain: the device, e.g. `cdu:loop-1-cdu`.
        rows: the miners that it serves.
        since, clear_since: as of rows.
        evidence: tells what was seen of it, units in the keys.
    """

    domain: str
    cause: Reason
    rows: tuple[int, ...]
    since: float
    clear_since: float
    evidence: Callable[[], Evidence]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One tick's verdicts of one detector; arrays have shape (n,), and stand until it judges again.

    Attributes:
        health: `Health` per row.
        since: UTC s at which a firing row began to fire; NaN elsewhere.
        clear_since: UTC s at which a firing row's clear condition began to hold; NaN while it does not.
        devices: what is wrong with devices that serve miners.
    """

    category: Category
    health: Ints
    since: Floats
    clear_since: Floats
    evidence: Explains
    devices: tuple[Ailing, ...] = ()


class Detector(Protocol):
    """Judges every row of the view; keeps its own state between ticks."""

    category: Category

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row."""

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent."""
