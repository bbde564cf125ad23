"""Faults of heat: one miner's clog, loops that do not cool as they should or not at all, coolant units, the weather."""

from collections.abc import Callable

from agent.model.action import Verb
from agent.model.ids import CoolingUnitId, MinerId
from agent.model.incident import Category, Reason
from agent.model.topology import Site
from simulators.faults.kind import COVERAGE, COVERS, FaultKind, Knob, Objection, On, Values, miner_at, number
from simulators.plant.cooling import Loop
from simulators.plant.journal import What
from simulators.plant.limits import LEAST_LEVEL
from simulators.plant.site import SitePlant
from simulators.plant.unit import Refusal, UnitPlant

SETS_SUPPLY = frozenset({"ocp_rpu2"})
"""Units whose supply may be lowered: they tell how humid it is. Facts "control", section 3."""
SETS_FLOW = frozenset({"ocp_rpu2", "cdu_plc_3000"})
TELLS_FLOW = frozenset({"ocp_rpu2"})

_HOT = frozenset({Reason.LOOP_HOT})
_LOST = frozenset({Reason.COOLING_LOST, Reason.LOOP_HOT})
_SILENT = frozenset({Reason.UNIT_SILENT})
_ANY_HEAT = frozenset({Reason.LOOP_HOT, Reason.COOLING_LOST, Reason.OVERHEATED})

Change = Callable[[SitePlant, Loop, float, Values], None]
UnitChange = Callable[[UnitPlant, float, Values], None]


def _loop_at(plant: SitePlant, target: str) -> Loop:
    return plant.cooling.loops[target.partition(":")[2]]


def _unit_at(plant: SitePlant, target: str) -> UnitPlant:
    return plant.units[CoolingUnitId(target.partition(":")[2])]


def _on_another(plant: SitePlant, target: str, miners: tuple[MinerId, ...], away: bool) -> None:
    _loop_at(plant, target).set_apart(plant.now, miners, away)


def _is_liquid(site: Site, target: str, _: Values) -> Objection | None:
    """A loop is one that liquid-cooled miners hang on."""
    name = target.partition(":")[2]
    if any(miner.loop == name and miner.cooling.value != "air" for miner in site.miners):
        return None
    return Objection("the target", "a loop with liquid-cooled miners", "none on it", "name another loop")


def _settable(profiles: frozenset[str]) -> Callable[[SitePlant, str, Values], bool]:
    """Return whether the loop of a target is driven by a unit of these profiles that is in order."""

    def curable(plant: SitePlant, target: str, _: Values) -> bool:
        unit = plant.site.unit_of_loop.get(target.partition(":")[2])
        return unit is not None and unit.profile in profiles and plant.units[unit.id].may_be_told

    return curable


def _loop_fault(
    name: str,
    *,
    begin: Callable[[Loop, float, Values], None],
    end: Callable[[Loop, float], None],
    remedy: Verb | None,
    causes: frozenset[Reason],
    does: str,
    signature: str,
    settable: frozenset[str] | None = None,
    **knobs: Knob,
) -> FaultKind:
    """Return a fault kind of one loop; `settable` are the units with which the remedy can work."""
    return FaultKind(
        name=f"loop.{name}",
        category=Category.THERMAL,
        counts=True,
        remedy=remedy,
        causes=causes,
        does=does,
        signature=signature,
        on=frozenset({On.LOOP}),
        start=lambda plant, target, now, values: begin(_loop_at(plant, target), now, values),
        stop=lambda plant, target, now: end(_loop_at(plant, target), now),
        knobs={**knobs, COVERAGE: COVERS},
        apart=_on_another,
        objects=_is_liquid,
        curable=None if settable is None else _settable(settable),
    )


def _foul(loop: Loop, now: float, values: Values) -> None:
    share, droop_k, within_s = (number(values, name) for name in ("share", "droop_k", "within_s"))
    loop.foul(now, share=share, droop_k=droop_k, within_s=within_s)


LOOP_FAULTS = (
    _loop_fault(
        "heat_rejection_weak",
        begin=_foul,
        end=lambda loop, now: loop.foul(now, share=0.0, droop_k=0.0),
        remedy=Verb.SET_SUPPLY,
        causes=_HOT,
        settable=SETS_SUPPLY,
        does=(
            "The coolers are fouled: some of their conductance is lost, and what regulates them leaves the supply "
            "above its setpoint. A lower setpoint brings it down as far."
        ),
        signature="Supply up and steady above its setpoint, flow as designed, thermal resistance of all miners flat.",
        share=Knob(0.2, "share of the coolers' conductance that is lost", span=(0.0, 0.95)),
        droop_k=Knob(5.0, "how far above the setpoint the supply is left, in K", span=(0.0, 15.0)),
        within_s=Knob(0.0, "how long it takes to come to that, in s", span=(0.0, 604_800.0)),
    ),
    _loop_fault(
        "flow_low",
        begin=lambda loop, now, values: loop.wear(now, number(values, "share")),
        end=lambda loop, now: loop.wear(now, 0.0),
        remedy=Verb.SET_FLOW,
        causes=_HOT,
        settable=SETS_FLOW,
        does="A worn pump or a filter that is full: the flow is short of what it is set to, by that share.",
        signature="Flow down, thermal resistance and outlet minus inlet of all miners up together, supply as set.",
        share=Knob(0.2, "share of the flow that is missing", span=(0.02, 0.9)),
    ),
    _loop_fault(
        "pump_failed",
        begin=lambda loop, now, _: loop.set_pumps(now, run=False),
        end=lambda loop, now: loop.set_pumps(now, run=True),
        remedy=None,
        causes=_LOST,
        does="All pumps of the loop stand still. Cold plates boil dry: nobody may go on hashing.",
        signature=(
            "Pump faults, no flow; chips get hotter by 0.8 K a second in a hydro loop, a tank by 2 K a minute. Miners "
            "that are not put to sleep stop themselves within half a minute."
        ),
    ),
    _loop_fault(
        "flow_blocked",
        begin=lambda loop, now, _: loop.wear(now, 1.0),
        end=lambda loop, now: loop.wear(now, 0.0),
        remedy=None,
        causes=_LOST,
        does="A valve is shut or a strainer is full: the pumps run against it, and nothing flows.",
        signature="No flow, and pumps that run; chips get hotter by 0.8 K a second in a hydro loop.",
    ),
    _loop_fault(
        "rejection_lost",
        begin=lambda loop, now, _: loop.set_rejection(now, works=False),
        end=lambda loop, now: loop.set_rejection(now, works=True),
        remedy=None,
        causes=_LOST,
        does="Fans or tower of the coolers have stopped: nothing carries heat out of the loop any more.",
        signature="Flow as designed, supply running away by 5 K a minute in a hydro loop, by 2 K in a tank.",
    ),
)


def _clog(plant: SitePlant, target: str, now: float, values: Values) -> None:
    within_s = number(values, "within_s")
    miner_at(plant, target).clog_up(now, over_k=number(values, "over_k"), within_s=within_s)


def _block(plant: SitePlant, target: str, now: float, values: Values) -> None:
    for_s = None if values["stays"] else number(values, "blocked_s")
    miner_at(plant, target).block(now, over_k=number(values, "over_k"), for_s=for_s)


def _bears_less(plant: SitePlant, target: str, values: Values) -> bool:
    """Whether the least share that a miner can be derated to is cool enough."""
    return miner_at(plant, target).protection.bears(plant.now, number(values, "over_k"), LEAST_LEVEL / 100.0)


def _passes_or_bears_less(plant: SitePlant, target: str, values: Values) -> bool:
    return not values["stays"] or _bears_less(plant, target, values)


def _heat_wave(plant: SitePlant, _: str, now: float, values: Values) -> None:
    plant.cooling.heat_up(now, number(values, "extra_k"), number(values, "within_s"))


def _unit_fault(
    name: str,
    *,
    begin: UnitChange,
    end: Callable[[UnitPlant, float], None],
    does: str,
    signature: str,
    causes: frozenset[Reason] = frozenset(),
    counts: bool = False,
    objects: Callable[[Site, str, Values], Objection | None] | None = None,
    **knobs: Knob,
) -> FaultKind:
    """Return what befalls one coolant unit: a disturbance, or, where somebody has to look at it for that, more."""
    return FaultKind(
        name=f"cdu.{name}",
        category=Category.OTHER if counts else Category.THERMAL,
        counts=counts,
        remedy=None,
        causes=causes,
        does=does,
        signature=signature,
        on=frozenset({On.CDU}),
        start=lambda plant, target, now, values: begin(_unit_at(plant, target), now, values),
        stop=lambda plant, target, now: end(_unit_at(plant, target), now),
        knobs=knobs,
        objects=objects,
    )


def _set(**troubles: object) -> Callable[[UnitPlant, float], None]:
    """Return what sets these troubles of a unit."""

    def change(unit: UnitPlant, _: float) -> None:
        for name, value in troubles.items():
            setattr(unit.trouble, name, value)

    return change


def _begin(**troubles: object) -> UnitChange:
    change = _set(**troubles)
    return lambda unit, now, _: change(unit, now)


def _refuse(unit: UnitPlant, _: float, values: Values) -> None:
    unit.trouble.refusal = Refusal(str(values["how"]))


def _answer_late(unit: UnitPlant, _: float, values: Values) -> None:
    unit.trouble.reply_s = number(values, "reply_s")


def _turn(unit: UnitPlant, now: float, values: Values) -> None:
    unit.turn(now, unit.loop.circuit.setpoint_c + number(values, "by_k"))


def _lie(unit: UnitPlant, now: float, values: Values) -> None:
    if values["how"] == "stuck":
        unit.trouble.stuck_c = unit.loop.supply_c(now)
    else:
        unit.trouble.lie_k = number(values, "by_k")


def _show_flow(unit: UnitPlant, _: float, values: Values) -> None:
    unit.trouble.flow_shown = number(values, "share")


def _tells_flow(site: Site, target: str, _: Values) -> Objection | None:
    """Its unit has a flow sensor."""
    unit = next((unit for unit in site.cooling_units if unit.id == target.partition(":")[2]), None)
    if unit is None or unit.profile in TELLS_FLOW:
        return None
    return Objection("the target", "a unit that tells its flow", unit.profile, "name another unit")


UNIT_FAULTS = (
    _unit_fault(
        "local_mode",
        begin=_begin(local=True),
        end=_set(local=False),
        does="Somebody works at the unit's panel: it takes writes from the network, and ignores them.",
        signature="Its mode registers say so; a setpoint written does not read back.",
    ),
    _unit_fault(
        "leak",
        begin=_begin(leak=True),
        end=_set(leak=False),
        counts=True,
        causes=frozenset({Reason.UNIT_LEAKS}),
        does="The unit has found a leak. Nobody may change anything.",
        signature="Its leak flags, or its general alarm where it has no other.",
    ),
    _unit_fault(
        "refuses",
        begin=_refuse,
        end=_set(refusal=None),
        does="The unit refuses what it is told, or says that it took it and does nothing.",
        signature="Exceptions to writes, or a setpoint that does not read back; it is read as ever.",
        how=Knob("value", "what it does", choices=("value", "busy", "ignores")),
    ),
    _unit_fault(
        "silent",
        begin=_begin(silent=True),
        end=_set(silent=False),
        counts=True,
        causes=_SILENT,
        does="The unit's network interface takes connections and answers nothing; the loop goes on.",
        signature="Reads run into their deadline.",
    ),
    _unit_fault(
        "slow",
        begin=_answer_late,
        end=_set(reply_s=0.05),
        causes=_SILENT,
        does="The unit takes its time for every reply; where a read takes too long for it, nobody hears it any more.",
        signature="Reads are late, or too late.",
        reply_s=Knob(2.0, "from a request to its reply, in s", span=(0.0, 60.0)),
    ),
    _unit_fault(
        "setpoint_moved",
        begin=_turn,
        end=lambda unit, now: unit.turn(now, unit.spec.setpoint_c),
        does="Somebody sets another supply temperature at the panel, whatever it was set to before.",
        signature="The setpoint is not what was last known.",
        causes=_HOT,
        by_k=Knob(3.0, "by how much, in K", span=(-10.0, 10.0)),
    ),
    _unit_fault(
        "sensor_lies",
        begin=_lie,
        end=_set(lie_k=0.0, stuck_c=None),
        does="The unit's sensor of the supply shows too much or too little, or is stuck; the loop is as it was.",
        signature="The supply it tells does not fit what miners tell of their inlet and their chips.",
        causes=frozenset({Reason.UNIT_SENSOR}),
        how=Knob("offset", "whether it is off by that much, or stuck at what it shows", choices=("offset", "stuck")),
        by_k=Knob(6.0, "how much too much it shows, in K", span=(-30.0, 60.0)),
    ),
    _unit_fault(
        "flow_sensor_lies",
        begin=_show_flow,
        end=_set(flow_shown=1.0),
        does="The unit's flow sensor shows less than flows, or nothing; the loop is as it was.",
        signature="No flow, while the miners hash and get no hotter.",
        causes=frozenset({Reason.UNIT_FLOW_SENSOR}),
        objects=_tells_flow,
        share=Knob(0.0, "share of the flow that it shows", span=(0.0, 1.0)),
    ),
)

HEAT_FAULTS = (
    FaultKind(
        name="miner.clogged",
        category=Category.THERMAL,
        counts=True,
        remedy=Verb.DERATE,
        curable=_bears_less,
        lingers=True,
        causes=frozenset({Reason.OVERHEATED, Reason.OVERTEMP_CUT_OUT}),
        felt=What.CURBED,
        does=(
            "Dust, scale or a clogged cold plate: heat leaves the miner so badly that at full rate, its fans at full "
            "speed, it would be that far above where its firmware stops it. With so much less power it is cool, and "
            "throttles no more; for full power somebody has to clean it."
        ),
        signature=(
            "Chips at the limit, fans at full speed, thermal resistance above its own past and its neighbours'. Stock "
            "stops and starts again and again; LuxOS and Whatsminer step down first."
        ),
        on=frozenset({On.MINER}),
        start=_clog,
        stop=lambda plant, target, now: miner_at(plant, target).repair(now),
        knobs={
            "over_k": Knob(10.0, "how far above where it stops it would be, in K", span=(-10.0, 100.0)),
            "within_s": Knob(1800.0, "how long it takes to come to that, in s", span=(0.0, 604_800.0)),
        },
    ),
    FaultKind(
        name="miner.overtemp_cut_out",
        category=Category.THERMAL,
        counts=True,
        remedy=Verb.RESTART,
        curable=_passes_or_bears_less,
        causes=frozenset({Reason.OVERTEMP_CUT_OUT, Reason.OVERHEATED}),
        felt=What.CURBED,
        does=(
            "Something lies on its intake: within a minute it reaches the temperature that stops it, and its firmware "
            "leaves the hashboards off until a new mining process begins. By then the intake may be free again."
        ),
        signature=(
            "Chips at the limit, then no hashes while the API answers, fans at full speed, the pool alive; it cools "
            "down and does not begin again. Whatsminer: code 350."
        ),
        on=frozenset({On.MINER}),
        start=_block,
        stop=lambda plant, target, now: miner_at(plant, target).repair(now),
        knobs={
            "over_k": Knob(20.0, "how far above where it stops it would be, in K", span=(1.0, 100.0)),
            "blocked_s": Knob(600.0, "how long the intake is blocked, in s", span=(60.0, 604_800.0)),
            "stays": Knob(False, "it is blocked until somebody frees it", choices=(False, True)),
        },
    ),
    FaultKind(
        name="site.heat_wave",
        category=Category.THERMAL,
        counts=False,
        remedy=None,
        causes=_ANY_HEAT,
        does="It gets hotter than the season's weather, for as long as it lasts.",
        signature="Everybody's inlet is warmer, fans run faster, coolers are at their end.",
        on=frozenset({On.SITE}),
        start=_heat_wave,
        stop=lambda plant, _, now: plant.cooling.heat_up(now, 0.0, 3600.0),
        knobs={
            "extra_k": Knob(8.0, "how much hotter, in K", span=(0.0, 25.0)),
            "within_s": Knob(3600.0, "from its beginning until it is as hot, in s", span=(60.0, 86_400.0)),
        },
    ),
    *LOOP_FAULTS,
    *UNIT_FAULTS,
)
