"""The drills of a dry run: faults that somebody lets loose on its simulated site, through the API's socket."""

import asyncio

import structlog

from agent.api.drills import MAX_DRILLS, Drill, DrillOrder, Drills
from agent.api.routes import Call, Route
from agent.model.errors import PolicyError
from simulators.faults import FAULT_KINDS
from simulators.faults.kind import Value
from simulators.truth import Truth

_log = structlog.get_logger(__name__)


class DrillMaster:
    """Begins and ends drills on one simulated site."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._begun: list[tuple[str, int]] = []
        """The target of each drill, and its fault's place among all."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers to."""
        return (
            Route("GET", "/drills", self._list),
            Route("POST", "/drills", self._begin),
            Route("DELETE", "/drills/{number}", self._end),
        )

    def list(self) -> Drills:
        """Return every drill so far."""
        return Drills(tuple(self._told(number) for number in range(1, len(self._begun) + 1)))

    def begin(self, order: DrillOrder) -> Drill:
        """Let a fault loose. Raises PolicyError for one that does not fit the site, or cannot begin there now."""
        if len(self._begun) >= MAX_DRILLS:
            raise PolicyError(f"{MAX_DRILLS} drills have begun in this dry run: start another one")
        kind = FAULT_KINDS.get(order.kind)
        params: dict[str, Value] = {k: tuple(v) if isinstance(v, list) else v for k, v in order.params.items()}
        if kind is not None and (unknown := params.keys() - kind.knobs.keys()):
            known = ", ".join(kind.knobs) or "none"
            raise PolicyError(f"{order.kind} has no parameter {min(unknown)}: expected one of: {known}")
        now = asyncio.get_running_loop().time()
        self._truth.check(order.kind, order.target, **params)
        place = self._truth.inject(order.kind, order.target, now, for_s=order.for_s, **params)
        self._begun.append((order.target, place))
        _log.info("drill_began", number=len(self._begun), kind=order.kind, target=order.target)
        return self._told(len(self._begun))

    def end(self, number: int) -> Drill:
        """End a drill, as a repair does or by its passing. Raises PolicyError where there is none of that number."""
        if not 1 <= number <= len(self._begun):
            raise PolicyError(f"expected the number of a drill, 1 to {len(self._begun)}; got {number}")
        self._truth.end(self._begun[number - 1][1], asyncio.get_running_loop().time())
        _log.info("drill_ended", number=number)
        return self._told(number)

    async def _list(self, _: Call) -> Drills:
        return self.list()

    async def _begin(self, call: Call) -> Drill:
        return self.begin(call.read(DrillOrder))

    async def _end(self, call: Call) -> Drill:
        text = call.parts["number"]
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DRILLS))):
            raise PolicyError(f"expected the number of a drill; got {text[:20]!r}")
        return self.end(int(text))

    def _told(self, number: int) -> Drill:
        target, place = self._begun[number - 1]
        fault = self._truth.faults()[place]
        return Drill(
            number,
            fault.kind,
            target,
            fault.miners,
            fault.fixable,
            round(asyncio.get_running_loop().time() - fault.started_at, 1),
            # What its miner has not felt yet, a clog that grows, is not over.
            fault.ended_at is not None or (fault.over_at is not None and fault.over_at > fault.started_at),
        )
