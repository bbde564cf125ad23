"""A recorded site as it can be simulated: the part of it around an incident, checked, and the state it was in then.

A recording may come from a stranger: what is built from it is bounded, and whatever does not fit together is refused.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from agent.config import Settings
from agent.config import scenario as scenarios
from agent.model.columns import Floats
from agent.model.errors import PolicyError
from agent.model.events import WindowEnded, WindowSet
from agent.model.ids import CoolingUnitId, MinerId, PoolId, WindowId
from agent.model.incident import Incident
from agent.model.recording import Frame, Recording, RecordingError
from agent.model.scope import miners_in
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletState
from agent.model.topology import Outlet, Site
from simulators.plant.pools import PoolLine
from simulators.plant.site import SitePlant

MOST_MINERS = 512
"""A larger site is simulated in part: the incident's members, and who was recorded with them."""

MOST_WINDOWS = 64

MOST_OUTLETS, MOST_PORTS, MOST_OTHERS = 512, 1024, 256
"""Of one PDU, of one switch; and devices of any other sort."""

STAND_INS = Path(scenarios.__file__).parent / "images"
"""Firmware images of generated sites: a simulated flash puts one in; no file that a recording names is looked at."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What of the recorded starting state is not as a simulated site begins.

    Attributes:
        off: outlets that were off. pools: the pool that each miner worked for, where that is not its first.
        aims: the supply in °C and the flow in L/min that cooling units were run at; NaN where that is not known.
    """

    off: tuple[Outlet, ...]
    pools: Mapping[MinerId, PoolId]
    aims: Mapping[CoolingUnitId, tuple[float, float]]

    @property
    def words(self) -> str:
        """Return it in words; empty where there is nothing."""
        counts = ((len(self.off), "outlets off"), (len(self.pools), "miners at another pool"))
        told = [f"{what}: {count}" for count, what in counts if count]
        told += [f"{unit} at {supply_c:g} °C" for unit, (supply_c, _) in self.aims.items() if not math.isnan(supply_c)]
        return ", ".join(told)

    def impose(self, plant: SitePlant) -> None:
        """Bring a simulated site that has just begun into that state."""
        now = plant.now
        for outlet in self.off:
            plant.power.set_relay(outlet, False, now)
        for miner, pool in self.pools.items():
            spec = plant.site.miner(miner)
            group = plant.site.pool_group[spec.pool_group] if spec.pool_group is not None else None
            if group is not None:
                first = [plant.site.pool[pool], *(other for other in plant.site.pools_of(spec) if other.id != pool)]
                plant.miners[miner].set_pools(now, [PoolLine(p.url, group.worker_of(miner)) for p in first])
        for unit, (supply_c, flow_lpm) in self.aims.items():
            loop = plant.units[unit].loop
            if not math.isnan(supply_c):
                loop.aim(now, supply_c)
            if not math.isnan(flow_lpm):
                loop.pump(now, flow_lpm / loop.design_lpm)


def part_of(recording: Recording, incident: Incident) -> Site:
    """Return what of the recorded site is simulated: all of a small one, of a large one what is around the incident.

    Raises:
        RecordingError: the recorded site is none that could exist.
    """
    whole = recording.head.site
    if len(whole.miners) <= MOST_MINERS:
        return _sound(whole)
    wanted = [whole.rows[miner] for miner in incident.members if miner in whole.rows]
    rows = list(dict.fromkeys((*wanted, *recording.rows())))[:MOST_MINERS]
    miners = tuple(whole.miners[row] for row in sorted(rows))
    pdus = {outlet.pdu for miner in miners for outlet in miner.outlets}
    switches = {miner.port.switch for miner in miners if miner.port is not None}
    loops = {miner.loop for miner in miners}
    return _sound(
        replace(
            whole,
            miners=miners,
            pdus=tuple(pdu for pdu in whole.pdus if pdu.id in pdus),
            switches=tuple(switch for switch in whole.switches if switch.id in switches),
            protected=frozenset(outlet for outlet in whole.protected if outlet.pdu in pdus),
            cooling_units=tuple(unit for unit in whole.cooling_units if unit.loop in loops),
        )
    )


def standing(recording: Recording, site: Site) -> Standing:
    """Return how the recorded site stood when the recording began, for the part of it that is simulated."""
    frame = next((frame for frame in recording.frames if frame.whole), None)
    if frame is None:
        return Standing((), {}, {})
    whole, view = recording.head.site, SiteView(recording.head.site)
    miners = frame.rows.unpacked().tolist()
    states, pools = _column(frame, "outlet_state.value"), _column(frame, "pool")
    used = {outlet for miner in site.miners for outlet in miner.outlets}
    off = tuple(
        outlet
        for outlet, row in view.outlet_rows.items()
        if outlet in used and row < states.size and states[row] == OutletState.OFF
    )
    worked = {
        whole.miners[row].id: whole.pools[int(place)].id
        for row, place in zip(miners, pools.tolist(), strict=False)
        if 0 <= place < len(whole.pools)
    }
    elsewhere = {
        miner.id: pool
        for miner in site.miners
        if (pool := worked.get(miner.id)) is not None
        and pool in (usual := [one.id for one in site.pools_of(miner)])
        and pool != usual[0]
    }
    supply, flow = _column(frame, "cooling.setpoint_c.value"), _column(frame, "cooling.flow_setpoint_lpm.value")
    aims: dict[CoolingUnitId, tuple[float, float]] = {}
    for row, unit in enumerate(whole.cooling_units):
        if unit in site.cooling_units and row < min(supply.size, flow.size):
            supply_c = _other(supply[row], unit.setpoint_c, unit.min_c, unit.max_c)
            flow_lpm = _other(flow[row], unit.design_flow_lpm, unit.min_flow_lpm, unit.design_flow_lpm)
            if not (math.isnan(supply_c) and math.isnan(flow_lpm)):
                aims[unit.id] = supply_c, flow_lpm
    return Standing(off, elsewhere, aims)


def announced(recording: Recording, site: Site) -> list[WindowSet]:
    """Return the windows that were in force at the detection, with those of their selectors that mean somebody here."""
    at, found = recording.head.detected_at, dict[WindowId, WindowSet]()
    for record in recording.records:
        if record.at > at:
            break
        if isinstance(record.event, WindowSet):
            found[record.event.window] = record.event
        elif isinstance(record.event, WindowEnded):
            found.pop(record.event.window, None)
    narrowed = (msgspec.structs.replace(w, scope=tuple(s for s in w.scope if _means(site, s))) for w in found.values())
    return [w for w in narrowed if w.until > at and w.scope and 0.0 <= w.share < 1.0][:MOST_WINDOWS]


def _means(site: Site, selector: str) -> bool:
    try:
        return bool(miners_in(site, (selector,)))
    except PolicyError:
        return False


def _column(frame: Frame, path: str) -> Floats:
    leaf = frame.state.get(path)
    array = None if leaf is None or leaf.array is None else leaf.array.unpacked()
    return array.astype(np.float64) if array is not None and array.ndim == 1 else np.zeros(0)


def _other(told: float, usual: float, least: float, most: float) -> float:
    """Return an aim that is possible and not the usual one; else NaN."""
    return told if least <= told <= most and not math.isclose(told, usual, abs_tol=0.05) else math.nan


# -- what a stranger's site has to be ----------------------------------------------------------------------------------


def require_bounded(settings: Settings) -> None:
    """Raise RecordingError where recorded settings would have a simulation never end. Bounds: `agent.config.schema`."""
    poll = settings.poll
    periods = (
        *((settings.tick_s, 0.1, 60.0), (poll.interval_s, 1.0, 600.0), (poll.deadline_s, 0.5, 60.0)),
        *((poll.pdu_interval_s, 5.0, 3600.0), (poll.switch_interval_s, 5.0, 3600.0)),
        *((poll.cooling_interval_s, 2.0, 600.0), (poll.focus_interval_s, 2.0, 600.0)),
    )
    for period_s, least_s, most_s in periods:
        if not least_s <= period_s <= most_s:
            raise RecordingError(
                f"expected a recorded period from {least_s:g} to {most_s:g} s; got {period_s:g}: name a configuration"
                " with --config"
            )


def _sound(site: Site) -> Site:
    """Return the site with stand-ins for its images' files.

    Raises:
        RecordingError: it has too much of something, figures that cannot be, or names what it has not.
    """
    wrong = next(_flaws(site), None)
    if wrong is not None:
        raise RecordingError(f"expected a site that can be simulated; got {wrong}: do not trust the recording")
    images = tuple(replace(image, file=str(STAND_INS / f"{image.family}.img")) for image in site.images)
    return replace(site, images=images)


def _flaws(site: Site) -> Iterator[str]:
    """Yield what is wrong with a site, in words."""
    sorts = (site.miners, site.pdus, site.switches, site.pools, site.pool_groups, site.cooling_units, site.images)
    for sort in sorts:
        names = [getattr(thing, "id", "") or getattr(thing, "sha256", "") for thing in sort]
        if len(set(names)) < len(names) or not all(0 < len(name) <= 128 for name in names):
            yield "a device without a name of its own"
        if len(sort) > (MOST_MINERS if sort is site.miners else MOST_OTHERS):
            yield f"{len(sort)} devices of one sort"
    hosts = [thing.host for sort in (site.miners, site.pdus, site.switches) for thing in sort]
    if not site.miners or len(set(hosts)) < len(hosts):
        yield "no miners, or two devices at one address"
    for pdu in site.pdus:
        numbers = [number for bank in pdu.banks for number in bank.outlets]
        figures = _are((pdu.voltage_v, 50.0, 1000.0), *((bank.rating_a, 1.0, 10_000.0) for bank in pdu.banks))
        if not (figures and 1 <= pdu.outlet_count <= MOST_OUTLETS and all(1 <= n <= pdu.outlet_count for n in numbers)):
            yield "a PDU that cannot be"
    if not all(1 <= switch.port_count <= MOST_PORTS for switch in site.switches):
        yield "a switch that cannot be"
    for unit in site.cooling_units:
        flows = ((unit.min_flow_lpm, 0.0, unit.design_flow_lpm), (unit.design_flow_lpm, 1.0, 1e5))
        if not _are((unit.setpoint_c, unit.min_c, unit.max_c), (unit.min_c, -30, 90), (unit.max_c, -30, 90), *flows):
            yield "a cooling unit that cannot be"
    groups_sound = all(group.pools and all(pool in site.pool for pool in group.pools) for group in site.pool_groups)
    if not groups_sound:
        yield "a group of pools that are not there"
    ports = {switch.id: switch.port_count for switch in site.switches}
    for miner in site.miners:
        fed = all(o.pdu in site.pdu and 1 <= o.number <= site.pdu[o.pdu].outlet_count for o in miner.outlets)
        port = miner.port is None or 1 <= miner.port.number <= ports.get(miner.port.switch, 0)
        group = miner.pool_group is None or miner.pool_group in site.pool_group
        figures = _are((miner.hashrate_th, 0.1, 1e5), (miner.power_w, 1.0, 1e5), (miner.boards or 3, 1, 16))
        limits = _are(
            (miner.limits.chip_c, 20, 200), (miner.limits.board_c, 20, 200), (miner.limits.chip_warn_c, 10, 200)
        )
        if not (fed and port and group and figures and limits):
            yield "a miner that cannot be, or hangs on what is not there"


def _are(*figures: tuple[float, float, float]) -> bool:
    """Whether each figure is between its two bounds; NaN never is."""
    return all(least <= figure <= most for figure, least, most in figures)
