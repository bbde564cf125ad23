"""Faults of a miner's parts: hashboards, chips, fans, and a supply that cuts out for moments."""

from typing import get_args

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from simulators.faults.kind import FaultKind, Knob, On, Values, miner_at, number, repair
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


def _psu_hiccup(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).cut_out(now, number(values, "every_s"), cold_cures=bool(values["cold_cures"]))


def _is_hopeless(values: Values) -> bool:
    """Only a cold cycle tells it from one that a cold cycle cures."""
    return not values["cold_cures"]


PART_FAULTS = (
    FaultKind(
        name="miner.board_lost",
        category=Category.OTHER,
        counts=True,
        remedy=Verb.POWER_OFF,
        causes=frozenset({Reason.BOARD_LOST}),
        does="A hashboard is lost: none of its chips answers, or its EEPROM cannot be read.",
        signature=(
            "One chain without chips and without rate, two thirds of the hashrate and of the draw, the others fine. "
            "Whatsminer: code 53n, or 41n for the EEPROM."
        ),
        on=frozenset({On.MINER}),
        start=_board_lost,
        stop=repair,
        knobs={
            "board": BOARD,
            "error": Knob("chips", "what is seen of it", choices=get_args(BoardError)),
            "cold_cures": _cold_cures(BOARD_RETURNS),
        },
        cures=lambda values: bool(values["cold_cures"]),
        masked=_is_hopeless,
    ),
    FaultKind(
        name="miner.chips_lost",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=frozenset({Reason.DEGRADED}),
        does="A part of a hashboard's chips falls silent.",
        signature="Some chips of one chain marked x, or not counted, the rate lower by their share. Whatsminer: 55n.",
        on=frozenset({On.MINER}),
        start=_chips_lost,
        stop=repair,
        knobs={"board": BOARD, "share": Knob(0.4, "share of the board's chips that is lost", span=(0.3, 0.9))},
    ),
    FaultKind(
        name="miner.degraded",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=frozenset({Reason.DEGRADED}),
        does="The miner computes less than it aims at, and counts hardware errors on the way: a worn board.",
        signature="Every chain lower by the same share, hardware errors at 6 % of the nonces, temperatures as usual.",
        on=frozenset({On.MINER}),
        start=_degraded,
        stop=repair,
        knobs={"level": Knob(0.89, "share of its full rate that it computes", span=(0.5, 0.93))},
    ),
    FaultKind(
        name="miner.fan_lost",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=frozenset({Reason.FAN_LOST}),
        does="A fan stands still. A stock Antminer and a Whatsminer refuse to hash; LuxOS goes on with three of four.",
        signature="0 rpm on one fan; where hashing stops, every chip missing and draw at idle. Whatsminer: 110 or 111.",
        on=frozenset({On.MINER}),
        start=_fan_lost,
        stop=repair,
        knobs={"fan": Knob(1, "which fan, counted from 1", span=(1, 2), whole=True)},
    ),
    FaultKind(
        name="miner.psu_hiccup",
        category=Category.OTHER,
        counts=True,
        remedy=Verb.POWER_OFF,
        causes=frozenset({Reason.PSU_HICCUP, Reason.UNRESPONSIVE, Reason.NOT_HASHING}),
        does="The supply cuts out for 12 to 40 s, as its over-current protection does, again and again.",
        signature=(
            "Hashing stops at once and the dashboard is gone for one or two minutes, with the boot that follows; it "
            "comes back by itself and goes on. Whatsminer: code 238."
        ),
        on=frozenset({On.MINER}),
        start=_psu_hiccup,
        stop=repair,
        knobs={
            "every_s": Knob(2100.0, "mean time between two cuts, in s", span=(1500.0, 43_200.0)),
            "cold_cures": _cold_cures(SUPPLY_RETURNS),
        },
        cures=lambda values: bool(values["cold_cures"]),
        masked=_is_hopeless,
    ),
)
