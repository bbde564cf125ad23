"""The ticket: what a technician needs to mend one miner, gathered when a person is asked. Bounded and printable.

Which miner and where it stands, what it told of its parts and when, what had befallen it before and what was done.
"""

import math
from collections.abc import Iterable

from agent.detect.seen import rounded
from agent.model.incident import Evidence, Incident, Reason
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.telemetry import BoardReading
from agent.model.topology import Miner
from agent.remediate.shared_ticket import shared_ticket

MAX_TEXT = 400
"""Characters of one entry; whatever a device writes of itself is cut there."""

SILENT = frozenset({Reason.POWER_LOST, Reason.CUT_OFF})
"""Shared causes of which a technician has to look at the place, not at a miner."""

EARLIER = 5
"""Earlier incidents of the miner that are told one by one, the latest first."""


def ticket(view: SiteView, memory: Memory, incident: Incident, now: float) -> Evidence:
    """Return what is known of an incident beyond its symptom, units in the keys; None where unknown.

    Of a single miner it is the miner, of a shared cause of silence its place and what was read around it. Whatever else
    several miners share is its evidence.
    """
    if incident.domain and incident.cause in SILENT:
        return shared_ticket(view, incident, now)
    row = view.site.rows.get(incident.members[0])
    if row is None or incident.domain or len(incident.members) > 1:
        return {}
    miner = view.site.miners[row]
    told_s = now - float(view.answered_at[row])
    told: Evidence = {
        **_place(miner),
        **_parts(view, row),
        "told_s": None if math.isnan(told_s) else round(told_s, 1),
        "uptime_s": rounded(view.elapsed_s.value[row]),
        "power_w": rounded(view.power_w.value[row]),
        **_history(memory, incident),
        **({} if (doubt := memory.doubts(incident.id)) is None else doubt.evidence),
    }
    return {key: _text(value) if isinstance(value, str) else value for key, value in told.items()}


def _place(miner: Miner) -> Evidence:
    return {
        "miner": miner.id,
        "model": miner.model,
        "host": miner.host,
        "mac": miner.mac,
        "rack": miner.rack,
        "position": miner.position,
        "outlets": ", ".join(map(str, miner.outlets)) or None,
        "port": None if miner.port is None else str(miner.port),
        "loop": miner.loop,
    }


def _parts(view: SiteView, row: int) -> Evidence:
    """Return its boards, fans and error codes, one entry a part."""
    hardware = view.hardware
    boards, most = hardware.boards[row], int(hardware.boards_most[row])
    chips = int(hardware.chips_most[row]) // most if most else 0
    fans = ", ".join(f"{number}: {rpm:.0f} rpm" for number, rpm in enumerate(hardware.fans_rpm[row], start=1))
    return {
        **{f"board_{board.slot}": _board(board, chips) for board in _mounted(boards, most)},
        "fans": fans or None,
        "codes": ", ".join(hardware.codes[row]) or None,
    }


def _mounted(boards: tuple[BoardReading, ...], most: int) -> Iterable[BoardReading]:
    """Return the boards that are there or should be; slots beyond those are empty."""
    return [board for place, board in enumerate(boards) if board.chips or place < most]


def _board(board: BoardReading, chips: int) -> str:
    answer = "chips unknown" if board.chips is None else f"{board.chips} of {chips or '?'} chips"
    rate = "" if board.rate_th is None else f", {board.rate_th:.1f} TH/s"
    return f"{answer}{rate}{', serial ' + board.serial if board.serial else ''}"


def _history(memory: Memory, incident: Incident) -> Evidence:
    """Return how many incidents the miner has had before, and the latest of them with what was done."""
    miner = incident.members[0]
    before = [i for i in memory.incidents.values() if i.id != incident.id and miner in i.members]
    told: Evidence = {"earlier_incidents": len(before), "relapses": incident.relapses}
    for place, earlier in enumerate(before[: -EARLIER - 1 : -1], start=1):
        done = ", ".join(f"{attempt.verb} {attempt.result or 'in flight'}" for attempt in earlier.attempts) or "nothing"
        how = earlier.escalation_reason or earlier.outcome
        told[f"earlier_{place}"] = f"{earlier.id} {earlier.category} {earlier.cause}: {how}; done: {done}"
    return told


def _text(text: str) -> str:
    """Return a text as it may stand in a ledger: printable, and no longer than MAX_TEXT."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_TEXT])
