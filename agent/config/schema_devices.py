"""The sections of a configuration file that describe devices, pools and firmware images, and how to reach them."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from agent.config.fields import (
    MAX_OUTLETS,
    MAX_PORTS,
    CredentialName,
    FilePath,
    Host,
    HostKey,
    Id,
    Label,
    Mac,
    Number,
    OutletNumbers,
    OutletRefs,
    PortNumbers,
    PortRef,
    Sha256,
    Truth,
    Whole,
    Worker,
)
from agent.config.schema_thresholds import Section
from agent.config.wording import Expect
from agent.drivers.hosts.access import LegacyAlgorithm
from agent.drivers.snmp import AuthProtocol, PrivProtocol
from agent.model.topology import Cooling, Family, Transport

MAX_POOLS_OF_GROUP = 8
"""More than any firmware keeps."""


class CredentialRef(Section):
    """Names a secret. The secret itself is kept in $CREDENTIALS_DIRECTORY or the environment, never in this file."""

    expect: ClassVar[str] = "a credential's name as {credential: NAME}"
    credential: CredentialName
    """Name of the secret: lower-case letters, digits, - and _."""


class AuthSection(Section):
    """SNMPv3 authentication."""

    protocol: AuthProtocol = AuthProtocol.SHA1
    """What the user is set to on the device."""
    credential: CredentialName
    """Name of the credential that holds the authentication passphrase."""


class PrivSection(Section):
    """SNMPv3 encryption."""

    protocol: PrivProtocol = PrivProtocol.AES128
    """What the user is set to on the device."""
    credential: CredentialName
    """Name of the credential that holds the encryption passphrase."""


def _version(value: object) -> object:
    return str(value) if value in {2, 3} and not isinstance(value, bool) else value


SnmpVersion = Annotated[
    Literal["2c", "3"],
    BeforeValidator(_version, json_schema_input_type=Literal["2c", "3", 3]),
    Expect("2c or 3"),
]


class SnmpSection(Section):
    """SNMP access: `community` for version 2c; `user`, `auth` and `priv` for version 3."""

    version: SnmpVersion = "2c"
    """2c (communities in clear text) or 3 (authenticated and encrypted)."""
    community: CredentialRef | None = None
    """Version 2c: credential of the community that reads."""
    write_community: CredentialRef | None = None
    """Version 2c: credential of the community that may switch outlets; needed for mode auto."""
    user: Label | None = None
    """Version 3: the user's name; it is no secret."""
    auth: AuthSection | None = None
    """Version 3: authentication."""
    priv: PrivSection | None = None
    """Version 3: encryption."""
    port: Whole = Field(default=161, ge=1, le=65_535)
    """UDP port."""


class BankSection(Section):
    """The outlets behind one breaker of a PDU."""

    number: Whole = Field(ge=1, le=64)
    """Bank number as the PDU counts it."""
    outlets: OutletNumbers
    """The outlets behind this breaker."""
    rating_a: Number = Field(ge=1, le=4000)
    """The breaker's rating in amperes."""


class PduSection(Section):
    """One PDU."""

    id: Id
    """Name that the inventory's outlets refer to."""
    host: Host
    """Address of its management interface."""
    model: Label
    """Its profile, such as apc_rpdu2."""
    outlets: Whole = Field(ge=1, le=MAX_OUTLETS)
    """How many outlets it has."""
    voltage_v: Number = Field(ge=80, le=600)
    """Volts at its outlets."""
    rating_a: Number | None = Field(default=None, ge=1, le=4000)
    """Rating in amperes, where one breaker protects all outlets; else write `banks`."""
    banks: list[BankSection] | None = Field(default=None, max_length=64)
    """Its breakers and the outlets behind each, where there are several."""
    snmp: SnmpSection
    """How to read and switch it."""
    protected: OutletNumbers = ()
    """Outlets that nothing may ever switch: gateway, network switch, pumps."""


class SwitchSection(Section):
    """One managed network switch."""

    id: Id
    """Name that the inventory's ports refer to."""
    host: Host
    """Address of its management interface."""
    ports: Whole = Field(ge=1, le=MAX_PORTS)
    """Highest port number (ifIndex) that miners are connected to."""
    snmp: SnmpSection
    """How to read it; with write_community, or a version 3 user that may write, also how to take a port down and up."""
    protected_ports: PortNumbers = ()
    """Ports that nothing may ever switch. One without a miner behind it, such as an uplink, never is anyway."""


class PoolSection(Section):
    """One mining pool's endpoint, stratum V1."""

    id: Id
    """Name that pool groups refer to."""
    host: Host
    """Its host name or address."""
    port: Whole = Field(ge=1, le=65_535)
    """Its TCP port."""
    tls: Truth = False
    """Whether it is spoken to through TLS."""


class PoolGroupSection(Section):
    """The pools that some of the miners work for."""

    id: Id
    """Name that the inventory's pool_group refers to."""
    pools: list[Id] = Field(min_length=1, max_length=MAX_POOLS_OF_GROUP)
    """Ids of pools in order of priority: the first is the primary, the next the one to fail over to."""
    worker: Worker = "site.{miner}"
    """Name under which a miner logs in; {miner} stands for its id."""


class CoolingSection(Section):
    """What drives one coolant loop, told over Modbus TCP."""

    id: Id
    """Its name."""
    host: Host
    """Address of its network interface."""
    port: Whole = Field(default=502, ge=1, le=65_535)
    """TCP port."""
    device_id: Whole = Field(default=1, ge=0, le=255)
    """Modbus address behind that host and port."""
    model: Label
    """Its profile, such as ocp_rpu2."""
    loop: Label
    """The loop it drives, by the name that the inventory's loop column uses."""
    kind: Literal[Cooling.HYDRO, Cooling.IMMERSION]
    """hydro: coolant through cold plates. immersion: miners stand in it."""
    setpoint_c: Number = Field(ge=5, le=70)
    """Supply temperature in °C when all is well; every change leads back to it."""
    min_c: Number = Field(ge=5, le=70)
    """Coldest supply in °C that the agent may ask for."""
    max_c: Number = Field(ge=5, le=70)
    """Hottest supply in °C that the agent may ask for."""
    design_flow_lpm: Number = Field(ge=1, le=100_000)
    """Flow in L/min when all is well."""
    min_flow_lpm: Number | None = Field(default=None, ge=1, le=100_000)
    """Smallest flow in L/min that the agent may ask for; by default 85 % of the design flow."""


class LoginSection(Section):
    """How to log in to the miners of one family."""

    user: Label
    """User name."""
    password: CredentialRef
    """Credential of the password."""


class ImageSection(Section):
    """One firmware image that may be put into miners."""

    file: FilePath
    """The image's file, relative to this one."""
    sha256: Sha256
    """The SHA-256 of its bytes: 64 hexadecimal digits."""
    family: Family
    """The control software it is, and which it replaces."""
    models: list[Label] = Field(min_length=1, max_length=64)
    """The models it is for."""
    control_boards: list[Label] = Field(min_length=1, max_length=64)
    """The control boards it is for, each as the device itself names it."""
    version: Label
    """The version a miner tells that runs it."""
    transport: Transport | None = None
    """The way into the miner, ssh, http or rpc; the family's, which may be left out."""


class SshSection(Section):
    """How to log in to a miner's control board over SSH: to one miner, or to all others of a family."""

    miner: Id | None = None
    """The miner; either this or `family`."""
    family: Family | None = None
    """The family; either this or `miner`."""
    user: Label
    """User name."""
    password: CredentialRef
    """Credential of the password."""
    port: Whole = Field(default=22, ge=1, le=65_535)
    """TCP port."""
    host_keys: list[HostKey] = Field(min_length=1, max_length=4096)
    """Public keys of which the miner must show one, each as `ssh-keyscan` prints it without the host."""
    legacy: list[LegacyAlgorithm] = Field(default=[], max_length=16)
    """Outdated algorithms to allow here and nowhere else, for firmware that has no better ones."""


class ModelSection(Section):
    """Figures of a miner model that the built-in table lacks or that differ on this site."""

    family: Family | None = None
    """The control software all miners of this model run, where that is so."""
    hashrate_th: Number = Field(ge=0.1, le=5000)
    """Nominal hashrate in TH/s."""
    power_w: Number = Field(ge=1, le=50_000)
    """Nominal power at the wall in W."""
    boards: Whole | None = Field(None, ge=1, le=16)
    """Its hashboards; fewer that answer are an incident."""
    cooling: Cooling | None = None
    """air, hydro or immersion."""
    chip_limit_c: Number | None = Field(default=None, ge=40, le=130)
    """Hottest chip in °C at which its firmware stops hashing."""
    board_limit_c: Number | None = Field(default=None, ge=40, le=130)
    """Hottest sensor on a board in °C at which its firmware stops hashing."""
    inlet_min_c: Number | None = Field(default=None, ge=-40, le=70)
    """Coldest coolant or air in °C that it may be given."""
    inlet_max_c: Number | None = Field(default=None, ge=0, le=80)
    """Hottest coolant or air in °C that it may be given."""


class MinerSection(Section):
    """One miner of the inventory."""

    id: Id
    """Name of the miner, unique on the site."""
    host: Host
    """Its address."""
    mac: Mac | None = None
    """Its network card's address."""
    model: Label
    """Model as on its label, such as S19 Pro or M50."""
    family: Family | None = None
    """Control software; may be left out where the model runs only one."""
    rack: Label | None = None
    """Rack it stands in."""
    position: Label | None = None
    """Place in the rack."""
    outlets: OutletRefs = ()
    """Every outlet that feeds it, such as pdu-a/3."""
    port: PortRef | None = None
    """Switch port it is connected to, such as sw-1/12."""
    loop: Label | None = None
    """Coolant loop it hangs on."""
    pool_group: Label | None = None
    """The pool group that names its pools; may be left out where there is only one."""
    control_board: Label | None = None
    """Control board as the device itself names it; needed where a model has images for several."""
    hashrate_th: Number | None = Field(default=None, ge=0.1, le=5000)
    """Nominal hashrate in TH/s, where it differs from the model's."""
    power_w: Number | None = Field(default=None, ge=1, le=50_000)
    """Nominal power at the wall in W, where it differs from the model's."""
