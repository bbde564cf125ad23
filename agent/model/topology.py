"""What stands on the site and what is connected to what. Immutable once the configuration is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from agent.model.ids import MinerId, PduId, SwitchId


class Family(StrEnum):
    """A miner's control software: it decides protocol, fields and timing, more than the model does."""

    ANTMINER_STOCK = "antminer_stock"
    WHATSMINER = "whatsminer"
    LUXOS = "luxos"


@dataclass(frozen=True, slots=True)
class FamilyTraits:
    """What the deciding column must know of a family.

    Attributes:
        boot_grace_s: after a start nothing is called stuck for this long. Source: facts "detection", section 1.1.
    """

    boot_grace_s: float


FAMILY_TRAITS: Mapping[Family, FamilyTraits] = {
    Family.ANTMINER_STOCK: FamilyTraits(boot_grace_s=360.0),
    Family.LUXOS: FamilyTraits(boot_grace_s=480.0),
    Family.WHATSMINER: FamilyTraits(boot_grace_s=900.0),
}


@dataclass(frozen=True, slots=True, order=True)
class Outlet:
    """One switched receptacle, numbered from 1 as printed on the PDU."""

    pdu: PduId
    number: int

    def __str__(self) -> str:
        return f"{self.pdu}/{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """One switch port, by the number its IF-MIB ifIndex has."""

    switch: SwitchId
    number: int

    def __str__(self) -> str:
        return f"{self.switch}/{self.number}"


@dataclass(frozen=True, slots=True)
class Miner:
    """One miner of the inventory.

    Attributes:
        hashrate_th: nominal hashrate in TH/s; the device's own target replaces it where the device tells one.
        power_w: nominal wall power in W, over all outlets.
        outlets: every outlet that feeds it; all must be off for it to be off.
    """

    id: MinerId
    host: str
    family: Family
    model: str
    hashrate_th: float
    power_w: float
    outlets: tuple[Outlet, ...]
    mac: str | None = None
    rack: str | None = None
    position: str | None = None
    port: Port | None = None
    loop: str | None = None
    pool_group: str | None = None


@dataclass(frozen=True, slots=True)
class Bank:
    """A PDU's branch: the outlets behind one breaker."""

    pdu: PduId
    number: int
    outlets: tuple[int, ...]
    rating_a: float

    def __str__(self) -> str:
        return f"{self.pdu}:bank{self.number}"


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU. `profile` names a file in agent/drivers/pdus/profiles."""

    id: PduId
    host: str
    profile: str
    outlet_count: int
    voltage_v: float
    banks: tuple[Bank, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """One managed network switch, read over SNMP (IF-MIB)."""

    id: SwitchId
    host: str
    port_count: int


@dataclass(frozen=True)
class Site:
    """The whole site, with the look-ups the stages need. A miner's row is its place in `miners`."""

    name: str
    miners: tuple[Miner, ...]
    pdus: tuple[Pdu, ...] = ()
    switches: tuple[Switch, ...] = ()
    protected: frozenset[Outlet] = field(default_factory=frozenset)

    @cached_property
    def rows(self) -> Mapping[MinerId, int]:
        """Row of each miner in the site view's columns."""
        return {miner.id: row for row, miner in enumerate(self.miners)}

    @cached_property
    def pdu(self) -> Mapping[PduId, Pdu]:
        """PDUs by id."""
        return {pdu.id: pdu for pdu in self.pdus}

    @cached_property
    def bank(self) -> Mapping[Outlet, Bank]:
        """The bank behind each outlet of each PDU."""
        return {Outlet(bank.pdu, number): bank for pdu in self.pdus for bank in pdu.banks for number in bank.outlets}

    @cached_property
    def fed_by(self) -> Mapping[Outlet, tuple[MinerId, ...]]:
        """The miners that each used outlet feeds; more than one only where declared shared."""
        fed: dict[Outlet, tuple[MinerId, ...]] = {}
        for miner in self.miners:
            for outlet in miner.outlets:
                fed[outlet] = (*fed.get(outlet, ()), miner.id)
        return fed

    def miner(self, miner_id: MinerId) -> Miner:
        """Return the miner with that id; KeyError if the inventory has none."""
        return self.miners[self.rows[miner_id]]
