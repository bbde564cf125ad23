"""A coolant unit's own controller: what it tells, what it takes from a network and what it makes of that.

The loop is physics; this is the PLC in front of it, with its panel, its switches and its faults. Which registers it has
is the device's.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agent.model.topology import CoolingUnit
from simulators.plant.cooling import STILL, Loop
from simulators.plant.weather import Weather

PUMPS = 2
RANGE_C = (10.0, 60.0)
"""A setpoint outside is taken for the nearer end, without a word."""
LEAST_FLOW = 0.5
"""No pump is told to bring less than this share of the design flow; what is lower is taken for it."""


class Answer(StrEnum):
    """What a unit says to a write; what it does is another matter."""

    TAKEN = "taken"
    REFUSED = "refused"
    """An exception: it does not want that value, or anything."""
    BUSY = "busy"
    """An exception: not now."""


class Refusal(StrEnum):
    """How a unit that refuses does it."""

    VALUE = "value"
    BUSY = "busy"
    IGNORES = "ignores"
    """It says that it was taken, and does nothing."""


class Written(NamedTuple):
    """One write that changed something: when, what, and the dew point then, in °C."""

    at: float
    what: str
    value: float
    dew_point_c: float


class UnitReading(NamedTuple):
    """What a unit's sensors and switches show. Temperatures in °C, flows in L/min, humidity as a share of 1."""

    supply_c: float
    return_c: float
    flow_lpm: float
    setpoint_c: float
    flow_setpoint_lpm: float
    ambient_c: float
    humidity: float
    dew_point_c: float
    remote: bool
    automatic: bool
    pumps_run: tuple[bool, ...]
    pumps_failed: tuple[bool, ...]
    leak: bool
    alarm: bool


@dataclass(slots=True)
class UnitTrouble:
    """What is amiss with a unit itself, not with its loop.

    Attributes:
        local: somebody works at its panel: writes are taken and ignored.
        leak: it has found one. silent: nothing on its network interface answers.
        refusal: how it refuses writes; None: it does not.
        lie_k: by how much its supply sensor shows too much. stuck_c: what it shows whatever is; None: it works.
        flow_shown: share of the flow that its flow sensor shows.
        reply_s: from a request to its reply.
    """

    local: bool = False
    leak: bool = False
    silent: bool = False
    refusal: Refusal | None = None
    lie_k: float = 0.0
    stuck_c: float | None = None
    flow_shown: float = 1.0
    reply_s: float = 0.05


class UnitPlant:
    """One coolant unit.

    Attributes:
        spec: the unit of the configuration. loop: what it drives. trouble: what is amiss with it.
        writes: every write that came and was taken, each wearing out its memory a little: facts "control", section 3.
        moved: those that changed something, in order.
    """

    def __init__(self, spec: CoolingUnit, loop: Loop, weather: Weather) -> None:
        self.spec = spec
        self.loop = loop
        self.trouble = UnitTrouble()
        self.writes = 0
        self.moved: list[Written] = []
        self._weather = weather

    @property
    def may_be_told(self) -> bool:
        """Whether anybody could lower or raise what it aims at from afar, and see what comes of it."""
        return self.trouble == UnitTrouble() and self.loop.circuit.setpoint_c == self.spec.setpoint_c

    def reading(self, now: float) -> UnitReading:
        """Return what it shows."""
        loop, trouble, runs = self.loop, self.trouble, self.loop.pumps_run
        supply_c = loop.supply_c(now) + trouble.lie_k if trouble.stuck_c is None else trouble.stuck_c
        return UnitReading(
            supply_c=supply_c,
            return_c=loop.return_c(now),
            flow_lpm=loop.flow_lpm * trouble.flow_shown,
            setpoint_c=loop.circuit.setpoint_c,
            flow_setpoint_lpm=loop.flow_setpoint_lpm,
            ambient_c=self._weather.outdoor_c(now),
            humidity=self._weather.humidity(now),
            dew_point_c=self._weather.dew_point_c(now),
            remote=not trouble.local,
            automatic=not trouble.local,
            pumps_run=(runs,) * PUMPS,
            pumps_failed=(not runs,) * PUMPS,
            leak=trouble.leak,
            alarm=not runs or loop.flow * trouble.flow_shown < STILL,
        )

    def set_supply(self, now: float, supply_c: float) -> Answer:
        """Take a supply temperature in °C from the network."""
        least_c, most_c = RANGE_C
        return self._take(now, "supply_c", min(max(supply_c, least_c), most_c))

    def set_flow(self, now: float, flow_lpm: float) -> Answer:
        """Take a flow in L/min from the network."""
        return self._take(now, "flow_lpm", max(flow_lpm, LEAST_FLOW * self.loop.design_lpm))

    def turn(self, now: float, setpoint_c: float) -> None:
        """Let somebody at its panel set another supply temperature."""
        self.loop.aim(now, setpoint_c)

    def _take(self, now: float, what: str, value: float) -> Answer:
        refusal = self.trouble.refusal
        if refusal in (Refusal.VALUE, Refusal.BUSY):
            return Answer.REFUSED if refusal is Refusal.VALUE else Answer.BUSY
        self.writes += 1
        if refusal is Refusal.IGNORES or self.trouble.local:
            return Answer.TAKEN
        self.moved.append(Written(now, what, value, self._weather.dew_point_c(now)))
        if what == "supply_c":
            self.loop.aim(now, value)
        else:
            self.loop.pump(now, value / self.loop.design_lpm)
        return Answer.TAKEN
