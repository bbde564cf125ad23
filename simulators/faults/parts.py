"""Faults of a miner's parts: hashboards, chips, fans, and a supply that cuts out for moments."""

from collections.abc import Callable, Mapping
from typing import get_args

from agent.model.action import Verb
from agent.model.ids import MinerId
from agent.model.incident import Category, Reason
from agent.model.topology import Cooling, Site
from simulators.faults.kind import FaultKind, Knob, Objection, On, Values, miner_at, number, repair
from simulators.plant.site import SitePlant
from simulators.plant.state import BoardError

BOARD_RETURNS = 0.175
"""Of dead hashboards 15 to 20 % come back after a cold cycle: facts "failures", row 5."""

SUPPLY_RETURNS = 0.4
"""Of supplies that cut out, those whom a cold cycle helps for good. An estimate: nobody publishes a figure."""

BOARD = Knob(1, "which hashboard, counted from 1", span=(1, 3), whole=True)


def _cold_cures(odds: float) -> Knob:
    return Knob(
        None,
        "a cold cycle brings it back; drawn for each fault where it is not written",
        choices=(True, False),
        odds=odds,
    )


def _place(values: Values, knob: str) -> int:
    return int(number(values, knob)) - 1


def _board_lost(plant: SitePlant, target: str, now: float, values: Values) -> None:
    error: BoardError = "eeprom" if values["error"] == "eeprom" else "chips"
    cures = bool(values["cold_cures"])
    miner_at(plant, target).lose_board(now, _place(values, "board"), error=error, cold_cures=cures)


def _chips_lost(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).lose_chips(now, _place(values, "board"), number(values, "share"))


def _degraded(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).degrade(now, number(values, "level"))


def _fan_lost(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).lose_fan(now, _place(values, "fan"))


def _has_fans(site: Site, target: str, _: Values) -> Objection | None:
    """A miner that liquid cools has none (facts "detection", section 1.2)."""
    cooling = site.miner(MinerId(target.partition(":")[2])).cooling
    if cooling is Cooling.AIR:
        return None
    return Objection("the target", "a miner with fans", f"one in {cooling.value}", "name one that air cools")


def _psu_hiccup(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).cut_out(now, number(values, "every_s"), cold_cures=bool(values["cold_cures"]))


def _is_cured_cold(values: Values) -> bool:
    return bool(values["cold_cures"])


def _is_hopeless(values: Values) -> bool:
    """Only a cold cycle tells it from one that a cold cycle cures."""
    return not values["cold_cures"]


def _part_fault(
    name: str,
    *,
    causes: frozenset[Reason],
    does: str,
    signature: str,
    start: Callable[[SitePlant, str, float, Values], None],
    knobs: Mapping[str, Knob],
    objects: Callable[[Site, str, Values], Objection | None] | None = None,
) -> FaultKind:
    """Return a fault kind of one miner's part; a cold cycle is its remedy where it has the knob for that."""
    is_cold = "cold_cures" in knobs
    return FaultKind(
        name=f"miner.{name}",
        category=Category.OTHER,
        counts=True,
        remedy=Verb.POWER_OFF if is_cold else None,
        causes=causes,
        does=does,
        signature=signature,
        on=frozenset({On.MINER}),
        start=start,
        stop=repair,
        knobs=knobs,
        cures=_is_cured_cold if is_cold else None,
        masked=_is_hopeless if is_cold else None,
        objects=objects,
    )


PART_FAULTS = (
    _part_fault(
        "board_lost",
        causes=frozenset({Reason.BOARD_LOST}),
        does="A hashboard is lost: none of its chips answers, or its EEPROM cannot be read.",
        signature=(
            "One chain without chips and without rate, two thirds of the hashrate and of the draw, the others fine. "
            "Whatsminer: code 53n, or 41n for the EEPROM."
        ),
        start=_board_lost,
        knobs={
            "board": BOARD,
            "error": Knob("chips", "what is seen of it", choices=get_args(BoardError)),
            "cold_cures": _cold_cures(BOARD_RETURNS),
        },
    ),
    _part_fault(
        "chips_lost",
        causes=frozenset({Reason.DEGRADED}),
        does="A part of a hashboard's chips falls silent.",
        signature="Some chips of one chain marked x, or not counted, the rate lower by their share. Whatsminer: 55n.",
        start=_chips_lost,
        knobs={"board": BOARD, "share": Knob(0.4, "share of the board's chips that is lost", span=(0.3, 0.9))},
    ),
    _part_fault(
        "degraded",
        causes=frozenset({Reason.DEGRADED}),
        does="The miner computes less than it aims at, and counts hardware errors on the way: a worn board.",
        signature="Every chain lower by the same share, hardware errors at 6 % of the nonces, temperatures as usual.",
        start=_degraded,
        knobs={"level": Knob(0.89, "share of its full rate that it computes", span=(0.5, 0.93))},
    ),
    _part_fault(
        "fan_lost",
        causes=frozenset({Reason.FAN_LOST}),
        does="A fan stands still. A stock Antminer and a Whatsminer refuse to hash; LuxOS goes on with three of four.",
        signature="0 rpm on one fan; where hashing stops, every chip missing and draw at idle. Whatsminer: 110 or 111.",
        start=_fan_lost,
        knobs={"fan": Knob(1, "which fan, counted from 1", span=(1, 2), whole=True)},
        objects=_has_fans,
    ),
    _part_fault(
        "psu_hiccup",
        causes=frozenset({Reason.PSU_HICCUP, Reason.UNRESPONSIVE, Reason.NOT_HASHING}),
        does="The supply cuts out for 12 to 40 s, as its over-current protection does, again and again.",
        signature=(
            "Hashing stops at once and the dashboard is gone for one or two minutes, with the boot that follows; it "
            "comes back by itself and goes on. Whatsminer: code 238."
        ),
        start=_psu_hiccup,
        knobs={
            "every_s": Knob(2100.0, "mean time between two cuts, in s", span=(1500.0, 43_200.0)),
            "cold_cures": _cold_cures(SUPPLY_RETURNS),
        },
    ),
)
