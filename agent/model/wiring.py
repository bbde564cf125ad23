"""Where each miner's outlets and port are among the site view's columns, and what its outlets say together."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.site_view import SiteView
from agent.model.telemetry import OutletState


@dataclass(frozen=True, slots=True)
class Wiring:
    """The way from rows to outlets, ports and switches.

    Attributes:
        outlets: shape (n, most outlets of a miner); places beyond the last outlet stand for none.
        volts: of each outlet. port: shape (n,), -1 where it has none. switch: shape (n,), -1 likewise.
        fed: whether the inventory names the miner's outlets, shape (n,).
        behind: how many miners each switch has, shape (switches,).
    """

    outlets: NDArray[np.int64]
    volts: Floats
    port: NDArray[np.int64]
    switch: NDArray[np.int64]
    switches: int
    fed: NDArray[np.bool_]
    behind: NDArray[np.int64]


_wirings: "WeakKeyDictionary[SiteView, Wiring]" = WeakKeyDictionary()


def wiring(view: SiteView) -> Wiring:
    """Return the view's wiring; worked out once."""
    known = _wirings.get(view)
    if known is None:
        known = _wirings[view] = _wired(view)
    return known


def drawn(view: SiteView, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return watts over all outlets of these rows, NaN unless all are on and metered, and when the oldest was read.

    Shapes as of `rows`; times are UTC s. A row without outlets draws 0 W, read at infinity.
    """
    wires = wiring(view)
    if not (rows.size and wires.volts.size):
        return np.zeros(len(rows)), np.full(len(rows), np.inf)
    outlets = wires.outlets[rows]
    none = outlets == wires.volts.size
    outlets[none] = 0
    at = view.outlet_state.at[outlets]
    in_w = view.outlet_w.at[outlets] == at
    in_a = view.outlet_a.at[outlets] == at
    amperes = np.where(in_a, view.outlet_a.value[outlets], np.nan)
    watts = np.where(in_w, view.outlet_w.value[outlets], amperes * wires.volts[outlets])
    watts = np.where(view.outlet_state.value[outlets] == float(OutletState.ON), watts, np.nan)
    watts[none], at[none] = 0.0, np.inf
    return watts.sum(axis=1), at.min(axis=1)


def switched_off(view: SiteView, rows: NDArray[np.int64], since: Floats) -> Bools:
    """Tell which of these rows have an outlet that was read as off since then, shape as of `rows`; `since`: UTC s."""
    wires = wiring(view)
    if not (rows.size and wires.volts.size):
        return np.zeros(len(rows), dtype=np.bool_)
    outlets = wires.outlets[rows]
    places = np.where(outlets == wires.volts.size, 0, outlets)
    with np.errstate(invalid="ignore"):
        off = (view.outlet_state.value[places] == float(OutletState.OFF)) & (
            view.outlet_state.at[places] >= since[:, None]
        )
    told: Bools = (off & (outlets < wires.volts.size)).any(axis=1)
    return told


def _wired(view: SiteView) -> Wiring:
    site, none = view.site, len(view.outlet_rows)
    most = max((len(m.outlets) for m in site.miners), default=0)
    outlets = np.full((len(site.miners), max(most, 1)), none, dtype=np.int64)
    switches = {switch.id: place for place, switch in enumerate(site.switches)}
    for row, miner in enumerate(site.miners):
        known = [view.outlet_rows[o] for o in miner.outlets if o in view.outlet_rows]
        if len(known) == len(miner.outlets):
            outlets[row, : len(known)] = known
    ports = [m.port if m.port in view.port_rows else None for m in site.miners]
    switch = np.array([-1 if p is None else switches[p.switch] for p in ports], dtype=np.int64)
    return Wiring(
        outlets,
        np.array([site.pdu[o.pdu].voltage_v for o in view.outlet_rows], dtype=np.float64),
        np.array([-1 if p is None else view.port_rows[p] for p in ports], dtype=np.int64),
        switch,
        len(switches),
        outlets[:, 0] < none,
        np.bincount(switch[switch >= 0], minlength=len(switches)),
    )
