"""The tables of each PDU family: which objects it has, what codes it shows and what a value written to it does.

Written down from the vendors' MIBs on their own, beside and not from the agent's profiles, so that a mistake in one is
not agreed to by the other. Source: facts "pdu_profiles" and facts "control", section 1.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from simulators.devices.pdu import SimulatedPdu
from simulators.devices.snmp_ber import Oid
from simulators.devices.snmp_mib import MibObject, Status, constant, gauge, integer

Objects = Iterator[MibObject]

REBOOT_OFF_S: Final = 5.0
"""How long a hardware cycle holds the outlet off, as shipped."""
DELAY_S: Final = 10.0
"""How long the delayed commands wait, as set up here."""
VOLTS: Final = 230
ETHERNET_BYTES: Final = 1472
"""What an agent with little memory answers at most."""


@dataclass(frozen=True, slots=True)
class Habit:
    """One family.

    Attributes:
        object_id: its sysObjectID.
        descr: its sysDescr.
        objects: makes its objects for one PDU.
        max_reply_bytes: the longest reply it sends.
    """

    object_id: Oid
    descr: str
    objects: Callable[[SimulatedPdu], Objects]
    max_reply_bytes: int = 8192


def _parts(dotted: str) -> Oid:
    return tuple(int(part) for part in dotted.split("."))


def _by_code(actions: Mapping[int, Callable[[], Status]]) -> Callable[[int], Status]:
    """Make a write that does what the code means, and refuses codes that mean nothing."""

    def write(value: int) -> Status:
        action = actions.get(value)
        return Status.WRONG_VALUE if action is None else action()

    return write


def _nothing() -> Status:
    return Status.OK


def _delay(pdu: SimulatedPdu, n: int, on: bool) -> Callable[[int], Status]:
    """Make a write whose value is a delay in seconds: 0 now, -1 cancels."""

    def write(value: int) -> Status:
        if value == -1:
            return pdu.cancel(n)
        if not 0 <= value <= 99_999:
            return Status.WRONG_VALUE
        return pdu.switch(n, on) if value == 0 else pdu.switch_later(n, on, float(value))

    return write


def _delayed_cycle(pdu: SimulatedPdu, n: int) -> Callable[[int], Status]:
    return _by_code({-1: lambda: pdu.cancel(n), 0: lambda: pdu.cycle(n, REBOOT_OFF_S)})


def _apc_codes(pdu: SimulatedPdu, n: int, first_delayed: int) -> Callable[[int], Status]:
    """Make APC's command: 1 on, 2 off, 3 reboot; the code of the first delayed one differs by generation."""
    return _by_code(
        {
            1: lambda: pdu.switch(n, True),
            2: lambda: pdu.switch(n, False),
            3: lambda: pdu.cycle(n, REBOOT_OFF_S),
            first_delayed: lambda: pdu.switch_later(n, True, DELAY_S),
            first_delayed + 1: lambda: pdu.switch_later(n, False, DELAY_S),
            first_delayed + 2: lambda: pdu.switch_later(n, False, DELAY_S),
            first_delayed + 3: lambda: pdu.cancel(n),
        }
    )


def apc_rpdu2(pdu: SimulatedPdu) -> Objects:
    """PowerNet-MIB rPDU2: status off 1 / on 2, command reads back on 1 / off 2, rows carry module and number."""
    root = _parts("1.3.6.1.4.1.318.1.1.26")
    yield constant((*root, 2, 1, 8, 1), "AP8953")
    yield integer((*root, 4, 3, 1, 5, 1), lambda: round(pdu.total_w() / 10))
    yield integer((*root, 4, 4, 1, 4, 1), lambda: 6, _apc_all(pdu, on=1, off=3, reboot=4))
    status, control, metered = (*root, 9, 2, 3, 1), (*root, 9, 2, 4, 1), (*root, 9, 4, 3, 1)

    def outlet(n: int) -> Objects:
        yield constant((*status, 1, n), n)
        yield constant((*status, 2, n), 1)
        yield constant((*status, 3, n), f"Outlet {n}")
        yield constant((*status, 4, n), n)
        yield integer((*status, 5, n), lambda: 2 if pdu.is_on(n) else 1)
        yield integer((*status, 6, n), lambda: 1 if pdu.is_moving(n) else 2)
        yield constant((*control, 1, n), n)
        yield integer((*control, 5, n), lambda: 1 if pdu.is_on(n) else 2, _apc_codes(pdu, n, 5))
        yield constant((*metered, 1, n), n)
        yield integer((*metered, 6, n), lambda: round(pdu.current_a(n) * 10))
        yield integer((*metered, 7, n), lambda: round(pdu.power_w(n)))

    for n in pdu.outlets:
        yield from outlet(n)

    def bank(b: int, rating_a: float) -> Objects:
        yield constant((*root, 8, 2, 1, 5, b), round(rating_a))
        yield integer((*root, 8, 3, 1, 5, b), lambda: round(pdu.bank_current_a(b) * 10))

    for b, protector in pdu.banks.items():
        yield from bank(b, protector.rating_a)


def apc_rpdu(pdu: SimulatedPdu) -> Objects:
    """PowerNet-MIB rPDU: not inverted, 4 is delayed-on; phases and banks share a load table."""
    root = _parts("1.3.6.1.4.1.318.1.1.12")
    yield integer((*root, 1, 16, 0), lambda: round(pdu.total_w()))
    yield integer((*root, 3, 1, 1, 0), lambda: 1, _apc_all(pdu, on=2, off=3, reboot=4))
    control, status, load = (*root, 3, 3, 1, 1), (*root, 3, 5, 1, 1), (*root, 2, 3, 1, 1)

    def outlet(n: int) -> Objects:
        yield integer((*control, 4, n), lambda: 1 if pdu.is_on(n) else 2, _apc_codes(pdu, n, 4))
        yield constant((*status, 2, n), f"Outlet {n}")
        yield integer((*status, 4, n), lambda: 1 if pdu.is_on(n) else 2)
        yield integer((*status, 5, n), lambda: 1 if pdu.is_moving(n) else 2)
        yield gauge((*status, 7, n), lambda: round(pdu.current_a(n) * 10))

    for n in pdu.outlets:
        yield from outlet(n)
    yield gauge((*load, 2, 1), lambda: round(pdu.total_w() / VOLTS * 10))
    yield constant((*load, 5, 1), 0)

    def bank(row: int, b: int) -> Objects:
        yield gauge((*load, 2, row), lambda: round(pdu.bank_current_a(b) * 10))
        yield constant((*load, 5, row), b)

    for row, b in enumerate(pdu.banks, start=2):
        yield from bank(row, b)


def _apc_all(pdu: SimulatedPdu, *, on: int, off: int, reboot: int) -> Callable[[int], Status]:
    return _by_code(
        {
            on: lambda: pdu.for_all(lambda n: pdu.switch(n, True)),
            off: lambda: pdu.for_all(lambda n: pdu.switch(n, False)),
            reboot: lambda: pdu.for_all(lambda n: pdu.cycle(n, REBOOT_OFF_S)),
        }
    )


def raritan(pdu: SimulatedPdu) -> Objects:
    """PDU2-MIB: write 1 / 0, read 7 / 8; sensors by type, scaled by their own number of decimals."""
    root = _parts("1.3.6.1.4.1.13742.6")
    yield constant((*root, 3, 2, 1, 1, 3, 1), "PX3-5902V")
    yield gauge((*root, 3, 2, 2, 1, 4, 1), lambda: len(pdu.outlets))
    switching, value, decimals = (*root, 4, 1, 2, 1), (*root, 5, 4, 3, 1), (*root, 3, 5, 4, 1)

    def sensor(n: int, kind: int, digits: int, read: Callable[[], int]) -> Objects:
        yield gauge((*decimals, 7, 1, n, kind), lambda: digits)
        yield integer((*value, 3, 1, n, kind), lambda: 4)
        yield gauge((*value, 4, 1, n, kind), read)

    def outlet(n: int) -> Objects:
        codes = _by_code(
            {
                0: lambda: pdu.switch(n, False),
                1: lambda: pdu.switch(n, True),
                2: lambda: pdu.cycle(n, REBOOT_OFF_S),
            }
        )
        yield integer((*switching, 2, 1, n), lambda: int(pdu.is_on(n)), codes)
        yield integer((*switching, 3, 1, n), lambda: 7 if pdu.is_on(n) else 8)
        yield gauge((*switching, 4, 1, n), lambda: pdu.switched_epoch_s(n))
        yield integer((*switching, 5, 1, n), lambda: 2 if _has_breaker_closed(pdu, n) else 1)
        yield constant((*root, 3, 5, 3, 1, 28, 1, n), 1)
        yield from sensor(n, 1, 3, lambda: round(pdu.current_a(n) * 1000))
        yield from sensor(n, 4, 0, lambda: VOLTS if pdu.is_on(n) else 0)
        yield from sensor(n, 5, 0, lambda: round(pdu.power_w(n)))

    for n in pdu.outlets:
        yield from outlet(n)
    protector = (*root, 5, 3, 3, 1)

    def bank(b: int) -> Objects:
        yield gauge((*root, 3, 4, 4, 1, 7, 1, b, 1), lambda: 2)
        yield integer((*protector, 3, 1, b, 1), lambda: 4)
        yield integer((*protector, 3, 1, b, 15), lambda: 1 if pdu.breaker_closed(b) else 0)
        yield gauge((*protector, 4, 1, b, 1), lambda: round(pdu.bank_current_a(b) * 100))

    for b in pdu.banks:
        yield from bank(b)


def _has_breaker_closed(pdu: SimulatedPdu, n: int) -> bool:
    bank = pdu.bank_of(n)
    return bank is None or pdu.breaker_closed(bank.number)


def eaton(pdu: SimulatedPdu) -> Objects:
    """EATON-EPDU-MIB: a delay in seconds on an object per action, pending codes, mA; strapping unit 0."""
    root = _parts("1.3.6.1.4.1.534.6.6.7")
    yield constant((*root, 1, 2, 1, 2, 0), "ePDU MA 0U (C20 16A 1P)20XC13, 4XC19")
    control, current, power = (*root, 6, 6, 1), (*root, 6, 4, 1), (*root, 6, 5, 1)

    def outlet(n: int) -> Objects:
        yield integer((*control, 2, 0, n), lambda: _shifted_state(pdu, n, off=0))
        yield integer((*control, 3, 0, n), lambda: pdu.countdown_s(n, False), _delay(pdu, n, False))
        yield integer((*control, 4, 0, n), lambda: pdu.countdown_s(n, True), _delay(pdu, n, True))
        yield integer((*control, 5, 0, n), lambda: -1, _delayed_cycle(pdu, n))
        yield constant((*control, 9, 0, n), 1)
        yield constant((*current, 2, 0, n), 10_000)
        yield integer((*current, 3, 0, n), lambda: round(pdu.current_a(n) * 1000))
        yield integer((*power, 3, 0, n), lambda: round(pdu.power_w(n)))

    for n in pdu.outlets:
        yield from outlet(n)

    def bank(b: int, rating_a: float) -> Objects:
        yield constant((*root, 5, 1, 1, 4, 0, b), 1)
        yield integer((*root, 5, 1, 1, 5, 0, b), lambda: 1 if pdu.breaker_closed(b) else 2)
        yield constant((*root, 5, 4, 1, 2, 0, b), round(rating_a * 1000))
        yield integer((*root, 5, 4, 1, 3, 0, b), lambda: round(pdu.bank_current_a(b) * 1000))

    for b, protector in pdu.banks.items():
        yield from bank(b, protector.rating_a)


def _shifted_state(pdu: SimulatedPdu, n: int, *, off: int) -> int:
    """Four codes in a row: off, on, pending off, pending on."""
    if pdu.is_moving(n):
        return off + (3 if pdu.is_heading_on(n) else 2)
    return off + (1 if pdu.is_on(n) else 0)


def panduit(pdu: SimulatedPdu) -> Objects:
    """PANDUIT-MIB: delays like Eaton's, state codes one higher, hundredths of an ampere; unit 1."""
    root = _parts("1.3.6.1.4.1.19536.10.1")
    control, meter, group = (*root, 5, 2, 1), (*root, 5, 1, 1), (*root, 3, 1, 1)

    def outlet(n: int) -> Objects:
        yield integer((*control, 1, 1, n), lambda: _shifted_state(pdu, n, off=1))
        yield integer((*control, 2, 1, n), lambda: pdu.countdown_s(n, False), _delay(pdu, n, False))
        yield integer((*control, 3, 1, n), lambda: pdu.countdown_s(n, True), _delay(pdu, n, True))
        yield integer((*control, 4, 1, n), lambda: -1, _delayed_cycle(pdu, n))
        yield constant((*control, 8, 1, n), 1)
        yield integer((*meter, 5, 1, n), lambda: round(pdu.current_a(n) * 100))
        yield integer((*meter, 13, 1, n), lambda: round(pdu.power_w(n)))

    for n in pdu.outlets:
        yield from outlet(n)

    def bank(b: int) -> Objects:
        yield integer((*group, 12, 1, b), lambda: round(pdu.bank_current_a(b) * 100))
        yield integer((*group, 26, 1, b), lambda: 2 if pdu.breaker_closed(b) else 3)

    for b in pdu.banks:
        yield from bank(b)


def vertiv(pdu: SimulatedPdu) -> Objects:
    """VERTIV-V5-MIB: write 2 / 4 (1 cancels), read 1 / 2 and two transitional codes; centiamps."""
    root = _parts("1.3.6.1.4.1.21239.5.2")
    yield constant((*root, 1, 8, 0), "GU2")
    control, meter = (*root, 3, 5, 1), (*root, 3, 6, 1)

    def state(n: int) -> int:
        if pdu.is_moving(n):
            return 4 if pdu.is_heading_on(n) else 3
        return 1 if pdu.is_on(n) else 2

    def outlet(n: int) -> Objects:
        codes = _by_code(
            {
                1: lambda: pdu.cancel(n),
                2: lambda: pdu.switch(n, True),
                3: lambda: pdu.switch_later(n, True, DELAY_S),
                4: lambda: pdu.switch(n, False),
                5: lambda: pdu.switch_later(n, False, DELAY_S),
                6: lambda: pdu.cycle(n, REBOOT_OFF_S),
                8: _nothing,
            }
        )
        yield integer((*control, 4, n), lambda: state(n))
        yield constant((*control, 5, n), 2)
        yield integer((*control, 6, n), lambda: 8, codes)
        yield gauge((*meter, 8, n), lambda: round(pdu.current_a(n) * 100))
        yield gauge((*meter, 12, n), lambda: round(pdu.power_w(n)))

    for n in pdu.outlets:
        yield from outlet(n)

    def bank(b: int) -> Objects:
        yield gauge((*root, 3, 3, 1, 4, b), lambda: round(pdu.bank_current_a(b) * 100))

    for b in pdu.banks:
        yield from bank(b)


SENTRY_SETTLE_S: Final = 4.0
"""How long a Sentry4 outlet's current reads "settle" after a switching, showing the value from before."""


def sentry4(pdu: SimulatedPdu) -> Objects:
    """Sentry4-MIB: on 1, off 2; a meter that settles after a switching; queued commands that act on a commit."""
    root = _parts("1.3.6.1.4.1.1718.4.1")
    queue: dict[int, Callable[[], Status]] = {}

    def enqueue(n: int, command: Callable[[], Status]) -> Status:
        queue[n] = command
        return Status.OK

    def commit(value: int) -> Status:
        commands = list(queue.values()) if value == 1 else []
        queue.clear()
        return (
            Status.WRONG_VALUE if value not in (0, 1) else max([command() for command in commands], default=Status.OK)
        )

    def control_state(n: int) -> int:
        if pdu.is_moving(n):
            return 8 if pdu.is_heading_on(n) else 9
        return 3 if pdu.is_on(n) else 2

    yield integer((*root, 8, 6, 1, 0), lambda: 0, commit)
    monitor, control = (*root, 8, 3, 1), (*root, 8, 5, 1)

    def outlet(n: int) -> Objects:
        codes = _by_code(
            {
                0: _nothing,
                1: lambda: pdu.switch(n, True),
                2: lambda: pdu.switch(n, False),
                3: lambda: pdu.cycle(n, REBOOT_OFF_S),
                4: lambda: enqueue(n, lambda: pdu.switch(n, True)),
                5: lambda: enqueue(n, lambda: pdu.switch(n, False)),
                6: lambda: enqueue(n, lambda: pdu.cycle(n, REBOOT_OFF_S)),
            }
        )
        yield integer((*monitor, 1, 1, 1, n), lambda: 1 if pdu.is_on(n) else 2)
        yield integer((*monitor, 2, 1, 1, n), lambda: 0 if _has_breaker_closed(pdu, n) else 12)
        yield integer((*monitor, 3, 1, 1, n), lambda: round(pdu.settled_current_a(n, SENTRY_SETTLE_S)[0] * 100))
        yield integer((*monitor, 4, 1, 1, n), lambda: 0 if pdu.settled_current_a(n, SENTRY_SETTLE_S)[1] else 6)
        yield integer((*monitor, 7, 1, 1, n), lambda: round(pdu.power_w(n)))
        yield integer((*control, 1, 1, 1, n), lambda: control_state(n))
        yield integer((*control, 2, 1, 1, n), lambda: 0, codes)

    for n in pdu.outlets:
        yield from outlet(n)

    def bank(b: int, rating_a: float) -> Objects:
        yield constant((*root, 6, 2, 1, 7, 1, 1, b), round(rating_a))
        yield integer((*root, 6, 3, 1, 1, 1, 1, b), lambda: 0 if pdu.breaker_closed(b) else 12)
        yield integer((*root, 7, 3, 1, 3, 1, 1, b), lambda: round(pdu.bank_current_a(b) * 100))

    for b, protector in pdu.banks.items():
        yield from bank(b, protector.rating_a)


def cyberpower(pdu: SimulatedPdu) -> Objects:
    """CPS-MIB ePDU2: shaped like APC's rPDU2, coded like its rPDU; 8 blinks a lamp."""
    root = _parts("1.3.6.1.4.1.3808.1.1.6")
    yield constant((*root, 2, 2, 1, 9, 1), "PDU83104")
    status, control, meter = (*root, 6, 1, 4, 1), (*root, 6, 1, 5, 1), (*root, 6, 2, 4, 1)

    def outlet(n: int) -> Objects:
        apc = _apc_codes(pdu, n, 4)
        yield integer((*status, 5, n), lambda: 1 if pdu.is_on(n) else 2)
        yield integer((*status, 6, n), lambda: 1 if pdu.is_moving(n) else 2)
        yield integer(
            (*control, 5, n),
            lambda: 1 if pdu.is_on(n) else 2,
            lambda value: Status.OK if value == 8 else apc(value),
        )
        yield integer((*meter, 6, n), lambda: round(pdu.current_a(n) * 10))
        yield integer((*meter, 7, n), lambda: round(pdu.power_w(n)))

    for n in pdu.outlets:
        yield from outlet(n)

    def bank(b: int) -> Objects:
        yield integer((*root, 5, 4, 1, 5, b), lambda: round(pdu.bank_current_a(b) * 10))

    for b in pdu.banks:
        yield from bank(b)


HABITS: Final[Mapping[str, Habit]] = {
    "apc_rpdu2": Habit(
        _parts("1.3.6.1.4.1.318.1.3.4.6"), "APC Web/SNMP Management Card (rPDU2g)", apc_rpdu2, ETHERNET_BYTES
    ),
    "apc_rpdu": Habit(
        _parts("1.3.6.1.4.1.318.1.3.4.5"), "APC Web/SNMP Management Card (rpdu)", apc_rpdu, ETHERNET_BYTES
    ),
    "raritan_px2_px3": Habit(_parts("1.3.6.1.4.1.13742.6"), "Raritan PX3", raritan),
    "eaton_epdu_g2_g3": Habit(_parts("1.3.6.1.4.1.534.6.6.7"), "Eaton ePDU", eaton),
    "vertiv_geist_v5": Habit(_parts("1.3.6.1.4.1.21239.5.2"), "Geist Upgradeable GU2", vertiv),
    "servertech_sentry4": Habit(_parts("1.3.6.1.4.1.1718.4"), "Sentry Smart PDU", sentry4),
    "cyberpower_epdu2": Habit(_parts("1.3.6.1.4.1.3808.1.1.6"), "CyberPower PDU83104", cyberpower),
    "panduit_g5": Habit(_parts("1.3.6.1.4.1.19536.10.1"), "Panduit SmartZone G5 PDU", panduit),
}
"""Families by the name inventories give them."""
