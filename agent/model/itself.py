"""What the agent measures of itself: the machine it runs on, its way out, its clock, its own haste. Data, no judgement.

Every part has one figure that is zero where all is well, and the time it was last really measured (UTC s, NaN for
never). What is never measured is never at fault.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.model.incident import Evidence, Reason


class Part(StrEnum):
    """One thing of the agent's own that may fail."""

    LINK = "link_lost"
    """The network interface that leads to the devices has no link: 1 or 0."""
    GATEWAY = "gateway_silent"
    """The router through which it leaves its network, and which answered before, answers no more: 1 or 0."""
    LEDGER = "ledger_s"
    """How long the last commit took, in s."""
    LOOP = "loop_lag_s"
    """By how much the event loop was late at worst within the last seconds, in s."""
    CLOCK = "clock_moved_s"
    """How far the wall clock stands from where the steady clock has it, in s, whichever way."""
    DNS = "dns_silent"
    """No nameserver answers: 1 or 0."""


CAUSES: Mapping[Part, Reason] = {
    Part.LINK: Reason.OWN_NETWORK,
    Part.GATEWAY: Reason.OWN_NETWORK,
    Part.LEDGER: Reason.OWN_LEDGER,
    Part.LOOP: Reason.OWN_LAG,
    Part.CLOCK: Reason.OWN_CLOCK,
    Part.DNS: Reason.OWN_DNS,
}
"""As what each is seen; where several fail, the first of them explains the others."""

WAY_OUT = (Part.LINK, Part.GATEWAY)


@dataclass(frozen=True, slots=True)
class Way:
    """What a look at the way out found; None for what cannot be told.

    Attributes:
        linked: the interfaces that lead to devices have a link.
        answered: a router answered.
    """

    linked: bool | None
    answered: bool | None


class Gauge:
    """One part's figure.

    Attributes:
        value: the figure. at: UTC s of its measurement.
        since: UTC s of the first of the measurements in a row that were above zero; NaN where the last was not.
    """

    __slots__ = ("at", "since", "value")

    def __init__(self) -> None:
        self.value = self.at = self.since = math.nan

    def put(self, value: float, now: float) -> None:
        """Store a measurement."""
        if value <= 0.0:
            self.since = math.nan
        elif math.isnan(self.since):
            self.since = now
        self.value, self.at = value, now


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong with the agent.

    Attributes:
        since: UTC s of the first bad measurement of what fires for longest.
        is_clear: nothing of it is bad at present; it is to stay so for a while.
        evidence: the figures of all that fires, and whether the agent is blind.
    """

    cause: Reason
    since: float
    is_clear: bool
    evidence: Evidence


class Itself:
    """All gauges, and whether the agent hears anybody at all.

    Attributes:
        blind: its own network is out and nobody answers, or was until just now. A poll that comes to nothing says
            nothing then, and nothing is judged by it.
    """

    __slots__ = ("_back_at", "blind", "gauges")

    def __init__(self) -> None:
        self.gauges: Mapping[Part, Gauge] = {part: Gauge() for part in Part}
        self.blind = False
        self._back_at = math.inf

    def __getitem__(self, part: Part) -> Gauge:
        return self.gauges[part]

    @property
    def measured(self) -> Iterable[tuple[Part, Gauge]]:
        """Return every part that was ever measured, the ones that explain others first."""
        return ((part, gauge) for part, gauge in self.gauges.items() if not math.isnan(gauge.at))

    def hear(self, answered_at: float, now: float, back_s: float) -> None:
        """Decide whether the agent is blind: its network is out, and nobody was heard since.

        Args:
            answered_at: UTC s of the last answer of any miner; NaN where none ever did.
            now: UTC s.
            back_s: for so long after its network is back it goes on: until everybody was polled again.
        """
        out_since = min((self[part].since for part in WAY_OUT if self[part].value > 0.0), default=math.inf)
        if out_since < math.inf and not answered_at > out_since:
            self.blind, self._back_at = True, math.inf
        elif self.blind:
            self._back_at = min(self._back_at, now)
            self.blind = now - self._back_at < back_s
