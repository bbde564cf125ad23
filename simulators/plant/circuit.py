"""One liquid circuit as lumped physics: what the coolant holds, what carries heat out of it, and who regulates that.

    C · dT/dt = P - q,        q ≤ UA · (T - wet bulb)

A controller moves q, the heat rejected, towards what holds the supply at its setpoint; the coolers and valves that do
it take a minute for their whole way. Constants: facts "detection", section 5. Pure: no site, no time of its own.
"""

import math
from dataclasses import dataclass

STEP_S = 1.0
ACTUATOR_S = 60.0
"""From closed to fully open."""

GAIN_PER_K = 0.2083
RESET_S = 1800.0
"""Heat rejected more for each K above the setpoint, over the nominal heat, and how fast a standing deviation is worked
off; for a circuit of the usual capacity, others are tuned with the root of it. With these a step of 2 K down is at 90 %
after 90, 127 and 180 s for half, once and twice 3 m³, and overshoots by 3 %; the facts have 89, 121 and 177 s."""

APPROACH_K = 10.0
"""At nominal heat and full effort the supply is so much above the wet bulb."""

SETTLED_K, SETTLED_SHARE = 0.01, 1e-3


@dataclass(frozen=True, slots=True)
class CircuitFigures:
    """One circuit.

    Attributes:
        nominal_w: heat of all its miners at full rate.
        capacity_j_per_k: what it takes to warm its content by 1 K.
        usual_j_per_k: the capacity of a usual one of that heat, which its controller's gain follows from.
    """

    nominal_w: float
    capacity_j_per_k: float
    usual_j_per_k: float

    @property
    def conductance_w_per_k(self) -> float:
        """UA of its coolers at full effort."""
        return self.nominal_w / APPROACH_K


class Circuit:
    """The state of one circuit.

    Attributes:
        figures: what it is like.
        supply_c: temperature of what goes to the miners.
        setpoint_c: what its controller aims at.
        droop_k: how far above the setpoint its controller leaves it.
        health: share of its coolers' conductance that is there; 0 where no heat is rejected.
        rejected_w: heat rejected now.
    """

    def __init__(self, figures: CircuitFigures, setpoint_c: float, heat_w: float) -> None:
        self.figures = figures
        self.supply_c = self.setpoint_c = setpoint_c
        self.droop_k = 0.0
        self.health = 1.0
        self.rejected_w = heat_w
        self._standing_w = heat_w

    def most_w(self, sink_c: float) -> float:
        """Return the most heat that can be rejected now, to air of that wet-bulb temperature."""
        return max(0.0, self.figures.conductance_w_per_k * self.health * (self.supply_c - sink_c))

    def advance(self, dt: float, heat_w: float, sink_c: float) -> float:
        """Pass `dt` s with that heat coming in and that wet bulb outside; return the heat rejected, in J."""
        figures = self.figures
        tune = math.sqrt(figures.capacity_j_per_k / figures.usual_j_per_k)
        gain_w, reset_s = GAIN_PER_K * figures.nominal_w * tune, RESET_S * tune
        way_w = figures.nominal_w / ACTUATOR_S
        rejected_j, left = 0.0, dt
        while left > 1e-9:
            step = min(STEP_S, left)
            error_k = self.supply_c - self.setpoint_c - self.droop_k
            most_w = self.most_w(sink_c)
            wanted_w = min(max(0.0, self._standing_w + gain_w * error_k), most_w)
            if not (error_k > 0.0 and wanted_w >= most_w):  # no winding up against the stop
                self._standing_w = max(0.0, self._standing_w + gain_w / reset_s * error_k * step)
            move_w = wanted_w - self.rejected_w
            self.rejected_w = min(self.rejected_w + max(-way_w * step, min(way_w * step, move_w)), most_w)
            self.supply_c += (heat_w - self.rejected_w) / figures.capacity_j_per_k * step
            rejected_j += self.rejected_w * step
            left -= step
        return rejected_j

    def rest_c(self, heat_w: float, sink_c: float) -> float:
        """Return the supply temperature at which it would come to rest; infinite where it would not."""
        conductance = self.figures.conductance_w_per_k * self.health
        if conductance <= 0.0:
            return math.inf if heat_w > 0.0 else self.supply_c
        held_c = self.setpoint_c + self.droop_k if heat_w > 0.0 else self.supply_c
        return max(held_c, sink_c + heat_w / conductance)

    def is_settled(self, heat_w: float, sink_c: float) -> bool:
        """Whether nothing moves any more."""
        balanced = abs(heat_w - self.rejected_w) <= SETTLED_SHARE * self.figures.nominal_w
        return balanced and abs(self.supply_c - self.rest_c(heat_w, sink_c)) <= SETTLED_K

    def settle(self, heat_w: float, sink_c: float) -> None:
        """Be at rest: for where conditions change too slowly to follow them step by step."""
        self.supply_c = self.rest_c(heat_w, sink_c)
        self.rejected_w = self._standing_w = heat_w
