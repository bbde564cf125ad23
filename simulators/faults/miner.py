"""Faults of a miner itself: process, control board, hashboards, power supply."""

from agent.model.action import Verb
from agent.model.incident import Category, Reason
from simulators.faults.kind import FaultKind, Knob, On, Values, miner_at, number, repair
from simulators.plant.site import SitePlant

_GONE = frozenset({Reason.UNRESPONSIVE})


def _process_died(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).kill_process(now, watchdog=bool(values["watchdog"]))


def _hashing_stopped(plant: SitePlant, target: str, now: float, _: Values) -> None:
    miner_at(plant, target).stop_hashing(now)


def _control_board_hung(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).hang_board(now, draw="full" if values["draw"] == "full" else "idle")


def _psu_latched(plant: SitePlant, target: str, now: float, _: Values) -> None:
    miner_at(plant, target).latch_psu(now)


def _psu_dead(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).kill_psu(now, standby_w=number(values, "standby_w"))


NO_DRAW_W = 3.0
"""A supply that draws more than this looks like a latched one; below, no working supply ever is."""

MINER_FAULTS = (
    FaultKind(
        name="miner.process_died",
        category=Category.STUCK,
        counts=True,
        remedy=Verb.RESTART,
        causes=_GONE,
        does="The mining process is gone, and whatever should start it again failed too.",
        signature=(
            "Stock Antminer: port 4028 refused, web pages answer. LuxOS and Whatsminer: every telemetry command is "
            "answered with an error, control commands work. Draw falls to idle within a minute."
        ),
        on=frozenset({On.MINER}),
        start=_process_died,
        stop=repair,
        knobs={
            "watchdog": Knob(False, "the firmware's own watchdog works and starts it again", choices=(False, True)),
        },
    ),
    FaultKind(
        name="miner.hashing_stopped",
        category=Category.STUCK,
        counts=True,
        remedy=Verb.RESTART,
        causes=frozenset({Reason.NOT_HASHING}),
        does="The hashboards stop under a process that lives on.",
        signature=(
            "The API answers: 5 s rate 0, shares stand still, every chip missing, pool Alive; on a stock Antminer the "
            "averages freeze. Draw falls to idle within a minute."
        ),
        on=frozenset({On.MINER}),
        start=_hashing_stopped,
        stop=repair,
    ),
    FaultKind(
        name="miner.control_board_hung",
        category=Category.STUCK,
        counts=True,
        remedy=Verb.POWER_OFF,
        causes=_GONE,
        does="The control board hangs: API, web and process are dead, its network link stays up.",
        signature="API and web silent, port up and nothing received on it, outlet at idle or at full watts.",
        on=frozenset({On.MINER}),
        start=_control_board_hung,
        stop=repair,
        knobs={
            "draw": Knob("idle", "hashboards lose their heartbeat and switch off, or go on", choices=("idle", "full"))
        },
    ),
    FaultKind(
        name="miner.psu_latched",
        category=Category.STUCK,
        counts=True,
        remedy=Verb.POWER_OFF,
        causes=_GONE,
        does="The power supply latches off after an over-current; it forgets after 30 s without mains, not sooner.",
        signature="API silent, port down, outlet on at 10 to 18 W.",
        on=frozenset({On.MINER}),
        start=_psu_latched,
        stop=repair,
    ),
    FaultKind(
        name="miner.psu_dead",
        category=Category.STUCK,
        counts=True,
        remedy=None,
        causes=_GONE,
        does="The power supply is dead: the primary side draws nothing, a dead secondary side leaves 8 to 15 W.",
        signature="API silent, port down, outlet on at 0 W, or a few watts that no cycle changes.",
        on=frozenset({On.MINER}),
        start=_psu_dead,
        stop=repair,
        knobs={"standby_w": Knob(0.0, "what it still draws, in W", span=(0.0, 15.0))},
        masked=lambda values: number(values, "standby_w") > NO_DRAW_W,
    ),
)
