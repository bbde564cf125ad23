"""LuxOS's commands that change the list of pools: cgminer's, which take effect one line at a time, under no session.

Message codes are cgminer's. Lines are numbered in the order of their priorities as of the last line added or removed.
"""

from collections.abc import Callable, Mapping, Sequence

from simulators.devices.cgminer_api import Answer, Section
from simulators.devices.host import MinerHost
from simulators.devices.luxos_telemetry import LuxosTelemetry
from simulators.plant.pools import PoolLine
from simulators.plant.readings import PoolReading

SWITCHING, MISSING_POOL, INVALID_POOL = 27, 25, 26
MISSING_DETAILS, INVALID_DETAILS, TOO_MANY, ADDED = 52, 53, 54, 55
LAST_POOL, ACTIVE_POOL, REMOVED = 66, 67, 68
MAX_POOLS = 16
MAX_TEXT = 256


class LuxosPools:
    """The pool commands of one LuxOS miner.

    Attributes:
        commands: by name; each takes its parameter.
    """

    def __init__(self, host: MinerHost, telemetry: LuxosTelemetry) -> None:
        self._host = host
        self._telemetry = telemetry
        self.commands: Mapping[str, Callable[[str], Answer]] = {
            "addpool": self._add,
            "switchpool": self._switch,
            "removepool": self._remove,
        }

    def _add(self, parameter: str) -> Answer:
        url, *more = parameter.split(",")
        if not parameter:
            return self._refuse(MISSING_DETAILS, "Missing addpool details")
        if len(more) not in (2, 3) or not url or not more[0] or any(len(part) > MAX_TEXT for part in (url, *more)):
            return self._refuse(INVALID_DETAILS, f"Invalid addpool details '{parameter[:MAX_TEXT]}'")
        if len(more) == 3 and more[2] != "0":
            return self._refuse(INVALID_DETAILS, "Invalid group id")
        pools = self._by_priority()
        if len(pools) >= MAX_POOLS:
            return self._refuse(TOO_MANY, f"Reached maximum number of pools ({MAX_POOLS})")
        lines = [*_lines(pools), PoolLine(url, more[0])]
        return self._accept(ADDED, f"Added pool {len(pools)}: '{url}'", lambda: self._host.set_pools(lines))

    def _switch(self, parameter: str) -> Answer:
        found = self._find(parameter)
        if isinstance(found, Answer):
            return found
        number, pool = found
        return self._accept(SWITCHING, f"Switching to pool {number}: '{pool.url}'", lambda: self._work_for(number))

    def _work_for(self, number: int) -> None:
        self._host.plant.switch_pool(self._host.now(), number)

    def _remove(self, parameter: str) -> Answer:
        found = self._find(parameter)
        if isinstance(found, Answer):
            return found
        number, pool = found
        pools = self._by_priority()
        if len(pools) == 1:
            return self._refuse(LAST_POOL, f"Cannot remove last pool {number}: '{pool.url}'")
        if pool.active:
            return self._refuse(ACTIVE_POOL, f"Cannot remove active pool {number}: '{pool.url}'")
        lines = _lines([other for other in pools if other is not pool])
        return self._accept(REMOVED, f"Removed pool {number}: '{pool.url}'", lambda: self._host.set_pools(lines))

    def _pools(self) -> tuple[PoolReading, ...]:
        self._host.now()
        return self._host.plant.client.book().pools

    def _by_priority(self) -> list[PoolReading]:
        return sorted(self._pools(), key=lambda pool: pool.priority)

    def _find(self, parameter: str) -> tuple[int, PoolReading] | Answer:
        """Return the pool with that number, or the refusal."""
        pools = self._pools()
        if not parameter:
            return self._refuse(MISSING_POOL, "Missing pool id parameter")
        if not (parameter.isascii() and parameter.isdigit() and len(parameter) < 4 and int(parameter) < len(pools)):
            return self._refuse(INVALID_POOL, f"Invalid pool id {parameter[:8]} - range is 0 - {len(pools) - 1}")
        return int(parameter), pools[int(parameter)]

    def _refuse(self, code: int, message: str) -> Answer:
        content: Section = {"STATUS": [self._telemetry.status(code, message, "E")], "id": 1}
        return Answer(content)

    def _accept(self, code: int, message: str, effect: Callable[[], None]) -> Answer:
        content: Section = {"STATUS": [self._telemetry.status(code, message)], "id": 1}
        return Answer(content, effect=effect)


def _lines(pools: Sequence[PoolReading]) -> list[PoolLine]:
    return [PoolLine(pool.url, pool.user) for pool in pools]
