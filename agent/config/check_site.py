"""Cross checks of the site as a whole: the trust ladder and what it needs, and figures that depend on each other."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import playbooks
from agent.config.findings import Findings
from agent.config.schema import RiskName
from agent.config.topology import Figures
from agent.config.wording import choice, closest, number_text
from agent.model.action import Risk
from agent.model.columns import HISTORY_SAMPLES
from agent.model.guard import Mode
from agent.model.playbook import Playbook
from agent.model.topology import Family

FAMILIES_WITH_LOGIN = (Family.ANTMINER_STOCK, Family.WHATSMINER)
"""Families whose control interface asks for a password; LuxOS opens a session without one."""


def known_playbooks() -> tuple[str, ...]:
    """Return the names of the playbooks that are shipped: one file, one playbook."""
    return tuple(sorted(module.name for module in iter_modules(playbooks.__path__)))


def check_site(f: Findings, figures: list[Figures | None]) -> None:
    """Check the settings that are not about one device.

    Args:
        f: where to note what is found.
        figures: each miner's figures, None where they are not known.
    """
    _check_trust(f)
    _check_times(f)
    if _acts(f, "soft") or _acts(f, "reboot"):
        _check_logins(f, {known.family for known in figures if known is not None})
    if _acts(f, "power"):
        _check_writers(f)


def _acts(f: Findings, risk: RiskName) -> bool:
    """Tell whether some playbook that has actions of that risk may take them, be it once a person confirms each."""
    config, names = f.config, known_playbooks()
    return any(
        config.trust.get(name, {}).get(risk, config.mode) is not Mode.OBSERVE
        for name in (*names, *config.trust)
        if name not in names or Risk[risk.upper()] in _risks(name)
    )


@cache
def _risks(name: str) -> frozenset[Risk]:
    """Return the risks of what a shipped playbook may do."""
    playbook: Playbook = import_module(f"playbooks.{name}").PLAYBOOK
    return frozenset(playbook.risks)


def _check_trust(f: Findings) -> None:
    names = known_playbooks()
    for name in f.config.trust:
        if name not in names:
            close = closest(name, names)
            remedy = f"did you mean {close!r}?" if close else "remove it"
            f.refuse("trust", name, expected=choice(names), got=f"{name[:60]!r}", remedy=remedy)


def _check_times(f: Findings) -> None:
    poll, stuck = f.config.poll, f.config.stuck
    if poll.deadline_s > poll.interval_s:
        want = f"at most poll.interval_s, {number_text(poll.interval_s)}"
        remedy = "shorten the deadline, or poll less often"
        got = number_text(poll.deadline_s)
        f.refuse("poll", "deadline_s", expected=want, got=got, remedy=remedy)
    kept_s = (HISTORY_SAMPLES - 2) * poll.interval_s
    if stuck.clear_window_s > kept_s:
        want = f"at most {number_text(kept_s)}, the history kept at poll.interval_s {number_text(poll.interval_s)}"
        remedy = "shorten the window, or poll less often"
        got = number_text(stuck.clear_window_s)
        f.refuse("stuck", "clear_window_s", expected=want, got=got, remedy=remedy)


def _check_logins(f: Findings, present: set[Family]) -> None:
    for family in FAMILIES_WITH_LOGIN:
        if family in present and family not in f.config.logins:
            remedy = f"add {family}: {{user: NAME, password: {{credential: NAME}}}}, or keep mode observe"
            want = f"a login for {family}, for the agent may act"
            f.refuse("logins", expected=want, got="nothing", remedy=remedy)


def _check_writers(f: Findings) -> None:
    used = {outlet.pdu for miner in f.config.inventory for outlet in miner.outlets}
    for index, pdu in enumerate(f.config.pdus):
        if pdu.id in used and pdu.snmp.version == "2c" and pdu.snmp.write_community is None:
            want = "write_community, for the agent may switch outlets"
            remedy = "add write_community: {credential: NAME}, or keep risk power in mode observe"
            f.refuse("pdus", index, "snmp", expected=want, got="nothing", remedy=remedy)
