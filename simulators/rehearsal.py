"""What goes wrong when: a list of injections, played on the event loop's time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from simulators.faults.kind import Value
from simulators.truth import Truth


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault to come.

    Attributes:
        at_s: the event loop's time in s; on a virtual loop that is site time.
        target: as the fault kind wants it, e.g. `miner:r1-01`.
        for_s: how long it lasts, in s; None until it is fixed.
    """

    at_s: float
    kind: str
    target: str
    for_s: float | None = None
    params: Mapping[str, Value] = field(default_factory=dict)


async def rehearse(truth: Truth, injections: Sequence[Injection]) -> None:
    """Inject each at its time; returns after the last. Raises PolicyError for an injection that does not fit."""
    loop = asyncio.get_running_loop()
    for injection in sorted(injections, key=lambda i: i.at_s):
        await asyncio.sleep(injection.at_s - loop.time())
        truth.inject(injection.kind, injection.target, loop.time(), for_s=injection.for_s, **injection.params)
