"""From files to Settings: read, graft the inventory in, validate, cross-check, build; every problem at once."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from agent.config.check_cooling import check_cooling
from agent.config.check_devices import check_devices
from agent.config.check_firmware import check_firmware
from agent.config.check_miners import check_miners
from agent.config.check_notify import check_notify
from agent.config.check_pools import check_pools
from agent.config.check_site import check_site
from agent.config.errors import ConfigError, Place, Problem
from agent.config.expected import schedules_of, signals_of
from agent.config.explain import explain, salvage
from agent.config.fields import is_id
from agent.config.findings import Findings, Refused
from agent.config.inventory import parse_csv
from agent.config.models import ModelTable
from agent.config.schema import ConfigFile
from agent.config.schema_devices import SnmpSection, SshSection
from agent.config.schema_notify import ChannelSection
from agent.config.settings import Settings
from agent.config.source import Node, read_text
from agent.config.topology import build_site
from agent.config.wording import shown
from agent.config.yaml_source import parse_yaml
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
from agent.drivers.hosts.access import SshAccess, SshBook
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.snmp import SnmpAccess
from agent.guard.limits import GuardLimits
from agent.model.action import Risk
from agent.model.ids import ChannelId, MinerId, PduId, SwitchId
from agent.notify.settings import Channel
from agent.observe.settings import OwnSettings, PollSettings
from agent.triage.limits import TriageLimits

SALVAGE_ROUNDS = 6
"""How often what was refused is removed to check the rest; each round takes one level of required keys."""


def load(path: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the configuration at `path` and its inventory; nothing else is touched.

    Args:
        path: the YAML file. Paths inside it are relative to its folder.
        environ: where $STATE_DIRECTORY is looked up; the process's environment by default.

    Raises:
        ConfigError: with every problem found, each with its place and remedy.
    """
    tree, problems = read_tree(path)
    return settings_of(tree, problems, path.parent, environ=environ)


def read_tree(path: Path) -> tuple[Node, list[Problem]]:
    """Return the configuration at `path` as written, a mapping, and what is wrong with it as YAML.

    Raises:
        ConfigError: it cannot be read, or is no mapping.
    """
    tree, problems = parse_yaml(read_text(path, Place(str(path), 1, 1)), str(path))
    if not isinstance(tree.value, dict):
        got = (
            "a text" if isinstance(tree.value, str) else "a list" if isinstance(tree.value, list) else shown(tree.value)
        )
        problem = Problem(tree.place, "", "a mapping of keys", got, "start with  site: {name: north}")
        raise ConfigError([*problems, problem])
    return tree, problems


def settings_of(
    tree: Node, problems: list[Problem], folder: Path, *, environ: Mapping[str, str] | None = None
) -> Settings:
    """Return the settings that a configuration's tree means; the tree is used up.

    Args:
        tree: a mapping.
        problems: what is already known to be wrong with it.
        folder: what paths in it are relative to.
        environ: as for `load`.

    Raises:
        ConfigError: with those problems and every other.
    """
    problems = problems + _graft_inventory(tree, folder)
    fingerprint = hashlib.sha256(json.dumps(tree.plain(), sort_keys=True).encode()).hexdigest()
    findings = _inspect(tree, problems, folder)
    if problems or findings is None:
        raise ConfigError(problems)
    return _settings(findings, folder, os.environ if environ is None else environ, fingerprint)


def _graft_inventory(tree: Node, folder: Path) -> list[Problem]:
    """Put the rows of an inventory file where its name stands."""
    node = tree.child("inventory")
    if node is None or not isinstance(node.value, str) or not isinstance(tree.value, dict):
        return []
    name = node.value
    file = folder / name
    if not name.lower().endswith((".csv", ".yaml", ".yml")):
        del tree.value["inventory"]
        remedy = "save the inventory as CSV, or write the rows here"
        return [Problem(node.place, "inventory", "the name of a .csv or .yaml file", repr(name[:60]), remedy)]
    parse = parse_csv if name.lower().endswith(".csv") else parse_yaml
    try:
        rows, problems = parse(read_text(file, node.place), str(file))
    except ConfigError as error:
        del tree.value["inventory"]
        return list(error.problems)
    tree.value["inventory"] = rows
    return problems


def _inspect(tree: Node, problems: list[Problem], folder: Path) -> Findings | None:
    """Validate and cross-check, appending to `problems`; return the findings where the schema could be satisfied.

    A refused part is left out and the rest is checked, so that one slip does not hide the others.
    """
    taken = {problem.place for problem in problems}
    devices = {section: _devices(tree, section) for section in ("pdus", "switches", "pools", "pool_groups")}
    inventory_named = tree.child("inventory") is not None
    for attempt in range(SALVAGE_ROUNDS):
        try:
            config = ConfigFile.model_validate(tree.plain())
        except ValidationError as error:
            if attempt == 0:
                found = explain(error, tree)
                unread = not inventory_named and bool(problems)
                problems += [p for p in found if p.place not in taken and not (unread and p.path == "inventory")]
            if not salvage(tree, error):
                return None
        else:
            refused = Refused((problem.path for problem in problems), devices)
            findings = Findings(config, tree, refused)
            check_devices(findings)
            check_pools(findings)
            check_notify(findings)
            table = ModelTable(config.models)
            check_cooling(findings, table)
            figures = check_miners(findings, table)
            check_firmware(findings, figures, folder)
            check_site(findings, figures)
            taken |= {problem.place for problem in problems}
            problems += [problem for problem in findings.problems if problem.place not in taken]
            return findings
    return None


def _devices(tree: Node, section: str) -> frozenset[str] | None:
    """Return the ids in a section of devices as written; None if one has none that a reference could mean."""
    names = set()
    devices = tree.child(section)
    for device in devices.value if devices is not None and isinstance(devices.value, list) else []:
        name = device.child("id")
        if name is None or not is_id(str(name.value)):
            return None
        names.add(str(name.value))
    return frozenset(names)


def _settings(findings: Findings, folder: Path, environ: Mapping[str, str], fingerprint: str) -> Settings:
    config = findings.config
    trust = {
        playbook: MappingProxyType({Risk[risk.upper()]: mode for risk, mode in modes.items()})
        for playbook, modes in config.trust.items()
    }
    site = build_site(config, ModelTable(config.models), folder)
    schedules, signals = schedules_of(findings, site), signals_of(findings, site, folder)
    if findings.problems:
        raise ConfigError(findings.problems)
    return Settings(
        site=site,
        mode=config.mode,
        trust=MappingProxyType(trust),
        poll=PollSettings(**config.poll.model_dump()),
        tick_s=config.tick_s,
        stuck=StuckThresholds(**config.stuck.model_dump()),
        pool_loss=PoolThresholds(**config.pool_loss.model_dump()),
        unsteady_pool=UnsteadyPoolThresholds(**config.unsteady_pool.model_dump()),
        rejects=RejectThresholds(**config.rejects.model_dump()),
        foreign_pool=ForeignPoolThresholds(**config.foreign_pool.model_dump()),
        firmware=FirmwareThresholds(**config.firmware.model_dump()),
        heat=HeatThresholds(**config.heat.model_dump()),
        loop=LoopThresholds(**config.loop.model_dump()),
        hardware=HardwareThresholds(**config.hardware.model_dump()),
        degraded=DegradedThresholds(**config.degraded.model_dump()),
        psu_hiccup=HiccupThresholds(**config.psu_hiccup.model_dump()),
        itself=SelfThresholds(**config.itself.model_dump(exclude={"gateways", "dns_name"})),
        own=OwnSettings(tuple(config.itself.gateways), config.itself.dns_name),
        guard=GuardLimits(**config.guard.model_dump()),
        triage=TriageLimits(**config.triage.model_dump()),
        schedules=schedules,
        signals=signals,
        pdu_access=MappingProxyType({PduId(pdu.id): _access(pdu.snmp) for pdu in config.pdus}),
        switch_access=MappingProxyType({SwitchId(switch.id): _access(switch.snmp) for switch in config.switches}),
        logins=MappingProxyType(
            {family: MinerLogin(login.user, login.password.credential) for family, login in config.logins.items()}
        ),
        ssh=_ssh(config.ssh),
        notify=tuple(_channel(channel) for channel in config.notify),
        ledger=_ledger(config.ledger, folder, environ),
        fingerprint=fingerprint,
        warnings=tuple(sorted(set(findings.warnings))),
    )


def _access(snmp: SnmpSection) -> SnmpAccess:
    if snmp.version == "2c":
        return SnmpAccess(
            version="2c",
            community=snmp.community.credential if snmp.community else None,
            write_community=snmp.write_community.credential if snmp.write_community else None,
            port=snmp.port,
        )
    return SnmpAccess(
        version="3",
        user=snmp.user,
        auth=snmp.auth.protocol if snmp.auth else None,
        auth_credential=snmp.auth.credential if snmp.auth else None,
        priv=snmp.priv.protocol if snmp.priv else None,
        priv_credential=snmp.priv.credential if snmp.priv else None,
        port=snmp.port,
    )


def _ssh(entries: Sequence[SshSection]) -> SshBook:
    book = [
        (
            entry,
            SshAccess(
                user=entry.user,
                credential=entry.password.credential,
                host_keys=tuple(entry.host_keys),
                port=entry.port,
                legacy=frozenset(entry.legacy),
            ),
        )
        for entry in entries
    ]
    return SshBook(
        miners=MappingProxyType({MinerId(e.miner): access for e, access in book if e.miner is not None}),
        families=MappingProxyType({e.family: access for e, access in book if e.family is not None}),
    )


def _channel(channel: ChannelSection) -> Channel:
    return Channel(
        id=ChannelId(channel.id),
        apprise=channel.apprise.credential if channel.apprise else None,
        webhook=channel.webhook.credential if channel.webhook else None,
        key=channel.key.credential if channel.key else None,
        about=frozenset(channel.about),
    )


def _ledger(configured: str | None, folder: Path, environ: Mapping[str, str]) -> Path:
    if configured is not None:
        return folder / configured
    # systemd passes several state directories in one variable, the unit's first one first.
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(state) / "ledger.sqlite3" if state else Path("terrahash.sqlite3")
