"""Faults of a PDU: replies that are not what happened, and slowness. Disturbances, never incidents of their own."""

from agent.model.incident import Category
from simulators.faults.kind import FaultKind, Knob, On, Values, outlets_of
from simulators.plant.power import PduPlant
from simulators.plant.site import SitePlant


def _pdu_at(plant: SitePlant, target: str) -> PduPlant:
    return plant.power.pdu[outlets_of(plant.site, target)[0].pdu]


def _set_lies(plant: SitePlant, target: str, _: float, values: Values) -> None:
    pdu = _pdu_at(plant, target)
    lying = pdu.lies_accept if values["mode"] == "accept" else pdu.lies_refuse
    lying.update(outlets_of(plant.site, target))
    sets = values["sets"]
    pdu.lies_left = None if sets is None else int(sets)


def _stop_lying(plant: SitePlant, target: str, _: float) -> None:
    _pdu_at(plant, target).stop_lying()


def _slow(plant: SitePlant, target: str, _: float, values: Values) -> None:
    _pdu_at(plant, target).slow_down(
        reply_delay_s=float(values["reply_delay_s"] or 0.0), relay_delay_s=float(values["relay_delay_s"] or 0.0)
    )


def _speed_up(plant: SitePlant, target: str, _: float) -> None:
    _pdu_at(plant, target).speed_up()


PDU_FAULTS = (
    FaultKind(
        name="pdu.set_lies",
        category=Category.OTHER,
        counts=False,
        remedy=None,
        causes=frozenset(),
        does="A SET is answered OK and the relay stays, or answered with an error and the relay moves.",
        signature="The outlet's state, read back, is not what the reply said.",
        on=frozenset({On.PDU, On.OUTLET}),
        start=_set_lies,
        stop=_stop_lying,
        knobs={
            "mode": Knob("accept", "accept without moving, or refuse and move", choices=("accept", "refuse")),
            "sets": Knob(None, "how many SETs lie; all until it ends where not given", span=(1, 1000)),
        },
    ),
    FaultKind(
        name="pdu.slow",
        category=Category.OTHER,
        counts=False,
        remedy=None,
        causes=frozenset(),
        does="The PDU answers late and moves its relays later still.",
        signature="Requests take seconds; a state read at once after a SET is still the old one.",
        on=frozenset({On.PDU}),
        start=_slow,
        stop=_speed_up,
        knobs={
            "reply_delay_s": Knob(2.1, "until a request is answered, in s", span=(0.0, 60.0)),
            "relay_delay_s": Knob(8.0, "from a SET until its relay moves, in s", span=(0.0, 120.0)),
        },
    ),
)
