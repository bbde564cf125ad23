"""The configuration as the program uses it: checked, immutable, with every default filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.config.errors import Problem
from agent.config.signals import Signals
from agent.detect.degraded import DegradedThresholds
from agent.detect.firmware import FirmwareThresholds
from agent.detect.foreign_pool import ForeignPoolThresholds
from agent.detect.hardware import HardwareThresholds
from agent.detect.heat import HeatThresholds
from agent.detect.hiccup import HiccupThresholds
from agent.detect.itself import SelfThresholds
from agent.detect.loop_thresholds import LoopThresholds
from agent.detect.pool import PoolThresholds
from agent.detect.rejects import RejectThresholds
from agent.detect.stuck import StuckThresholds
from agent.detect.unsteady_pool import UnsteadyPoolThresholds
from agent.drivers.hosts.access import SshBook
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.snmp import SnmpAccess
from agent.guard.limits import GuardLimits
from agent.model.action import Risk
from agent.model.guard import Mode
from agent.model.ids import PduId, SwitchId
from agent.model.topology import Family, Site
from agent.notify.settings import Channel
from agent.observe.settings import OwnSettings, PollSettings
from agent.triage.limits import TriageLimits
from agent.triage.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Settings:
    """One site's configuration.

    Attributes:
        mode: how far the agent may go, where `trust` says nothing else.
        trust: exceptions from `mode`, by playbook and risk.
        tick_s: s between two decisions.
        itself, own: when the agent suspects itself, and what of its own it looks at.
        ssh: how control boards are logged in to.
        schedules: when miners are curtailed or worked on again and again.
        notify: through what people are told.
        signals: who says besides when miners are curtailed.
        ledger: the ledger's file.
        fingerprint: hex SHA-256 over the contents of configuration and inventory; comments and layout do not matter.
        warnings: what was accepted and should still be looked at.
    """

    site: Site
    mode: Mode
    trust: Mapping[str, Mapping[Risk, Mode]]
    poll: PollSettings
    tick_s: float
    stuck: StuckThresholds
    pool_loss: PoolThresholds
    unsteady_pool: UnsteadyPoolThresholds
    rejects: RejectThresholds
    foreign_pool: ForeignPoolThresholds
    firmware: FirmwareThresholds
    heat: HeatThresholds
    loop: LoopThresholds
    hardware: HardwareThresholds
    degraded: DegradedThresholds
    psu_hiccup: HiccupThresholds
    itself: SelfThresholds
    own: OwnSettings
    guard: GuardLimits
    triage: TriageLimits
    schedules: tuple[Schedule, ...]
    signals: Signals
    pdu_access: Mapping[PduId, SnmpAccess]
    switch_access: Mapping[SwitchId, SnmpAccess]
    logins: Mapping[Family, MinerLogin]
    ssh: SshBook
    notify: tuple[Channel, ...]
    ledger: Path
    fingerprint: str
    warnings: tuple[Problem, ...] = ()

    @property
    def credentials(self) -> frozenset[str]:
        """The names of all credentials that any part of it needs."""
        snmp = (*self.pdu_access.values(), *self.switch_access.values())
        named = [
            *(login.credential for login in self.logins.values()),
            *(way.credential for way in (*self.ssh.families.values(), *self.ssh.miners.values())),
            *(name for way in snmp for name in (way.community, way.write_community)),
            *(name for way in snmp for name in (way.auth_credential, way.priv_credential)),
            *(name for channel in self.notify for name in (channel.apprise, channel.webhook, channel.key)),
            *(topic.source.credential for topic in self.signals.mqtt),
            *(hook.source.credential for hook in self.signals.webhooks),
        ]
        return frozenset(name for name in named if name is not None)
