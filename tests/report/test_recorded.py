"""Signals out of a recording: of the incident's miners, by the figures that the evidence names, in their own rows."""

import numpy as np

from agent.model.recording import MINERS, OUTLETS, PORTS, Array, Group, Recording, Stretch, Table
from agent.report.recorded import recorded_signals
from agent.report.signals import Signal
from tests.ledger.examples import EPOCH_S
from tests.model.test_recording import HEAD

TICKS = np.arange(0.0, 300.0, 10.0)
SITE_MINERS = ("m1", "m2", "m3", "m4")


def table(column: str, **by_row: float) -> Table:
    """Return a table in which rows (`r<row>`) read a value that grows by one each tick, from the one given."""
    rows = [(int(name[1:]), value) for name, value in by_row.items()]
    tick = np.tile(np.arange(len(TICKS)), len(rows)).astype("i4")
    return Table(
        Array.of(tick),
        Array.of(np.repeat([row for row, _ in rows], len(TICKS)).astype("i4")),
        {
            f"{column}.value": Array.of(np.concatenate([value + np.arange(len(TICKS)) for _, value in rows])),
            f"{column}.at": Array.of(EPOCH_S + TICKS[tick]),
        },
    )


def signals(tables: dict[Group, Table], members: tuple[str, ...], *names: str) -> list[Signal]:
    stretch = Stretch(
        ticks=Array.of(EPOCH_S + TICKS),
        seqs=Array.of(np.ones(len(TICKS), dtype="i8")),
        tables=tables,
        rows=Array.of(np.arange(4, dtype="i4")),
        copies={},
    )
    found, covered = recorded_signals(Recording(HEAD, stretches=(stretch,)), members, names)
    assert all(not covered.isdisjoint(names) for _ in found)
    return found


def test_a_miners_own_rows_are_drawn_where_the_evidence_names_them() -> None:
    tables: dict[Group, Table] = {
        MINERS: table("hashrate_th", r0=100.0, r1=50.0),
        OUTLETS: table("outlet_w", r0=3000.0, r1=2000.0),
        PORTS: table("port_up", r1=1.0),
    }
    rate, outlet = signals(tables, ("m2",), "hashrate_th", "draw_w", "chip_max_c")
    assert (rate.name, rate.unit, [t.device for t in rate.traces]) == ("hashrate", "TH/s", ["m2"])
    assert rate.traces[0].points[:2] == ((EPOCH_S, 50.0), (EPOCH_S + 10.0, 51.0))
    assert (outlet.traces[0].device, outlet.traces[0].points[0]) == ("pdu-1/2", (EPOCH_S, 2000.0))
    (port,) = signals(tables, ("m2",), "port_up")
    assert port.traces[0].device == "sw-1/2"


def test_what_is_not_named_or_not_recorded_is_not_drawn() -> None:
    tables: dict[Group, Table] = {MINERS: table("hashrate_th", r0=100.0)}
    assert signals(tables, ("m1",), "misses", "unit") == []
    assert signals(tables, ("m3", "somebody else"), "hashrate_th") == []


def test_a_counter_is_drawn_from_where_the_recording_begins() -> None:
    (shares,) = signals({MINERS: table("accepted", r0=204_000.0)}, ("m1",), "since_share_s")
    assert shares.bounds == (0.0, len(TICKS) - 1.0)


def test_of_many_miners_the_first_are_drawn() -> None:
    rates: dict[Group, Table] = {MINERS: table("hashrate_th", r0=1.0, r1=1.0, r2=1.0, r3=1.0)}
    (rate,) = signals(rates, SITE_MINERS * 3, "rate_share")
    assert [trace.device for trace in rate.traces] == list(SITE_MINERS)
