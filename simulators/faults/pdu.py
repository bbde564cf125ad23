"""Faults of a PDU: lost power, replies that are not what happened, slowness, cords elsewhere than in the inventory.

All but lost power are disturbances, never incidents of their own: until somebody acts on them, every miner is well.
"""

from agent.model.ids import MinerId, PduId
from agent.model.incident import Category, Reason
from agent.model.topology import Bank, Outlet, Site
from simulators.faults.kind import COVERAGE, COVERS, FaultKind, Knob, Objection, On, Values, number, numbers, outlets_of
from simulators.plant.power import PduPlant
from simulators.plant.site import SitePlant


def _pdu_at(plant: SitePlant, target: str) -> PduPlant:
    return plant.power.pdu[outlets_of(plant.site, target)[0].pdu]


def _set_lies(plant: SitePlant, target: str, _: float, values: Values) -> None:
    pdu = _pdu_at(plant, target)
    lying = pdu.lies_accept if values["mode"] == "accept" else pdu.lies_refuse
    lying.update(outlets_of(plant.site, target))
    pdu.lies_left = None if values["sets"] is None else int(number(values, "sets"))


def _stop_lying(plant: SitePlant, target: str, _: float) -> None:
    _pdu_at(plant, target).stop_lying()


def _slow(plant: SitePlant, target: str, _: float, values: Values) -> None:
    _pdu_at(plant, target).slow_down(
        reply_delay_s=number(values, "reply_delay_s"), relay_delay_s=number(values, "relay_delay_s")
    )


def _speed_up(plant: SitePlant, target: str, _: float) -> None:
    _pdu_at(plant, target).speed_up()


def _swapped(target: str, values: Values) -> tuple[Outlet, Outlet]:
    pdu = PduId(target.partition(":")[2])
    one, other = numbers(values, "swap")
    return Outlet(pdu, int(one)), Outlet(pdu, int(other))


def _swap(plant: SitePlant, target: str, now: float, values: Values) -> None:
    plant.power.swap_cords(*_swapped(target, values), now)


def _unswap(plant: SitePlant, target: str, now: float) -> None:
    plant.power.restore_cords(_pdu_at(plant, target).id, now)


def _on_swapped(site: Site, target: str, values: Values) -> tuple[MinerId, ...]:
    fed = (miner for outlet in _swapped(target, values) for miner in site.fed_by.get(outlet, ()))
    return tuple(dict.fromkeys(fed))


def _cannot_swap(site: Site, target: str, values: Values) -> Objection | None:
    one, other = _swapped(target, values)
    count = site.pdu[one.pdu].outlet_count
    got = f"[{one.number}, {other.number}]"
    if max(one.number, other.number) > count:
        want = f"two outlets of {one.pdu}, which has 1 to {count}"
        return Objection("swap", want, got, "name outlets that the PDU has")
    if one == other:
        return Objection("swap", "two outlets", got, "name a second one; an outlet cannot be swapped with itself")
    return None


def _bank(site: Site, target: str, values: Values) -> Bank | None:
    pdu = site.pdu[PduId(target.partition(":")[2])]
    return next((bank for bank in pdu.banks if bank.number == number(values, "bank")), None)


def _trip(plant: SitePlant, target: str, now: float, values: Values) -> None:
    if (bank := _bank(plant.site, target, values)) is not None:
        plant.power.trip_breaker(bank, now, with_care=values["closed_onto"] == "one")


def _reset(plant: SitePlant, target: str, now: float) -> None:
    for bank in plant.site.pdu[_pdu_at(plant, target).id].banks:
        plant.power.reset_breaker(bank, now)


def _behind(site: Site, target: str, values: Values) -> tuple[MinerId, ...]:
    bank = _bank(site, target, values)
    outlets = [Outlet(bank.pdu, k) for k in bank.outlets] if bank is not None else []
    return tuple(dict.fromkeys(miner for outlet in outlets for miner in site.fed_by.get(outlet, ())))


def _no_such_bank(site: Site, target: str, values: Values) -> Objection | None:
    if _behind(site, target, values):
        return None
    pdu = site.pdu[PduId(target.partition(":")[2])]
    banks = ", ".join(str(bank.number) for bank in pdu.banks) or "none"
    want = f"a bank of {pdu.id} that feeds miners, which has {banks}"
    return Objection("bank", want, f"{number(values, 'bank'):g}", "name a bank that the PDU has")


def corded_elsewhere(plant: SitePlant, _: str, miners: tuple[MinerId, ...], away: bool) -> None:
    """Have these miners' cords hang on what the fault does not reach, or where the inventory has them again."""
    outlets = [outlet for miner in miners for outlet in plant.site.miner(miner).outlets]
    (plant.power.elsewhere.update if away else plant.power.elsewhere.difference_update)(outlets)


def _cut(plant: SitePlant, target: str, now: float, _: Values) -> None:
    plant.power.cut_feed(_pdu_at(plant, target).id, now)


def _restore(plant: SitePlant, target: str, now: float) -> None:
    plant.power.restore_feed(_pdu_at(plant, target).id, now)


_POWER_LOST = frozenset({Reason.POWER_LOST})

PDU_FAULTS = (
    FaultKind(
        name="pdu.dark",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=_POWER_LOST,
        does="The PDU loses its feed; when it comes back it switches its outlets on one after another.",
        signature="All its miners fall silent within a poll, their switch ports lose their link, its SNMP is silent.",
        on=frozenset({On.PDU}),
        start=_cut,
        stop=_restore,
        knobs={COVERAGE: COVERS},
        apart=corded_elsewhere,
    ),
    FaultKind(
        name="pdu.breaker_trip",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=_POWER_LOST,
        does="One of the PDU's breakers opens and stays open until a person closes it.",
        signature="The miners behind one breaker fall silent within a poll; their outlets are on and give no watt.",
        on=frozenset({On.PDU}),
        start=_trip,
        stop=_reset,
        knobs={
            "bank": Knob(1, "the breaker, as the PDU counts its banks", span=(1, 64), whole=True),
            "closed_onto": Knob(
                "all", "what the person who closes it has left switched on of its outlets", choices=("all", "one")
            ),
            COVERAGE: COVERS,
        },
        apart=corded_elsewhere,
        hits=_behind,
        objects=_no_such_bank,
    ),
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
            "sets": Knob(None, "how many SETs lie; all until it ends where not given", span=(1, 1000), whole=True),
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
    FaultKind(
        name="pdu.outlet_map_wrong",
        category=Category.OTHER,
        counts=False,
        remedy=None,
        causes=frozenset(),
        does="Two cords are the wrong way round: each outlet feeds what the inventory has on the other.",
        signature="Switching an outlet moves the neighbour's watts and port; its own miner stays as it is.",
        on=frozenset({On.PDU}),
        start=_swap,
        stop=_unswap,
        knobs={
            "swap": Knob((1, 2), "the two outlets, as printed on the PDU", span=(1, 512), whole=True, length=2),
        },
        hits=_on_swapped,
        objects=_cannot_swap,
    ),
)
