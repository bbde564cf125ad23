"""One line for each event of an incident: what happened, in the words an operator uses."""

from typing import assert_never

from agent.model.action import Action
from agent.model.events import (
    AgentStarted,
    AgentStopped,
    AnyEvent,
    ApprovalAsked,
    ApprovalDenied,
    ApprovalGiven,
    Archived,
    Closed,
    Escalated,
    HoldChanged,
    ImageReleased,
    IncidentAbsorbed,
    IncidentJoined,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
    Intended,
    Judged,
    Mitigated,
    Moved,
    NoticeDue,
    NoticeSettled,
    OutletsDoubted,
    OutletsProven,
    OutletsTrusted,
    Rebound,
    RunStarted,
    Settled,
    StormBegan,
    StormOver,
    WindowEnded,
    WindowSet,
)
from agent.model.incident import LOGS, OWN, Evidence
from agent.model.topology import Outlet
from agent.model.windows import Purpose
from agent.report.text import duration, instant, named, pairs, percent


def tell(event: AnyEvent) -> str:
    """Return what the event says, on one line, its evidence last: of a miner's logs nothing, of a ticket its reason."""
    found: Evidence = getattr(event, "evidence", {})
    hidden = set(found) if isinstance(event, Escalated) or (isinstance(event, Closed) and event.leaves) else {LOGS}
    evidence = pairs({key: value for key, value in found.items() if key not in hidden})
    told = headline(event)
    return f"{told}; {evidence}" if evidence else told


def headline(event: AnyEvent) -> str:  # noqa: PLR0911, PLR0912 - one case, one return for each kind of event
    """Return what the event says, on one line, without its evidence."""
    match event:
        case AgentStarted():
            return f"version {event.version} on site {event.site}{', simulated' if event.simulated else ''}"
        case AgentStopped():
            return event.reason
        case IncidentOpened():
            members, since = named(event.members) or OWN, instant(event.detected_at)
            where = f" at {event.domain}" if event.domain else ""
            return f"{event.category}, {event.cause}{where}, severity {event.severity:d}: {members}; detected {since}"
        case IncidentJoined():
            return f"{len(event.members)} more, severity {event.severity:d}: {named(event.members)}"
        case HoldChanged():
            return "the agent may act again" if event.why is None else f"the agent is held: {event.why}"
        case IncidentAbsorbed():
            return f"part of {event.parent}"
        case IncidentReclassified():
            return f"seen to be {event.category}, {event.cause}, severity {event.severity:d}"
        case IncidentUpdated():
            return f"now {event.cause}, severity {event.severity:d}"
        case IncidentRelapsed():
            return f"{event.cause} again; detected {instant(event.detected_at)}"
        case StormBegan() | StormOver() | NoticeDue() | NoticeSettled():
            return _told(event)
        case Mitigated():
            return "the clear condition holds, proof is pending"
        case RunStarted():
            return f"playbook {event.playbook} in state {event.state}"
        case Moved():
            return f"{event.from_state} → {event.to_state} on {event.trigger}"
        case Judged():
            return _verdict(event)
        case ApprovalAsked():
            until = instant(event.expires_at)
            return f"may it be done? {event.approval}, until {until}: {words_of(event.action)} in {event.state}"
        case ApprovalGiven():
            return f"{event.approval} approved{_by(event.by)}"
        case ApprovalDenied():
            return f"{event.approval} denied{_by(event.by)}: {event.why}"
        case Intended():
            confirmed = "" if event.approval is None else f", by {event.approval}"
            return f"{words_of(event.action)} in {event.state}, attempt {event.attempt}{confirmed}"
        case Settled():
            return _settled(event)
        case Rebound():
            return f"{event.miner} is at {event.host} now; the inventory has {event.inventory_host}"
        case Escalated():
            tried = ", ".join(event.tried) or "nothing"
            return f"a person is asked: {event.reason}; tried {tried}"
        case Closed():
            return _ended(event)
        case WindowSet():
            return _announced(event)
        case WindowEnded():
            return f"{event.window} is over: {event.reason}"
        case ImageReleased():
            return f"image {event.image} may be used again"
        case OutletsProven():
            return f"shown to feed {event.miner}: {_outlets(event.outlets)}"
        case OutletsDoubted():
            fell = f"; instead fell silent: {named(event.fell)}" if event.fell else ""
            return f"do not feed {event.miner}, or not it alone: {_outlets(event.outlets)}{fell}"
        case OutletsTrusted():
            return f"the outlets of {event.pdu} are as the inventory says: {event.why}"
        case Archived():
            return f"events {event.first_seq} to {event.last_seq} are in {event.file} now, anchor {event.head[:12]}…"
        case _:
            assert_never(event)


def _verdict(event: Judged) -> str:
    until = "" if event.until is None else f" until {instant(event.until)}"
    verdict = f"{event.verdict}{until} by gate {event.gate} ({event.reason})"
    return f"{words_of(event.action)} in {event.state}: {verdict}"


def _settled(event: Settled) -> str:
    moved = "" if event.from_state == event.to_state else f"; {event.from_state} → {event.to_state}"
    detail = f" ({event.detail})" if event.detail else ""
    return f"{words_of(event.action)}: {event.result}{detail}{moved}"


def _told(event: StormBegan | StormOver | NoticeDue | NoticeSettled) -> str:
    match event:
        case StormBegan():
            return f"a storm began: {event.ill} miners are ill"
        case StormOver():
            return "the storm is over"
        case NoticeDue():
            return f"people are to be told through {named(event.channels)}: {event.topic}"
        case NoticeSettled():
            became = "told" if event.delivered else f"not told, {event.detail}"
            return f"{event.channel}: {became} in {event.tries} tries: {named(event.notices)}"


def _outlets(outlets: tuple[Outlet, ...]) -> str:
    return " ".join(map(str, outlets))


def words_of(action: Action) -> str:
    """Return an action on one line: what, to whom, and what is set."""
    where = [*map(str, action.outlets), *filter(None, (action.pool, action.image and action.image[:12]))]
    told = f"{action.verb} {action.unit or named(action.targets)}{_aim(action)}"
    return f"{told} [{' '.join(where)}]" if where else told


def _aim(action: Action) -> str:
    """Return the figure that an action sets; nothing where it sets none."""
    match action:
        case Action(supply_c=float(aim)):
            return f" to {aim:g} °C"
        case Action(flow_lpm=float(aim)):
            return f" to {aim:g} L/min"
        case Action(share=float(share)):
            return f" to {share * 100:g} %"
        case _:
            return ""


def _by(name: str) -> str:
    return f" by {name}" if name else ""


def _ended(event: Closed) -> str:
    excused = f", {duration(event.excused_s)} of it excused" if event.excused_s else ""
    left = f"; left to a person: {event.leaves}" if event.leaves else ""
    return f"{event.outcome}{excused}{left}"


def _announced(event: WindowSet) -> str:
    share = f" to {percent(event.share)}" if event.purpose is Purpose.CURTAILED else ""
    whom = f"{' '.join(event.scope)}, {len(event.miners)} miners"
    return f"{event.purpose}{share}: {whom}, until {instant(event.until)}: {event.why}"
