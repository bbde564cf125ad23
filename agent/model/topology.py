"""What stands on the site and what is connected to what. Immutable once the configuration is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from agent.model.ids import CoolingUnitId, ImageId, MinerId, PduId, PoolGroupId, PoolId, SwitchId


class Family(StrEnum):
    """A miner's control software: it decides protocol, fields and timing, more than the model does."""

    ANTMINER_STOCK = "antminer_stock"
    WHATSMINER = "whatsminer"
    LUXOS = "luxos"


class Transport(StrEnum):
    """The way a firmware image gets into a miner: docs/decisions/0014-flashing.md."""

    SSH = "ssh"
    """Uploaded to the control board and flashed there by a command."""
    HTTP = "http"
    """Posted to the upgrade page."""
    RPC = "rpc"
    """Streamed after a command of the API."""


@dataclass(frozen=True, slots=True)
class FamilyTraits:
    """What the deciding column must know of a family.

    Attributes:
        boot_grace_s: after a start nothing is called stuck for this long. Source: facts "detection", section 1.1.
        stops_at_c: where it stops hashing by itself, whatever the model bears; None where it goes by the model.
        slows_before_k: so far below its limit it begins to slow down for its heat: facts "detection", section 1.3, and
            for LuxOS section 0; 0 where it goes on in full until it stops.
        cool_k: so far below its limit it is cool (facts "detection", section 7, D3); less where fans hold it close to
            where it slows down.
        transport: how it is flashed; None where the agent knows no way.
    """

    boot_grace_s: float
    stops_at_c: float | None = None
    slows_before_k: float = 0.0
    cool_k: float = 10.0
    transport: Transport | None = None


FAMILY_TRAITS: Mapping[Family, FamilyTraits] = {
    Family.ANTMINER_STOCK: FamilyTraits(boot_grace_s=360.0, transport=Transport.HTTP),
    Family.LUXOS: FamilyTraits(
        boot_grace_s=480.0, stops_at_c=70.0, slows_before_k=5.0, cool_k=8.0, transport=Transport.SSH
    ),
    Family.WHATSMINER: FamilyTraits(boot_grace_s=900.0, slows_before_k=3.0, transport=Transport.RPC),
}


class Cooling(StrEnum):
    """What carries a miner's heat away."""

    AIR = "air"
    HYDRO = "hydro"
    """A liquid through cold plates."""
    IMMERSION = "immersion"
    """A liquid that it stands in."""


@dataclass(frozen=True, slots=True)
class ThermalLimits:
    """Temperatures that a miner bears, in °C, as its telemetry shows them. Sources: agent/config/models.yaml.

    Attributes:
        chip_c, board_c: where the firmware stops hashing: hottest chip, hottest sensor on a board.
        chip_warn_c: the hottest chip is too hot from here on.
        chip_band_c: where it runs when all is well.
        inlet_c: coldest and hottest coolant or air that it may be given.
    """

    chip_c: float = 95.0
    board_c: float = 80.0
    chip_warn_c: float = 90.0
    chip_band_c: tuple[float, float] = (50.0, 80.0)
    inlet_c: tuple[float, float] = (-5.0, 45.0)


USUAL_LIMITS = ThermalLimits()
"""Those of an air-cooled miner of which nothing is known."""


_BRANDS = re.compile(r"^(bitmain|microbt)?\s*(antminer|whatsminer)?\s*")
_FIRMWARE = re.compile(r"\s*\([^)]*\)\s*$")
_BOARD_VARIANT = re.compile(r"^(?:(m[0-9]{2}[a-z+]*?)v[a-z]?[0-9]{1,3}[a-z]?|([st][0-9]{2}.*)nopic)$")


def model_keys(name: str) -> tuple[str, ...]:
    """Return a model's name without case, spaces and brand; then, if it names one, without the board's variant too."""
    key = re.sub(r"[\s_.-]+", "", _BRANDS.sub("", _FIRMWARE.sub("", name.casefold().strip())))
    variant = _BOARD_VARIANT.match(key)
    return (key,) if variant is None else (key, variant[1] or variant[2])


def same_model(told: str, named: str) -> bool:
    """Whether a device that tells the one name is of the model with the other; `named` may leave out the variant."""
    return model_keys(named)[0] in model_keys(told)


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
        loop: the coolant loop it hangs on; a `CoolingUnit` of that loop's name drives it, where one is configured.
        cooling: its loop's kind, else its model's.
        outlets: every outlet that feeds it; all must be off for it to be off.
        boards: hashboards of its model; None where that is not known.
        control_board: as the device itself names it; None where the inventory does not say.
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
    boards: int | None = None
    pool_group: PoolGroupId | None = None
    control_board: str | None = None
    cooling: Cooling = Cooling.AIR
    limits: ThermalLimits = USUAL_LIMITS


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
    """One managed network switch, read over SNMP (IF-MIB).

    Attributes:
        protected: ports that are never switched, whatever is behind them.
    """

    id: SwitchId
    host: str
    port_count: int
    protected: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool endpoint, stratum V1.

    Attributes:
        tls: it is spoken to through TLS.
    """

    id: PoolId
    host: str
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        """Return the address as miners take it."""
        return f"stratum+{'ssl' if self.tls else 'tcp'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PoolGroup:
    """The pools that some miners work for.

    Attributes:
        pools: in order of priority: the first is the primary.
        worker: the worker's name at the pool; `{miner}` in it stands for the miner's id.
    """

    id: PoolGroupId
    pools: tuple[PoolId, ...]
    worker: str = "site.{miner}"

    def worker_of(self, miner: MinerId) -> str:
        """Return the name under which a miner logs in."""
        return self.worker.replace("{miner}", miner)


@dataclass(frozen=True, slots=True)
class Image:
    """One firmware image that the site allows.

    Attributes:
        sha256: of the file's bytes, in lower-case hex; what an action names it by.
        file: where it lies.
        models, control_boards: what it is for; a miner must be one of both.
        version: as a miner that runs it tells its version.
    """

    sha256: ImageId
    file: str
    family: Family
    models: tuple[str, ...]
    control_boards: tuple[str, ...]
    version: str

    def is_for(self, family: Family, model: str, control_board: str) -> bool:
        """Whether it belongs on such a miner, as the device itself says what it is."""
        is_model = any(same_model(model, mine) for mine in self.models)
        return family is self.family and is_model and control_board in self.control_boards

    def may_be_for(self, miner: Miner) -> bool:
        """Whether the inventory allows it on that miner. Where it names no control board, only the device can tell."""
        boards = self.control_boards if miner.control_board is None else (miner.control_board,)
        return any(self.is_for(miner.family, miner.model, board) for board in boards)


@dataclass(frozen=True, slots=True)
class CoolingUnit:
    """What drives one coolant loop: pumps and a controlled supply temperature, told over Modbus TCP.

    Attributes:
        device_id: its Modbus address behind that host and port.
        profile: names a file in agent/drivers/cooling/profiles.
        loop: the loop's name, as in `Miner.loop`.
        kind: what its coolant does; never air.
        setpoint_c: the supply temperature it is run at when all is well; every change leads back to it.
        min_c, max_c: no other supply temperature is ever asked for.
        design_flow_lpm: the coolant's flow when all is well, in L/min.
        min_flow_lpm: no smaller flow is ever asked for.
        flow_step_lpm: the smallest change of a flow that its registers can tell, in L/min.
    """

    id: CoolingUnitId
    host: str
    profile: str
    loop: str
    kind: Cooling
    setpoint_c: float
    min_c: float
    max_c: float
    design_flow_lpm: float
    min_flow_lpm: float
    port: int = 502
    device_id: int = 1
    flow_step_lpm: float = 1.0


@dataclass(frozen=True)
class Site:
    """The whole site, with the look-ups the stages need. A miner's row is its place in `miners`."""

    name: str
    miners: tuple[Miner, ...]
    pdus: tuple[Pdu, ...] = ()
    switches: tuple[Switch, ...] = ()
    protected: frozenset[Outlet] = field(default_factory=frozenset)
    pools: tuple[Pool, ...] = ()
    pool_groups: tuple[PoolGroup, ...] = ()
    images: tuple[Image, ...] = ()
    cooling_units: tuple[CoolingUnit, ...] = ()

    @cached_property
    def rows(self) -> Mapping[MinerId, int]:
        """Row of each miner in the site view's columns."""
        return {miner.id: row for row, miner in enumerate(self.miners)}

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The addresses of all devices of the inventory."""
        miners, pdus = {miner.host for miner in self.miners}, {pdu.host for pdu in self.pdus}
        return frozenset(
            miners | pdus | {switch.host for switch in self.switches} | {unit.host for unit in self.cooling_units}
        )

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

    @cached_property
    def ports(self) -> frozenset[Port | None]:
        """The switch ports with a miner behind them; None among them where a miner has none."""
        return frozenset(miner.port for miner in self.miners)

    @cached_property
    def bounceable(self) -> Mapping[SwitchId, frozenset[int]]:
        """The ports of each switch that may be switched: those with a miner behind them that are not protected."""
        return {
            switch.id: frozenset(
                number
                for number in range(1, switch.port_count + 1)
                if Port(switch.id, number) in self.ports and number not in switch.protected
            )
            for switch in self.switches
        }

    @cached_property
    def pool(self) -> Mapping[PoolId, Pool]:
        """Pools by id."""
        return {pool.id: pool for pool in self.pools}

    @cached_property
    def pool_group(self) -> Mapping[PoolGroupId, PoolGroup]:
        """Pool groups by id."""
        return {group.id: group for group in self.pool_groups}

    @cached_property
    def image(self) -> Mapping[ImageId, Image]:
        """Allowed firmware images by their SHA-256."""
        return {image.sha256: image for image in self.images}

    @cached_property
    def cooling_unit(self) -> Mapping[CoolingUnitId, CoolingUnit]:
        """Cooling units by id."""
        return {unit.id: unit for unit in self.cooling_units}

    @cached_property
    def unit_of_loop(self) -> Mapping[str, CoolingUnit]:
        """The cooling unit of each loop that has one."""
        return {unit.loop: unit for unit in self.cooling_units}

    def pools_of(self, miner: Miner) -> tuple[Pool, ...]:
        """Return a miner's pools in order of priority; none where its group is not configured."""
        group = self.pool_group.get(miner.pool_group) if miner.pool_group is not None else None
        return () if group is None else tuple(self.pool[pool] for pool in group.pools)

    def miner(self, miner_id: MinerId) -> Miner:
        """Return the miner with that id; KeyError if the inventory has none."""
        return self.miners[self.rows[miner_id]]
