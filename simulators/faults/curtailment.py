"""Miners that sleep because somebody wants it, people at work on them, and a site whose power was gone and comes back.

A curtailment of which the agent was told, and a maintenance, are disturbances: whoever touches those miners does harm.
One that nobody announced is an incident: a person has to be asked who did it.
"""

from functools import partial

from agent.model.ids import MinerId
from agent.model.incident import Category, Reason
from agent.model.topology import Site
from simulators.faults.kind import COVERAGE, COVERS, FaultKind, Knob, On, Values, miners_of, number
from simulators.faults.pdu import corded_elsewhere
from simulators.plant.curtailer import Restoring
from simulators.plant.miner import MinerPlant
from simulators.plant.site import SitePlant

_ON = frozenset({On.SITE, On.RACK, On.PDU, On.SWITCH, On.LOOP, On.MINER})

_KNOBS = {
    "within_s": Knob(30.0, "all are told within so many s", span=(0.0, 3600.0)),
    "batch": Knob(50, "how many are let work again at a time", span=(1, 20_000), whole=True),
    "every_s": Knob(30.0, "s between two such batches", span=(0.0, 3600.0)),
    COVERAGE: Knob(1.0, "share of its miners that hear of it", span=(0.0, 1.0)),
}


_SHARE = {
    "to_percent": Knob(0, "per cent of their rate that they are told to run at; 0 for asleep", span=(0, 99), whole=True)
}


def _curtail(plant: SitePlant, target: str, now: float, values: Values) -> None:
    plant.curtailer.curtail(
        target,
        miners_of(plant.site, target, _ON),
        now,
        share=number(values, "to_percent") / 100.0 if "to_percent" in values else 0.0,
        within_s=number(values, "within_s"),
        restoring=Restoring(int(number(values, "batch")), number(values, "every_s")),
        rng=plant.rng(f"curtailment/{target}/{now}"),
    )


def _restore(plant: SitePlant, target: str, now: float) -> None:
    plant.curtailer.restore(target, now)


def _do_not_hear(plant: SitePlant, _: str, miners: tuple[MinerId, ...], away: bool) -> None:
    (plant.curtailer.unheard.update if away else plant.curtailer.unheard.difference_update)(miners)


def _unplug(plant: SitePlant, target: str, now: float, values: Values) -> None:
    """Have people take the power from each miner for a while, one after another, until they leave."""
    off_s, every_s = number(values, "off_s"), number(values, "every_s")
    plant.visits[target] = now

    def unplug(miner: MinerPlant, t: float) -> None:
        if plant.visits.get(target) == now:
            miner.set_energised(False, t)

    for place, name in enumerate(miners_of(plant.site, target, _ON)):
        miner = plant.miners[name]
        at = now + place * every_s
        plant.clockwork.plan(at, partial(unplug, miner))
        plant.clockwork.plan(at + off_s, partial(miner.set_energised, True))


def _leave(plant: SitePlant, target: str, now: float) -> None:
    """Have them plug in what is unplugged, and do no more: whom they have not come to runs on."""
    plant.visits.pop(target, None)
    for name in miners_of(plant.site, target, _ON):
        plant.miners[name].set_energised(True, now)


def _fed(site: Site, target: str, _: Values) -> tuple[MinerId, ...]:
    return tuple(miner for miner in miners_of(site, target, frozenset({On.SITE})) if site.miner(miner).outlets)


def _black_out(plant: SitePlant, _: str, now: float, __: Values) -> None:
    for pdu in plant.site.pdus:
        plant.power.cut_feed(pdu.id, now)


def _power_up(plant: SitePlant, _: str, now: float) -> None:
    for pdu in plant.site.pdus:
        plant.power.restore_feed(pdu.id, now)


CURTAILMENT_FAULTS = (
    FaultKind(
        name="site.curtailed",
        category=Category.OTHER,
        counts=False,
        remedy=None,
        causes=frozenset(),
        does="Somebody who has said so puts miners to sleep, or slows them down, and lets them work again in batches.",
        signature="They answer, say that they sleep and draw little; or they aim at less and reach it.",
        on=_ON,
        start=_curtail,
        stop=_restore,
        knobs={**_SHARE, **_KNOBS},
        apart=_do_not_hear,
        hands_off=True,
        asleep=True,
    ),
    FaultKind(
        name="site.curtailed_unannounced",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=frozenset({Reason.CURTAILED}),
        does="The same, and nobody has said so.",
        signature="The same: all that share something fall asleep within a minute.",
        on=_ON - {On.MINER},
        start=_curtail,
        stop=_restore,
        knobs=_KNOBS,
        apart=_do_not_hear,
        hands_off=True,
        asleep=True,
    ),
    FaultKind(
        name="site.maintenance",
        category=Category.OTHER,
        counts=False,
        remedy=None,
        causes=frozenset(),
        does="People work on miners: each is without power for a while, one after another, until they leave.",
        signature="They fall silent and come back, and nothing outside them tells why.",
        on=_ON,
        start=_unplug,
        stop=_leave,
        knobs={
            "off_s": Knob(600.0, "for how long each is without power, in s", span=(1.0, 43_200.0)),
            "every_s": Knob(60.0, "s from one to the next", span=(0.0, 3600.0)),
        },
        hands_off=True,
    ),
    FaultKind(
        name="site.outage",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=frozenset({Reason.POWER_LOST}),
        does="All PDUs lose their feed; when it is back, all miners start within a minute, outlet by outlet.",
        signature="Miners and PDUs fall silent within a poll, while switches answer; then all boot at the same time.",
        on=frozenset({On.SITE}),
        start=_black_out,
        stop=_power_up,
        knobs={COVERAGE: COVERS},
        apart=corded_elsewhere,
        hits=_fed,
    ),
)
