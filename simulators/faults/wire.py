"""Faults of the wire between agent and miner: the miner goes on hashing. Disturbances, never incidents of their own."""

from collections.abc import Callable

from agent.model.incident import Category, Reason
from simulators.faults.kind import FaultKind, Knob, On, Values, miner_at, number
from simulators.plant.site import SitePlant
from simulators.plant.state import WireFault, WireFaultKind

_PROBABILITY = Knob(1.0, "share of the connections it hits", span=(0.0, 1.0))


def _disturb(kind: WireFaultKind) -> Callable[[SitePlant, str, float, Values], None]:
    def start(plant: SitePlant, target: str, _: float, values: Values) -> None:
        probability = number(values, "probability") if "probability" in values else 1.0
        miner_at(plant, target).wire = WireFault(kind, probability)

    return start


def _clear(kind: WireFaultKind) -> Callable[[SitePlant, str, float], None]:
    def stop(plant: SitePlant, target: str, _: float) -> None:
        # A later disturbance of another kind took this one's place, and lasts for as long as it was meant to.
        miner = miner_at(plant, target)
        if miner.wire is not None and miner.wire.kind is kind:
            miner.wire = None

    return stop


def _wire_fault(kind: WireFaultKind, *, does: str, signature: str, knobs: dict[str, Knob]) -> FaultKind:
    return FaultKind(
        name=f"wire.{kind}",
        category=Category.NETWORK,
        counts=False,
        remedy=None,
        causes=frozenset({Reason.UNRESPONSIVE}),
        does=does,
        signature=signature,
        on=frozenset({On.MINER}),
        start=_disturb(kind),
        stop=_clear(kind),
        knobs=knobs,
    )


WIRE_FAULTS = (
    _wire_fault(
        WireFaultKind.GARBAGE,
        does="Replies to telemetry are spoilt in the ways real miners spoil theirs.",
        signature="Connections work, replies are not whole JSON or hold fields that are no numbers; watts nominal.",
        knobs={},
    ),
    _wire_fault(
        WireFaultKind.SILENT,
        does="Connections are accepted and never answered.",
        signature="No reply within any deadline; watts nominal, the switch port goes on receiving.",
        knobs={},
    ),
    _wire_fault(
        WireFaultKind.DROP,
        does="Connections are reset before the reply is complete.",
        signature="Resets and half replies, now and then or always; watts nominal.",
        knobs={"probability": _PROBABILITY},
    ),
)
