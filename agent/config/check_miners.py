"""Cross checks of the inventory: models, outlets, ports, and whether the breakers can carry what is connected."""

from agent.config.findings import Findings
from agent.config.models import ModelTable
from agent.config.schema_devices import MinerSection, PduSection
from agent.config.topology import Figures, banks_of, figures_of
from agent.config.wording import choice, closest, number_text
from agent.model.topology import Family, Outlet, Port

CONTINUOUS_SHARE = 0.8
"""Share of a breaker's rating that continuous load should stay below (facts "control", section 2)."""


def check_miners(f: Findings, table: ModelTable) -> list[Figures | None]:
    """Check the inventory; return each miner's figures, None where they are not known."""
    figures = [_check_model(f, index, miner, table) for index, miner in enumerate(f.config.inventory)]
    pdus = {pdu.id: pdu for pdu in f.config.pdus}
    _check_shared(f, pdus)
    fed: dict[Outlet, int] = {}
    for index, miner in enumerate(f.config.inventory):
        if not miner.outlets:
            remedy = "write the outlets that feed it, such as pdu-a/3"
            f.refuse("inventory", index, "outlets", expected="at least one outlet", got="nothing", remedy=remedy)
        for outlet in miner.outlets:
            _check_outlet(f, index, outlet, pdus)
            first = fed.setdefault(outlet, index)
            if first != index and outlet not in f.config.shared_outlets:
                other = f.config.inventory[first].id
                got = f"{outlet}, which feeds {other} ({f.place('inventory', first, 'outlets')})"
                remedy = f"correct one of the two, or declare it: shared_outlets: [{outlet}]"
                f.refuse("inventory", index, "outlets", expected="an outlet of its own", got=got, remedy=remedy)
    for outlet in f.config.shared_outlets:
        if sum(outlet in miner.outlets for miner in f.config.inventory) < 2 and not f.problems:
            remedy = "remove it, or correct the inventory"
            f.warn("shared_outlets", expected=f"two miners on {outlet}", got="fewer", remedy=remedy)
    _check_ports(f)
    _check_load(f, figures)
    return figures


def _check_model(f: Findings, index: int, miner: MinerSection, table: ModelTable) -> Figures | None:
    known = table.get(miner.model)
    figures = figures_of(miner, table)
    if known is None and (miner.hashrate_th is None or miner.power_w is None):
        close = closest(miner.model, table.names)
        hint = f"did you mean {close!r}? Else" if close else "correct it, or"
        remedy = f"{hint} add its figures: models: {{{miner.model}: {{hashrate_th: …, power_w: …}}}}"
        f.refuse("inventory", index, "model", expected="a known model", got=f"{miner.model!r}", remedy=remedy)
    elif miner.family is None and figures is None:
        families = choice(known.families if known and known.families else Family)
        remedy = f"add family: {families}"
        got = f"nothing, and {miner.model} runs more than one"
        f.refuse("inventory", index, "family", expected=families, got=got, remedy=remedy)
    elif miner.family is not None and known is not None and known.families and miner.family not in known.families:
        remedy = "correct the family or the model"
        got = f"{miner.family} on a {known.name}"
        f.refuse("inventory", index, "family", expected=choice(known.families), got=got, remedy=remedy)
    return figures


def _check_shared(f: Findings, pdus: dict[str, PduSection]) -> None:
    for outlet in f.config.shared_outlets:
        pdu = pdus.get(outlet.pdu)
        if pdu is None and not f.may_exist("pdus", outlet.pdu):
            want = choice(pdus) if pdus else "a PDU of this file"
            f.refuse("shared_outlets", expected=want, got=f"{outlet.pdu!r}", remedy="correct the PDU's name")
        elif pdu is not None and outlet.number > pdu.outlets:
            want = f"an outlet up to {pdu.outlets}"
            f.refuse("shared_outlets", expected=want, got=f"{outlet}", remedy="correct the number")


def _check_outlet(f: Findings, index: int, outlet: Outlet, pdus: dict[str, PduSection]) -> None:
    at = ("inventory", index, "outlets")
    pdu = pdus.get(outlet.pdu)
    if pdu is None:
        if not f.may_exist("pdus", outlet.pdu):
            close = closest(outlet.pdu, pdus)
            remedy = f"did you mean '{close}/{outlet.number}'?" if close else "add it under pdus"
            want = f"a PDU of the configuration ({choice(list(pdus)[:8])})" if pdus else "a PDU of the configuration"
            f.refuse(*at, expected=want, got=f"{outlet}", remedy=remedy)
    elif outlet.number > pdu.outlets:
        remedy = "correct the number, or the PDU's outlets"
        f.refuse(*at, expected=f"an outlet of {pdu.id} from 1 to {pdu.outlets}", got=f"{outlet}", remedy=remedy)
    elif outlet.number in pdu.protected:
        remedy = f"correct the outlet, or take {outlet.number} off the protected outlets of {pdu.id}"
        f.refuse(*at, expected="an outlet that may be switched", got=f"{outlet}, which is protected", remedy=remedy)


def _check_ports(f: Findings) -> None:
    switches = {switch.id: switch for switch in f.config.switches}
    used: dict[Port, int] = {}
    for index, miner in enumerate(f.config.inventory):
        port = miner.port
        if port is None:
            continue
        at = ("inventory", index, "port")
        switch = switches.get(port.switch)
        if switch is None:
            if not f.may_exist("switches", port.switch):
                close = closest(port.switch, switches)
                remedy = f"did you mean '{close}/{port.number}'?" if close else "add it under switches"
                f.refuse(*at, expected="a switch of the configuration", got=f"{port}", remedy=remedy)
        elif port.number > switch.ports:
            remedy = "correct the number, or the switch's ports"
            f.refuse(*at, expected=f"a port from 1 to {switch.ports}", got=f"{port}", remedy=remedy)
        first = used.setdefault(port, index)
        if first != index:
            got = f"{port}, where {f.config.inventory[first].id} is ({f.place('inventory', first, 'port')})"
            f.refuse(*at, expected="a port of its own", got=got, remedy="correct one of the two")


def _check_load(f: Findings, figures: list[Figures | None]) -> None:
    """Compare each breaker with the nominal current of its miners; a miner on several outlets loads them evenly."""
    load_w: dict[Outlet, float] = {}
    for miner, known in zip(f.config.inventory, figures, strict=True):
        for outlet in miner.outlets:
            load_w[outlet] = load_w.get(outlet, 0.0) + (known.power_w / len(miner.outlets) if known else 0.0)
    for index, pdu in enumerate(f.config.pdus):
        for i, bank in enumerate(banks_of(pdu)):
            at = ("pdus", index, "banks", i, "rating_a") if pdu.banks else ("pdus", index, "rating_a")
            current_a = sum(load_w.get(Outlet(bank.pdu, number), 0.0) for number in bank.outlets) / pdu.voltage_v
            share = current_a / bank.rating_a
            got = f"{number_text(bank.rating_a)} A for {current_a:.1f} A, {share:.0%} of it"
            if share > 1:
                remedy = "correct the rating, the voltage or the outlets; this breaker would trip"
                f.refuse(*at, expected=f"at least {current_a:.1f} A for its miners", got=got, remedy=remedy)
            elif share > CONTINUOUS_SHARE:
                want = f"at least {current_a / CONTINUOUS_SHARE:.1f} A, so that its miners stay below 80 %"
                remedy = "move a miner to another bank; as it is the agent may refuse to switch the last one on"
                f.warn(*at, expected=want, got=got, remedy=remedy)
