"""The shape of a configuration file: every key, its bounds, its default and what it is for.

Defaults of thresholds and limits come from the stages that use them; what one key means to another is checked in
`agent.config.check_site` and the modules beside it; devices stand in `agent.config.schema_devices`.
"""

from typing import Any, Literal

from pydantic import Field

from agent.config.fields import (
    FilePath,
    Label,
    Number,
    OutletRefs,
    Whole,
)
from agent.config.schema_devices import (
    CoolingSection,
    ImageSection,
    LoginSection,
    MinerSection,
    ModelSection,
    PduSection,
    PoolGroupSection,
    PoolSection,
    SshSection,
    SwitchSection,
)
from agent.config.schema_expected import ExpectedSection
from agent.config.schema_notify import ChannelSection
from agent.config.schema_thresholds import (
    DAY_S,
    DegradedSection,
    FirmwareSection,
    ForeignPoolSection,
    HardwareSection,
    HeatSection,
    HiccupSection,
    LoopSection,
    PoolLossSection,
    RejectsSection,
    Section,
    SelfSection,
    StuckSection,
    UnsteadyPoolSection,
)
from agent.guard.limits import GuardLimits
from agent.model.guard import Mode
from agent.model.topology import Family
from agent.observe.settings import PollSettings
from agent.triage.limits import TriageLimits

MAX_MINERS = 50_000

_POLL = PollSettings()
_GUARD = GuardLimits()
_TRIAGE = TriageLimits()


class SiteSection(Section):
    """The site as a whole."""

    name: Label
    """Name of the site, as reports and the ledger show it."""


class PollSection(Section):
    """How often devices are asked, and how much a poll may take."""

    interval_s: Number = Field(default=_POLL.interval_s, ge=1, le=600)
    """Seconds between two polls of a miner."""
    deadline_s: Number = Field(default=_POLL.deadline_s, ge=0.5, le=60)
    """Seconds a miner's poll may take, connection and reply together."""
    concurrency: Whole = Field(default=_POLL.concurrency, ge=2, le=4096)
    """Most miner polls in flight at once."""
    reply_limit_bytes: Whole = Field(default=_POLL.reply_limit_bytes, ge=4096, le=16_777_216)
    """Longest reply of a miner that is read, in bytes."""
    pdu_interval_s: Number = Field(default=_POLL.pdu_interval_s, ge=5, le=3600)
    """Seconds between two reads of a PDU."""
    switch_interval_s: Number = Field(default=_POLL.switch_interval_s, ge=5, le=3600)
    """Seconds between two reads of a switch."""
    cooling_interval_s: Number = Field(default=_POLL.cooling_interval_s, ge=2, le=600)
    """Seconds between two reads of a cooling unit."""
    focus_interval_s: Number = Field(default=_POLL.focus_interval_s, ge=2, le=600)
    """Seconds between two reads of the PDUs and switches that serve a miner with an incident."""


class GuardSection(Section):
    """Limits that every power action is held to."""

    cooldown_s: Number = Field(default=_GUARD.cooldown_s, ge=300, le=DAY_S)
    """Least seconds between two power cycles of one miner."""
    power_cycles_per_day: Whole = Field(default=_GUARD.power_cycles_per_day, ge=0, le=10)
    """Most power cycles of one miner in 24 h."""
    on_spacing_s: Number = Field(default=_GUARD.on_spacing_s, ge=5, le=600)
    """Least seconds between two switch-ons behind one breaker (inrush)."""
    bank_share: Number = Field(default=_GUARD.bank_share, ge=0.1, le=0.8)
    """Share of a breaker's rating that continuous load may reach, 0.8 for 80 %."""
    at_once_share: Number = Field(default=_GUARD.at_once_share, ge=0.01, le=1)
    """Share of a PDU's, rack's or switch's miners that may be out of service by the agent's doing; at least 2."""
    site_at_once_share: Number = Field(default=_GUARD.site_at_once_share, ge=0.001, le=1)
    """Share of the site's miners that may be out of service by the agent's doing; at least 4."""
    hour_share: Number = Field(default=_GUARD.hour_share, ge=0.01, le=2)
    """Reboots, power cycles and flashes an hour, as a share of a PDU's, rack's or switch's miners; at least 12."""
    site_hour_share: Number = Field(default=_GUARD.site_hour_share, ge=0.001, le=2)
    """The same for the site; at least 24."""
    site_day_share: Number = Field(default=_GUARD.site_day_share, ge=0.001, le=10)
    """The same for the site and a day; at least 48."""
    storm_share: Number = Field(default=_GUARD.storm_share, ge=0.05, le=1)
    """Share of the site's miners with an incident, at least 20, from which on nothing new is done to single miners."""
    storm_calm_s: Number = Field(default=_GUARD.storm_calm_s, ge=0, le=DAY_S)
    """For so many seconds after fewer have one."""
    approval_s: Number = Field(default=_GUARD.approval_s, ge=60, le=43_200)
    """Seconds a person has to confirm an action in mode approve; then the incident is theirs."""
    flashes_at_once: Whole = Field(default=_GUARD.flashes_at_once, ge=1, le=64)
    """Most firmware flashes under way on the site."""


class TriageSection(Section):
    """When an incident is over."""

    min_healthy_s: Number = Field(default=_TRIAGE.min_healthy_s, ge=60, le=7 * DAY_S)
    """Seconds without the symptom after which it is a new incident, not a relapse."""
    restore_s: Number = Field(default=_TRIAGE.restore_s, ge=0, le=6 * 3600)
    """Seconds after a curtailment or maintenance within which others have woken all of its miners, in batches."""


RiskName = Literal["soft", "reboot", "power", "cooling", "flash"]


def _path_or_rows(schema: dict[str, Any]) -> None:
    rows = {key: schema.pop(key) for key in ("items", "maxItems", "minItems", "type")}
    schema["anyOf"] = [{"type": "string", "description": "A CSV file, relative to this one."}, rows]


class ConfigFile(Section):
    """Configuration of a terrahash site."""

    site: SiteSection
    """The site as a whole."""
    mode: Mode = Mode.OBSERVE
    """observe: decide and record, touch nothing. approve: have each action confirmed. auto: act within the guards."""
    trust: dict[str, dict[RiskName, Mode]] = Field(default={})
    """Exceptions from `mode`, by playbook and risk: {stuck_miner: {soft: auto, power: observe}}."""
    tick_s: Number = Field(default=2.0, ge=0.1, le=60)
    """Seconds between two decisions of the agent."""
    poll: PollSection = PollSection()
    """How often devices are asked."""
    stuck: StuckSection = StuckSection()
    """When a miner counts as stuck."""
    pool_loss: PoolLossSection = PoolLossSection()
    """When a miner counts as having lost its pool."""
    unsteady_pool: UnsteadyPoolSection = UnsteadyPoolSection()
    """When a pool counts as dropping all its miners together, again and again."""
    rejects: RejectsSection = RejectsSection()
    """When too many of a miner's shares are refused."""
    foreign_pool: ForeignPoolSection = ForeignPoolSection()
    """When a miner counts as working for somebody else."""
    heat: HeatSection = HeatSection()
    """When a miner counts as hot, and when it has cut out for it."""
    loop: LoopSection = LoopSection()
    """When a coolant loop counts as hot, and when as not cooled any more."""
    hardware: HardwareSection = HardwareSection()
    """When a hashboard or a fan counts as lost."""
    degraded: DegradedSection = DegradedSection()
    """When a miner counts as hashing steadily below what it aims at."""
    psu_hiccup: HiccupSection = HiccupSection()
    """When a power supply counts as cutting out for moments."""
    firmware: FirmwareSection = FirmwareSection()
    """When a miner's firmware counts as crashing."""
    itself: SelfSection = SelfSection()
    """When the agent suspects itself: its network, clock, ledger and haste."""
    guard: GuardSection = GuardSection()
    """Limits of power actions."""
    triage: TriageSection = TriageSection()
    """When an incident is over."""
    expected: ExpectedSection = ExpectedSection()
    """Who announces that miners are curtailed or worked on, and when."""
    pdus: list[PduSection] = Field(default=[], max_length=4096)
    """The PDUs."""
    switches: list[SwitchSection] = Field(default=[], max_length=4096)
    """The network switches; may be left out."""
    cooling: list[CoolingSection] = Field(default=[], max_length=1024)
    """The units that drive coolant loops; may be left out."""
    pools: list[PoolSection] = Field(default=[], max_length=256)
    """The mining pools; without any the agent knows nothing of pools."""
    pool_groups: list[PoolGroupSection] = Field(default=[], max_length=256)
    """Which pools which miners work for, in order of priority."""
    logins: dict[Family, LoginSection] = Field(default={})
    """Log-ins to the miners' control interfaces, by family; needed for mode auto."""
    images: list[ImageSection] = Field(default=[], max_length=256)
    """Firmware images that may be put into miners; without any, none ever is."""
    ssh: list[SshSection] = Field(default=[], max_length=MAX_MINERS)
    """How to log in to miners' control boards over SSH; needed to flash families that are flashed that way."""
    models: dict[str, ModelSection] = Field(default={})
    """Own figures of miner models, by model name."""
    notify: list[ChannelSection] = Field(default=[], max_length=64)
    """Through what people are told of escalations, approvals, storms and the agent's own trouble."""
    shared_outlets: OutletRefs = ()
    """Outlets that feed more than one miner, on purpose."""
    ledger: FilePath | None = None
    """The ledger's file; by default ledger.sqlite3 in $STATE_DIRECTORY, or ./terrahash.sqlite3."""
    inventory: list[MinerSection] = Field(min_length=1, max_length=MAX_MINERS, json_schema_extra=_path_or_rows)
    """The miners: a CSV file, or the rows themselves."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConfigFile.model_json_schema()}
