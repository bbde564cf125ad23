"""From checked sections to the site's topology. Nothing is refused here; that was done before."""

from dataclasses import dataclass
from pathlib import Path

from agent.config.models import ModelTable, as_told
from agent.config.schema import ConfigFile
from agent.config.schema_devices import CoolingSection, MinerSection, PduSection
from agent.drivers.cooling.profile import load_profile
from agent.model.errors import InvariantError
from agent.model.ids import CoolingUnitId, ImageId, MinerId, PduId, PoolGroupId, PoolId, SwitchId
from agent.model.topology import (
    USUAL_LIMITS,
    Bank,
    Cooling,
    CoolingUnit,
    Family,
    Image,
    Miner,
    Outlet,
    Pdu,
    Pool,
    PoolGroup,
    Site,
    Switch,
    ThermalLimits,
)

MIN_FLOW_SHARE = 0.85
"""Of the design flow: less is an incident (facts "detection", section 7, D8), and is never asked for."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A miner's family, nominal hashrate in TH/s, nominal power in W, and what its model bears."""

    family: Family
    hashrate_th: float
    power_w: float
    cooling: Cooling = Cooling.AIR
    limits: ThermalLimits = USUAL_LIMITS


def figures_of(miner: MinerSection, table: ModelTable) -> Figures | None:
    """Return a miner's figures: its own before its model's; None where neither tells them all."""
    known = table.get(miner.model)
    family = miner.family or (known.families[0] if known is not None and len(known.families) == 1 else None)
    hashrate_th = miner.hashrate_th or (known.hashrate_th if known is not None else None)
    power_w = miner.power_w or (known.power_w if known is not None else None)
    if family is None or hashrate_th is None or power_w is None:
        return None
    cooling = known.cooling if known is not None else Cooling.AIR
    limits = as_told(known.limits if known is not None else USUAL_LIMITS, family)
    return Figures(family, hashrate_th, power_w, cooling, limits)


def banks_of(pdu: PduSection) -> tuple[Bank, ...]:
    """Return a PDU's banks; one with every outlet where a single breaker protects it."""
    pdu_id = PduId(pdu.id)
    if pdu.banks:
        return tuple(Bank(pdu_id, bank.number, bank.outlets, bank.rating_a) for bank in pdu.banks)
    return (Bank(pdu_id, 1, tuple(range(1, pdu.outlets + 1)), pdu.rating_a),) if pdu.rating_a else ()


def build_site(config: ConfigFile, table: ModelTable, folder: Path) -> Site:
    """Return the site of a configuration in `folder` that passed every check."""
    kinds = {unit.loop: unit.kind for unit in config.cooling}
    only_group = config.pool_groups[0].id if len(config.pool_groups) == 1 else None
    return Site(
        name=config.site.name,
        miners=tuple(
            _miner(section, table, kinds.get(section.loop or ""), section.pool_group or only_group)
            for section in config.inventory
        ),
        pdus=tuple(
            Pdu(PduId(pdu.id), pdu.host, pdu.model, pdu.outlets, pdu.voltage_v, banks_of(pdu)) for pdu in config.pdus
        ),
        switches=tuple(
            Switch(SwitchId(switch.id), switch.host, switch.ports, frozenset(switch.protected_ports))
            for switch in config.switches
        ),
        protected=frozenset(Outlet(PduId(pdu.id), number) for pdu in config.pdus for number in pdu.protected),
        pools=tuple(Pool(PoolId(pool.id), pool.host, pool.port, pool.tls) for pool in config.pools),
        pool_groups=tuple(
            PoolGroup(PoolGroupId(group.id), tuple(PoolId(pool) for pool in group.pools), group.worker)
            for group in config.pool_groups
        ),
        images=tuple(
            Image(
                sha256=ImageId(image.sha256),
                file=str(folder / image.file),
                family=image.family,
                models=tuple(image.models),
                control_boards=tuple(image.control_boards),
                version=image.version,
            )
            for image in config.images
        ),
        cooling_units=tuple(map(_cooling_unit, config.cooling)),
    )


def _cooling_unit(section: CoolingSection) -> CoolingUnit:
    least_lpm, settable = section.min_flow_lpm, load_profile(section.model).writes.flow_lpm
    return CoolingUnit(
        id=CoolingUnitId(section.id),
        host=section.host,
        profile=section.model,
        loop=section.loop,
        kind=section.kind,
        setpoint_c=section.setpoint_c,
        min_c=section.min_c,
        max_c=section.max_c,
        design_flow_lpm=section.design_flow_lpm,
        min_flow_lpm=MIN_FLOW_SHARE * section.design_flow_lpm if least_lpm is None else least_lpm,
        port=section.port,
        device_id=section.device_id,
        flow_step_lpm=1.0 if settable is None else settable.step,
    )


def _miner(section: MinerSection, table: ModelTable, loop_kind: Cooling | None, group: str | None) -> Miner:
    figures = figures_of(section, table)
    if figures is None:
        raise InvariantError(f"{section.id}: a miner without figures passed the checks")
    return Miner(
        id=MinerId(section.id),
        host=section.host,
        family=figures.family,
        model=section.model,
        hashrate_th=figures.hashrate_th,
        power_w=figures.power_w,
        outlets=section.outlets,
        mac=section.mac,
        rack=section.rack,
        position=section.position,
        port=section.port,
        loop=section.loop,
        boards=None if (known := table.get(section.model)) is None else known.boards,
        pool_group=PoolGroupId(group) if group is not None else None,
        control_board=section.control_board,
        cooling=loop_kind or figures.cooling,
        limits=figures.limits,
    )
