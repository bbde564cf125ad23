"""The plant's own agenda: what happens by itself, and when. Site time only ever moves forward."""

import heapq
from collections.abc import Callable
from itertools import count

Happening = Callable[[float], None]
"""Called with the site time in s at which it happens."""


class Clockwork:
    """An event queue in site seconds. What is due at the same time happens in the order it was planned.

    Attributes:
        now: site time in s that everything has been brought up to.
    """

    __slots__ = ("_agenda", "_busy", "_order", "now")

    def __init__(self, start_s: float) -> None:
        self.now = start_s
        self._agenda: list[tuple[float, int, Happening]] = []
        self._order = count()
        self._busy = False

    def plan(self, at: float, happening: Happening) -> None:
        """Let `happening` happen at site time `at`; what lies in the past happens at the next advance."""
        heapq.heappush(self._agenda, (max(at, self.now), next(self._order), happening))

    def advance(self, now: float) -> None:
        """Let everything happen that is due up to and including `now`, each at its own time; never goes back.

        Called from within a happening it does nothing: one thing ends before the next begins.
        """
        agenda = self._agenda
        if self._busy:
            return
        if not agenda or agenda[0][0] > now:
            self.now = max(self.now, now)
            return
        self._busy = True
        try:
            while agenda and agenda[0][0] <= now:
                at, _, happening = heapq.heappop(agenda)
                self.now = max(self.now, at)
                happening(self.now)
        finally:
            self._busy = False
        self.now = max(self.now, now)
