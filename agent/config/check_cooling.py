"""Cross checks of cooling units: one for a loop, with miners on it, and a setpoint that both may have."""

from agent.config.findings import Findings
from agent.config.models import ModelTable
from agent.config.schema_devices import CoolingSection
from agent.config.wording import choice, closest, number_text
from agent.drivers.cooling.profile import profile_names


def check_cooling(f: Findings, table: ModelTable) -> None:
    """Check everything that concerns cooling units."""
    profiles = profile_names()
    _check_loops(f)
    _check_addresses(f)
    for index, unit in enumerate(f.config.cooling):
        at = ("cooling", index)
        if unit.model not in profiles:
            close = closest(unit.model, profiles)
            remedy = f"did you mean {close!r}?" if close else "choose the profile of its kind"
            f.refuse(*at, "model", expected=choice(profiles), got=f"{unit.model!r}", remedy=remedy)
        if not unit.min_c <= unit.setpoint_c <= unit.max_c:
            want = f"a temperature from min_c to max_c ({number_text(unit.min_c)} to {number_text(unit.max_c)} °C)"
            remedy = "correct the setpoint or its bounds"
            f.refuse(*at, "setpoint_c", expected=want, got=number_text(unit.setpoint_c), remedy=remedy)
        if unit.min_flow_lpm is not None and unit.min_flow_lpm > unit.design_flow_lpm:
            want = f"at most design_flow_lpm, {number_text(unit.design_flow_lpm)}"
            f.refuse(
                *at, "min_flow_lpm", expected=want, got=number_text(unit.min_flow_lpm), remedy="correct one of them"
            )
        _check_miners(f, index, unit, table)


def _check_loops(f: Findings) -> None:
    first: dict[str, int] = {}
    for index, unit in enumerate(f.config.cooling):
        before = first.setdefault(unit.loop, index)
        if before != index:
            got = f"{unit.loop!r}, which {f.config.cooling[before].id} drives ({f.place('cooling', before, 'loop')})"
            remedy = "correct one of the two: two controllers of one loop work against each other"
            f.refuse("cooling", index, "loop", expected="a loop of its own", got=got, remedy=remedy)


def _check_addresses(f: Findings) -> None:
    first: dict[tuple[str, int, int], int] = {}
    others = {device.host for kind in ("pdus", "switches", "inventory") for device in getattr(f.config, kind)}
    for index, unit in enumerate(f.config.cooling):
        before = first.setdefault((unit.host, unit.port, unit.device_id), index)
        if before != index:
            got = f"the address of {f.config.cooling[before].id} ({f.place('cooling', before, 'host')})"
            remedy = "correct the host, or write each unit's device_id where several stand behind one gateway"
            f.refuse("cooling", index, "host", expected="an address of its own", got=got, remedy=remedy)
        if unit.host in others:
            remedy = "correct one of the two"
            got = f"{unit.host!r}, which is another device's"
            f.refuse("cooling", index, "host", expected="an address of its own", got=got, remedy=remedy)


def _check_miners(f: Findings, index: int, unit: CoolingSection, table: ModelTable) -> None:
    members = [miner for miner in f.config.inventory if miner.loop == unit.loop]
    if not members and not f.problems:
        remedy = "write the loop's name in the inventory's loop column, or remove the unit"
        f.warn("cooling", index, "loop", expected="miners on that loop", got="none", remedy=remedy)
    for name in dict.fromkeys(miner.model for miner in members):
        known = table.get(name)
        if known is None:
            continue
        least_c, most_c = known.limits.inlet_c
        if not least_c <= unit.setpoint_c <= most_c:
            want = f"{number_text(least_c)} to {number_text(most_c)} °C, which {known.name} may be given"
            remedy = f"correct the setpoint, or that model's bounds: models: {{{known.name}: {{inlet_max_c: …}}}}"
            f.warn("cooling", index, "setpoint_c", expected=want, got=number_text(unit.setpoint_c), remedy=remedy)
