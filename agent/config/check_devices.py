"""Cross checks of PDUs and switches: names and addresses used once, banks, protected outlets, SNMP access."""

from agent.config.findings import Findings
from agent.config.schema_devices import PduSection, SnmpSection
from agent.config.source import Step
from agent.config.wording import choice, closest
from agent.drivers.pdus.profile import profile_names

_EXAMPLES = {
    "community": "{credential: NAME}",
    "user": "NAME",
    "auth": "{protocol: sha1, credential: NAME}",
    "priv": "{protocol: aes128, credential: NAME}",
}

Keyed = list[tuple[str, tuple[Step, ...]]]


def check_devices(f: Findings) -> None:
    """Check everything that concerns PDUs and switches, and what must be unique on the site."""
    _check_unique(f)
    profiles = profile_names()
    for index, pdu in enumerate(f.config.pdus):
        _check_profile(f, index, pdu, profiles)
        _check_banks(f, index, pdu)
        for number in pdu.protected:
            if number > pdu.outlets:
                got = f"{number}"
                remedy = "correct the number, or the PDU's outlets"
                f.refuse("pdus", index, "protected", expected=f"outlets up to {pdu.outlets}", got=got, remedy=remedy)
        _check_snmp(f, ("pdus", index, "snmp"), pdu.snmp)
    for index, switch in enumerate(f.config.switches):
        for number in switch.protected_ports:
            if number > switch.ports:
                want = f"ports up to {switch.ports}"
                remedy = "correct the number, or the switch's ports"
                f.refuse("switches", index, "protected_ports", expected=want, got=f"{number}", remedy=remedy)
        _check_snmp(f, ("switches", index, "snmp"), switch.snmp)


def _check_unique(f: Findings) -> None:
    ids: Keyed = []
    hosts: Keyed = []
    for kind in ("pdus", "switches", "cooling", "inventory"):
        for index, device in enumerate(getattr(f.config, kind)):
            ids.append((device.id, (kind, index, "id")))
            if kind != "cooling":  # several units may stand behind one gateway
                hosts.append((device.host, (kind, index, "host")))
    macs: Keyed = [(m.mac, ("inventory", i, "mac")) for i, m in enumerate(f.config.inventory) if m.mac is not None]
    for keyed, what in ((ids, "a name"), (hosts, "an address"), (macs, "a MAC address")):
        _refuse_twins(f, keyed, what)


def _refuse_twins(f: Findings, keyed: Keyed, what: str) -> None:
    first: dict[str, tuple[Step, ...]] = {}
    for value, steps in keyed:
        before = first.setdefault(value, steps)
        if before is not steps:
            got = f"{value!r} again; {f.tree.dotted(*before[:-1])} has it in {f.place(*before)}"
            f.refuse(*steps, expected=f"{what} of its own", got=got, remedy="correct one of the two")


def _check_profile(f: Findings, index: int, pdu: PduSection, profiles: list[str]) -> None:
    if pdu.model not in profiles:
        close = closest(pdu.model, profiles)
        remedy = f"did you mean {close!r}?" if close else "choose the profile of its family"
        f.refuse("pdus", index, "model", expected=choice(profiles), got=f"{pdu.model!r}", remedy=remedy)


def _check_banks(f: Findings, index: int, pdu: PduSection) -> None:
    at: tuple[Step, ...] = ("pdus", index)
    if pdu.rating_a is None and not pdu.banks:
        remedy = "add rating_a where one breaker protects all outlets, else banks"
        f.refuse(*at, expected="rating_a or banks", got="neither", remedy=remedy)
        return
    if pdu.rating_a is not None and pdu.banks:
        remedy = "keep banks; a breaker above them is not modelled"
        f.refuse(*at, "rating_a", expected="rating_a or banks", got="both", remedy=remedy)
    owner: dict[int, int] = {}
    numbers: dict[int, int] = {}
    for i, bank in enumerate(pdu.banks or ()):
        here = (*at, "banks", i)
        if numbers.setdefault(bank.number, i) != i:
            f.refuse(
                *here, "number", expected="each bank once", got=f"{bank.number} again", remedy="correct the number"
            )
        beyond = [number for number in bank.outlets if number > pdu.outlets]
        if beyond:
            want = f"outlets up to {pdu.outlets}"
            remedy = "correct the range, or the PDU's outlets"
            f.refuse(*here, "outlets", expected=want, got=_runs(beyond), remedy=remedy)
        twice = [number for number in bank.outlets if owner.setdefault(number, i) != i]
        if twice:
            got = f"{_runs(twice)} also in bank {(pdu.banks or ())[owner[twice[0]]].number}"
            f.refuse(*here, "outlets", expected="each outlet in one bank", got=got, remedy="correct one of the two")
    without = [number for number in range(1, pdu.outlets + 1) if number not in owner] if pdu.banks else []
    if without:
        want = f"all {pdu.outlets} outlets in a bank"
        remedy = "add them to the bank whose breaker protects them"
        f.refuse(*at, "banks", expected=want, got=f"none for outlets {_runs(without)}", remedy=remedy)


def _check_snmp(f: Findings, at: tuple[Step, ...], snmp: SnmpSection) -> None:
    needed: tuple[str, ...] = ("community",)
    foreign: tuple[str, ...] = ("user", "auth", "priv")
    if snmp.version == "3":
        needed, foreign = foreign, ("community", "write_community")
    missing = [key for key in needed if getattr(snmp, key) is None]
    if missing:
        want = f"{' and '.join(missing)} for SNMP version {snmp.version}"
        remedy = f"add {', '.join(f'{key}: {_EXAMPLES[key]}' for key in missing)}"
        f.refuse(*at, expected=want, got="nothing", remedy=remedy)
    for key in foreign:
        if getattr(snmp, key) is not None:
            other = "2c" if snmp.version == "3" else "3"
            want = f"{choice(needed)} for SNMP version {snmp.version}"
            remedy = f"remove it, or write version: {other}"
            f.refuse(*at, key, expected=want, got=f"{key}, which belongs to version {other}", remedy=remedy)


def _runs(numbers: list[int]) -> str:
    """Return numbers as people write them: 1-4, 7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
