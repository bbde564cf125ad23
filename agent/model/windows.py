"""Announced windows: what somebody has said that miners are to do for a while, and the time that is excused by it.

Data and look-ups, as everything the ledger's fold yields. Who may open a window, and how, is not here; nor is what the
agent makes of one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent.model.ids import MinerId, WindowId


class Purpose(StrEnum):
    """What a window is for."""

    CURTAILED = "curtailed"
    """Its miners are told, by somebody else, to sleep or to run at a share of their power."""
    MAINTENANCE = "maintenance"
    """People work on them."""


class EndReason(StrEnum):
    """Why a window ended."""

    EXPIRED = "expired"
    """Its time was over."""
    RESUMED = "resumed"
    """Whoever opened it, or another person, said that it is over."""
    REMOVED = "removed"
    """The configuration does not have it any more."""


@dataclass(frozen=True, slots=True)
class Window:
    """One announced window.

    Attributes:
        scope: how its miners were named, as selectors.
        miners: those that the selectors meant when it was opened.
        share: of their nominal power, that they are to run at: 0 for asleep. Means nothing in a maintenance.
        began_at, until: UTC s; it ends by itself at `until`.
        told_at: UTC s at which whoever opened it says that he did, where he says so.
        ended_at: UTC s at which it did end; None while it lasts.
    """

    id: WindowId
    purpose: Purpose
    scope: tuple[str, ...]
    miners: frozenset[MinerId]
    share: float
    began_at: float
    until: float
    why: str
    actor: str
    told_at: float | None = None
    ended_at: float | None = None


class Windows:
    """Every window that lasts, and those that ended and still matter.

    Attributes:
        open: those that last, by id, in the order opened.
        past: those that are over, in the order in which they ended.
        version: grows with every change, so that whoever derives something from them knows when to do so anew.
        opened: how many were ever opened.
    """

    def __init__(self) -> None:
        self.open: dict[WindowId, Window] = {}
        self.past: list[Window] = []
        self.version = 0
        self.opened = 0

    def next_id(self) -> WindowId:
        """Return the id that the next window a person opens gets."""
        return WindowId(f"w-{self.opened + 1:06d}")

    def covering(self, miner: MinerId) -> Iterator[Window]:
        """Yield the windows that last and have this miner."""
        return (window for window in self.open.values() if miner in window.miners)

    def excused_s(self, members: Iterable[MinerId], since: float, until: float) -> float:
        """Return for how long between two times (UTC s) one window or another had all of these miners."""
        wanted = frozenset(members)
        spans = sorted(
            (max(window.began_at, since), min(until if window.ended_at is None else window.ended_at, until))
            for window in (*self.past, *self.open.values())
            if wanted and wanted <= window.miners
        )
        total_s, reached = 0.0, since
        for began, ended in spans:
            total_s += max(0.0, ended - max(began, reached))
            reached = max(reached, ended)
        return total_s
