"""What a power cycle shows of the outlet map: did the miner that the inventory has on these outlets go, and no other?

The first automatic use of an outlet is its proof. While it is off, a neighbour that loses its power, a miner that goes
on answering or a current that goes on flowing says that the cord is elsewhere: the outlet is closed again at once and a
person is asked. A miner whose process begins as its outlets are closed says that the map is right. Source: facts
"failures", row 12.
"""

import math
from collections.abc import Iterator

from agent.model.domains import Kind
from agent.model.events import AnyEvent, OutletsDoubted, OutletsProven
from agent.model.ids import MinerId
from agent.model.incident import Evidence
from agent.model.memory import Cycle, Memory
from agent.model.site_view import Expected, OutletView, SiteView
from agent.model.telemetry import OutletState, Reach

WRONG = "outlet_map_wrong"
"""Why a person is asked."""

AFTER_S = 15.0
"""A reply that was on its way, and a strip's meter that lags, are told from one that goes on by this time."""

LINK_S = 4.0
"""A port without a device has lost its link by then."""

LATE_S = 30.0
"""So long after the outlets were closed again polls of neighbours may still be what shows that they were off."""

ON_ITS_WAY_S = 1.0
"""A reply that came so soon after may have been sent before."""

WELL_S = 120.0
"""A neighbour was well that had answered so lately when the power-off was asked for."""

MISSES = 2
"""Polls that a neighbour lost since, where its switch port does not tell: one is lost every day."""

CORDS = 2
"""An outlet feeds no more miners than this; more that fall silent at once share something else."""

DRAW_SHARE = 0.05
"""Of its nominal power: more than any supply without load takes, and more than a strip's meter errs."""


def judged(memory: Memory, view: SiteView, now: float) -> list[AnyEvent]:
    """Return what the power cycles under way show, at `now` (UTC s)."""
    found: list[AnyEvent] = []
    for miner, cycle in memory.cycles.items():
        row = view.site.rows.get(miner)
        if row is None or math.isnan(cycle.off_at):
            continue
        if fell := _fell(view, row, cycle, now):
            found.append(_doubt(miner, cycle, fell, {"fell": ", ".join(fell)}))
        elif _still_answers(view, row, cycle):
            found.append(_doubt(miner, cycle, (), {"answers_while_off": True}))
        elif (draw_w := _still_draws_w(view, row, cycle)) is not None:
            found.append(_doubt(miner, cycle, (), {"draw_while_off_w": round(draw_w, 1)}))
        elif _began_anew(view, row, cycle):
            found.append(OutletsProven(incident=cycle.incident, miner=miner, outlets=cycle.outlets))
    return found


def _doubt(miner: MinerId, cycle: Cycle, fell: tuple[MinerId, ...], seen: Evidence) -> OutletsDoubted:
    told: Evidence = {"outlets_off": ", ".join(map(str, cycle.outlets)), **seen}
    return OutletsDoubted(incident=cycle.incident, miner=miner, outlets=cycle.outlets, fell=fell, evidence=told)


def _fell(view: SiteView, row: int, cycle: Cycle, now: float) -> tuple[MinerId, ...]:
    """Return the neighbours on the same PDUs that were well and lost their power in between."""
    if now > cycle.on_at + LATE_S:
        return ()
    fell = [other for other in _neighbours(view, cycle) if other != row and _lost_power(view, other, cycle)]
    return tuple(view.site.miners[other].id for other in fell) if len(fell) <= CORDS * len(cycle.outlets) else ()


def _neighbours(view: SiteView, cycle: Cycle) -> Iterator[int]:
    for pdu in dict.fromkeys(outlet.pdu for outlet in cycle.outlets):
        if (domain := view.domains.get(f"{Kind.PDU}:{pdu}")) is not None:
            yield from domain.rows.tolist()


def _lost_power(view: SiteView, row: int, cycle: Cycle) -> bool:
    """Whether it fell silent after the power-off was asked for, and its switch port, if read since, says so too."""
    since = float(view.missing_since[row])
    # Who answered while the outlet was off did not hang on it, whatever befell it then: supplies cut out now and then.
    was_well = cycle.asked_at - WELL_S <= view.answered_at[row] <= cycle.off_at + ON_ITS_WAY_S
    is_later = cycle.asked_at <= since and not since > cycle.on_at + AFTER_S
    is_due = view.expected[row] in (Expected.RUNNING, Expected.TUNING)
    if not (was_well and is_later and is_due and view.reach[row] == Reach.SILENT):
        return False
    port = view.row(view.site.miners[row].id).port
    if port is not None and port.up is not None and port.at >= cycle.off_at + LINK_S:
        return not port.up
    return bool(view.misses[row] >= MISSES)


def _still_answers(view: SiteView, row: int, cycle: Cycle) -> bool:
    """Whether it answered while its outlets were off for certain.

    From the intent to switch them on they may be on: the agent may have died before it could note that they were. And
    others may have closed them meanwhile, by hand.
    """
    if any(outlet.state is OutletState.ON and outlet.at > cycle.off_at for outlet in _outlets(view, row)):
        return False
    answered_at = view.answered_at[row]
    return bool(cycle.off_at + AFTER_S <= answered_at) and not answered_at >= cycle.on_asked_at


def _still_draws_w(view: SiteView, row: int, cycle: Cycle) -> float | None:
    """Return what flows through outlets that say that they are off, in W; None where next to nothing does."""
    draw_w = 0.0
    for outlet in _outlets(view, row):
        is_off = outlet.state is OutletState.OFF and outlet.at >= cycle.off_at + AFTER_S
        draw_w += outlet.power_w if is_off and outlet.power_w > 0.0 else 0.0
    return draw_w if draw_w > DRAW_SHARE * view.site.miners[row].power_w else None


def _outlets(view: SiteView, row: int) -> tuple[OutletView, ...]:
    return view.row(view.site.miners[row].id).outlets


def _began_anew(view: SiteView, row: int, cycle: Cycle) -> bool:
    """Whether it answers with a process that began after its outlets were switched on again."""
    began_at = float(view.elapsed_s.at[row] - view.elapsed_s.value[row])
    return bool(view.answered_at[row] > cycle.on_at) and began_at >= cycle.on_at - AFTER_S
