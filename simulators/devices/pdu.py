"""One simulated PDU behind its SNMP tables: what a command does to the plant's relays, and when. No OIDs.

A relay moves after the reply; lies, delays and breakers are the plant's. Queued and delayed commands live here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agent.model.topology import Bank, Outlet, Pdu
from simulators.devices.snmp_mib import Status
from simulators.plant.site import SitePlant

EPOCH_S = 1_700_000_000
"""What a PDU's own clock shows at site time 0."""


@dataclass(frozen=True, slots=True)
class _Delayed:
    """A command that waits for its time; `order` tells whether it is still the latest one."""

    on: bool
    due: float
    order: int


class SimulatedPdu:
    """One PDU's outlets and banks, by number. Times are site time in s.

    A cycle is what the hardware offers and a careful manager never uses; it works here, so that one who uses it is
    seen in the plant's journal.

    Every outlet is metered once a request, however many of the objects asked for tell of it.
    """

    def __init__(self, plant: SitePlant, pdu: Pdu) -> None:
        self.spec = pdu
        self.outlets = range(1, pdu.outlet_count + 1)
        self.banks = {bank.number: bank for bank in pdu.banks}
        self._plant = plant
        self._power = plant.power
        self._delayed: dict[int, _Delayed] = {}
        self._orders = 0
        self._meter_before: dict[int, float] = {}
        self._outlets = [Outlet(pdu.id, number) for number in range(pdu.outlet_count + 1)]
        self._relays = [self._power.relay(self._outlets[max(number, 1)]) for number in range(pdu.outlet_count + 1)]
        self._metered_w: dict[int, float] = {}

    def begin(self, now: float) -> None:
        """Bring the plant up to `now` for the next request, and meter anew."""
        self._plant.advance(now)
        self._metered_w.clear()

    # -- what it shows ---------------------------------------------------------------------------------------------

    def is_on(self, number: int) -> bool:
        """Whether the relay is closed."""
        return self._relays[number].closed

    def is_moving(self, number: int) -> bool:
        """Whether a command is under way: given and not yet carried out, or waiting for its time."""
        return number in self._delayed or self._power.pending(self._outlets[number])

    def is_heading_on(self, number: int) -> bool:
        """Whether the command under way will close the relay."""
        delayed = self._delayed.get(number)
        return delayed.on if delayed is not None else not self.is_on(number)

    def countdown_s(self, number: int, on: bool) -> int:
        """Return the seconds left until a delayed command of that kind acts; -1 where none waits."""
        delayed = self._delayed.get(number)
        return -1 if delayed is None or delayed.on is not on else max(0, round(delayed.due - self._plant.now))

    def current_a(self, number: int) -> float:
        """Return the outlet's current, at unity power factor."""
        return self.power_w(number) / self.spec.voltage_v

    def settled_current_a(self, number: int, settle_s: float) -> tuple[float, bool]:
        """Return (current, valid) of a meter that shows its old value for `settle_s` after a switching."""
        before = self._meter_before.get(number)
        if before is not None and self._plant.now - self._power.switched_at(self._outlets[number]) < settle_s:
            return before, False
        return self.current_a(number), True

    def power_w(self, number: int) -> float:
        """Return the outlet's power."""
        power_w = self._metered_w.get(number)
        if power_w is None:
            power_w = self._metered_w[number] = self._relays[number].power_w()
        return power_w

    def total_w(self) -> float:
        """Return the power of all outlets."""
        return sum(map(self.power_w, self.outlets))

    def bank_current_a(self, number: int) -> float:
        """Return the bank's current."""
        return sum(map(self.current_a, self.banks[number].outlets))

    def bank_of(self, number: int) -> Bank | None:
        """Return the bank an outlet belongs to."""
        return self._plant.site.bank.get(self._outlets[number])

    def breaker_closed(self, number: int) -> bool:
        """Whether the bank's breaker is closed."""
        return self._power.breaker_closed(self.banks[number])

    def switched_epoch_s(self, number: int) -> int:
        """Return when the relay last moved, by the PDU's own clock."""
        return EPOCH_S + int(self._power.switched_at(self._outlets[number]))

    # -- what it does ----------------------------------------------------------------------------------------------

    def switch(self, number: int, on: bool) -> Status:
        """Do a command at once: the relay moves a little later, whatever the answer is."""
        self._delayed.pop(number, None)
        self._metered_w.clear()
        self._meter_before[number] = self.current_a(number)
        accepted = self._power.command(self._outlets[number], on, self._plant.now)
        self._metered_w.clear()
        return Status.OK if accepted else Status.GEN_ERR

    def switch_later(self, number: int, on: bool, delay_s: float) -> Status:
        """Do a command in `delay_s`; a later command replaces it."""
        self._orders += 1
        order = self._orders
        due = self._plant.now + delay_s
        self._delayed[number] = _Delayed(on, due, order)

        def act(_: float) -> None:
            delayed = self._delayed.get(number)
            if delayed is not None and delayed.order == order:
                self.switch(number, on)

        self._plant.clockwork.plan(due, act)
        return Status.OK

    def cycle(self, number: int, off_s: float) -> Status:
        """Open the relay and close it `off_s` later."""
        status = self.switch(number, False)
        self.switch_later(number, True, off_s)
        return status

    def cancel(self, number: int) -> Status:
        """Forget a command that waits for its time."""
        self._delayed.pop(number, None)
        return Status.OK

    def for_all(self, command: Callable[[int], Status]) -> Status:
        """Do a command to every outlet; the last refusal is the answer."""
        answers = [command(number) for number in self.outlets]
        return next((answer for answer in reversed(answers) if answer is not Status.OK), Status.OK)
