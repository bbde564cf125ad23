"""The signals that mattered as a recording has them: read all the time, not only when something was decided. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from agent.model.ids import MinerId
from agent.model.recording import MINERS, OUTLETS, PORTS, UNITS, Group, Recording
from agent.model.topology import Miner, Site
from agent.report.signals import LEAST_GAP_S, MOST_TRACES, MOST_VALUE, Signal, Trace, line


class Source(NamedTuple):
    """A column that is drawn where the evidence names what it says.

    Attributes:
        column: the recording's.
        keys: figures of the evidence that are this, or follow from it.
    """

    name: str
    unit: str
    column: str
    group: Group
    keys: frozenset[str]


def _source(name: str, unit: str, column: str, group: Group, *keys: str) -> Source:
    return Source(name, unit, column, group, frozenset(keys))


SOURCES = (
    _source(
        "hashrate", "TH/s", "hashrate_th", MINERS, "hashrate_th", "expected_th", "rate_share", "hashrate_missing_th"
    ),
    _source(
        "outlet", "W", "outlet_w", OUTLETS, "outlets", "draw_w", "nominal_w", "power_missing_w", "outlets_on_drawing"
    ),
    _source("chip max", "°C", "chip_max_c", MINERS, "chip_max_c", "chip_limit_c", "least_headroom_k", "miners_hot"),
    _source("board max", "°C", "board_max_c", MINERS, "board_max_c", "board_limit_c"),
    _source("inlet", "°C", "inlet_c", MINERS, "inlet_c"),
    _source("supply", "°C", "supply_c", UNITS, "supply_c"),
    _source("setpoint", "°C", "setpoint_c", UNITS, "setpoint_c"),
    _source("return", "°C", "return_c", UNITS, "return_c"),
    _source("flow", "L/min", "flow_lpm", UNITS, "flow_lpm", "design_flow_lpm"),
    _source("slowest fan", "rpm", "fan_min_rpm", MINERS, "fan_min_rpm"),
    _source("uptime", "s", "elapsed_s", MINERS, "process_age_s", "uptime_s"),
    _source("shares accepted", "", "accepted", MINERS, "since_share_s", "shares", "last_drop_s"),
    _source("shares rejected", "", "rejected", MINERS, "bad_share", "statistic"),
    _source("connections lost", "", "drops", MINERS, "last_drop_s", "distances_s"),
    _source("hardware errors", "", "hw_errors", MINERS, "hw_errors"),
    _source("boards", "", "boards_up", MINERS, "boards_up"),
    _source("chips", "", "chips_up", MINERS, "chips_up"),
    _source("polls missed", "", "misses", MINERS, "misses", "reach", "silent_s", "members_silent"),
    _source("port has link", "", "port_up", PORTS, "port_up"),
    _source("port errors", "", "port_errors", PORTS, "port_errors", "port_errors_per_s"),
)
"""In the order in which they are drawn."""

PORT_GAP_S = 200.0
"""Switches are read once a minute while nobody looks at them closely."""

_COUNTERS = frozenset({"accepted", "rejected", "drops", "hw_errors", "port_errors"})
"""What only grows is drawn from where the recording begins."""


def recorded_signals(
    recording: Recording, members: Sequence[str], names: Iterable[str]
) -> tuple[list[Signal], frozenset[str]]:
    """Return the signals of an incident's miners that the recording has, and which figures these stand for.

    Args:
        recording: of the incident.
        members: its miners; of many the first are drawn.
        names: the figures that its evidence names.
    """
    site = recording.head.site
    by_id = {miner.id: miner for miner in site.miners}
    miners = [by_id[MinerId(member)] for member in members if member in by_id]
    wanted, found, told = set(names), [], set[str]()
    for source in SOURCES:
        if wanted.isdisjoint(source.keys):
            continue
        traces = tuple(_traces(recording, source, miners))
        if traces:
            found.append(Signal(source.name, source.unit, traces))
            told |= source.keys
    return found, frozenset(told)


def _traces(recording: Recording, source: Source, miners: Sequence[Miner]) -> Iterator[Trace]:
    site, known = recording.head.site, set(recording.rows(source.group))
    places = dict(place for miner in miners for place in _PLACES[source.group](site, miner))
    for device, row in [(device, row) for device, row in places.items() if row in known][:MOST_TRACES]:
        at, values = recording.series(source.column, row, source.group)
        points = [(t, v) for t, v in zip(at.tolist(), values.tolist(), strict=True) if abs(v) <= MOST_VALUE]
        if points:
            base = points[0][1] if source.column in _COUNTERS else 0.0
            gap_s = PORT_GAP_S if source.group == PORTS else LEAST_GAP_S
            yield line(device, [(t, v - base) for t, v in points], gap_s)


def _of_miner(site: Site, miner: Miner) -> Iterator[tuple[str, int]]:
    yield miner.id, site.rows[miner.id]


def _of_outlets(site: Site, miner: Miner) -> Iterator[tuple[str, int]]:
    first = dict(
        zip((p.id for p in site.pdus), accumulate((p.outlet_count for p in site.pdus), initial=0), strict=False)
    )
    for outlet in miner.outlets:
        if outlet.pdu in first:
            yield str(outlet), first[outlet.pdu] + outlet.number - 1


def _of_port(site: Site, miner: Miner) -> Iterator[tuple[str, int]]:
    first = dict(
        zip((s.id for s in site.switches), accumulate((s.port_count for s in site.switches), initial=0), strict=False)
    )
    if miner.port is not None and miner.port.switch in first:
        yield str(miner.port), first[miner.port.switch] + miner.port.number - 1


def _of_unit(site: Site, miner: Miner) -> Iterator[tuple[str, int]]:
    for row, unit in enumerate(site.cooling_units):
        if miner.loop is not None and unit.loop == miner.loop:
            yield unit.id, row


_PLACES: dict[Group, Callable[[Site, Miner], Iterator[tuple[str, int]]]] = {
    MINERS: _of_miner,
    OUTLETS: _of_outlets,
    PORTS: _of_port,
    UNITS: _of_unit,
}
"""The devices of a miner that a group's rows are of, with their rows."""
