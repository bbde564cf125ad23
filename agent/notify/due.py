"""Which events people are told of, and through which channels. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent.model.action import Verb
from agent.model.events import (
    AnyEvent,
    ApprovalAsked,
    Closed,
    Escalated,
    IncidentAbsorbed,
    IncidentOpened,
    IncidentRelapsed,
    Judged,
    NoticeDue,
    StormBegan,
    StormOver,
)
from agent.model.guard import GuardReason
from agent.model.ids import ApprovalId, IncidentId
from agent.model.incident import LOGS, Evidence, Incident
from agent.model.memory import Memory
from agent.model.notice import Topic
from agent.notify.settings import Channel

PEOPLE_AT_WORK = frozenset({GuardReason.HELD, GuardReason.MAINTENANCE})
"""Why power is not given though it is owed (docs/decisions/0031-safety.md)."""

FLICKERS_S = 600.0
"""Trouble of the agent's own that comes back sooner is the same that was told already; nor is it told before that it is
over."""


class _Told(NamedTuple):
    topic: Topic
    incident: IncidentId | None
    evidence: Evidence
    approval: ApprovalId | None = None
    ill: int = 0


def due(events: Sequence[AnyEvent], memory: Memory, channels: Sequence[Channel], now: float) -> list[NoticeDue]:
    """Return the notices that go with events which are about to be committed, to be committed with them.

    Args:
        events: in their order.
        memory: what is remembered before them.
        channels: through which people can be told; each says of what.
        now: UTC s.
    """
    notices: list[NoticeDue] = []
    for told in (*_calm(memory, now), *_told(events, memory)):
        named = tuple(channel.id for channel in channels if told.topic in channel.about)
        if named:
            notices.append(
                NoticeDue(
                    notice=memory.notice_id(len(notices)),
                    topic=told.topic,
                    channels=named,
                    incident=told.incident,
                    approval=told.approval,
                    evidence={key: value for key, value in told.evidence.items() if key != LOGS},
                    ill=told.ill,
                )
            )
    return notices


def _told(events: Sequence[AnyEvent], memory: Memory) -> Iterator[_Told]:
    own = memory.own_incident
    for event in events:
        match event:
            case Escalated():
                yield _Told(Topic.ESCALATION, event.incident, event.evidence)
            case Judged() if _owed_waits(event, memory):
                yield _Told(Topic.OWED, event.incident, _of_owed(event, memory))
            case ApprovalAsked():
                yield _Told(Topic.APPROVAL, event.incident, event.evidence, approval=event.approval)
            case StormBegan():
                yield _Told(Topic.STORM, None, {}, ill=event.ill)
            case StormOver() if memory.is_stormy:
                yield _Told(Topic.OVER, None, {})
            case Closed() | IncidentAbsorbed() if event.incident in memory.told_of and not _is_own(
                memory, event.incident
            ):
                yield _Told(Topic.OVER, event.incident, {})
            case IncidentOpened() if not event.members:
                yield _Told(Topic.OWN, event.incident, event.evidence)
            case IncidentRelapsed() if own is not None and event.incident == own.id and not _flickers(own, event):
                yield _Told(Topic.OWN, event.incident, event.evidence)
            case _:
                pass


def _owed_waits(judged: Judged, memory: Memory) -> bool:
    """Whether it is the switch-on of an outlet that the agent switched off, put off for the sake of people at work."""
    owed = any(memory.duties.get(outlet) == judged.incident for outlet in judged.action.outlets)
    return owed and judged.action.verb is Verb.POWER_ON and judged.reason in PEOPLE_AT_WORK


def _of_owed(judged: Judged, memory: Memory) -> Evidence:
    outlets = judged.action.outlets
    doubt = next((memory.doubted[outlet.pdu] for outlet in outlets if outlet.pdu in memory.doubted), None)
    return {
        "outlets_off": ", ".join(map(str, outlets)),
        "waits_for": judged.reason,
        "why": memory.held if judged.reason == GuardReason.HELD else None,
        "fell": None if doubt is None else ", ".join(doubt.fell) or "whose cord is in there is not known",
    }


def _calm(memory: Memory, now: float) -> Iterator[_Told]:
    """Yield the ends of the agent's own trouble: once it is over for so long that it does not flicker."""
    for number in memory.told_of:
        own = memory.incidents[number]
        if own.is_own and own.resolved_at is not None and now - own.resolved_at >= FLICKERS_S:
            yield _Told(Topic.OVER, number, {})


def _is_own(memory: Memory, number: IncidentId) -> bool:
    return memory.incidents[number].is_own


def _flickers(own: Incident, event: IncidentRelapsed) -> bool:
    return own.resolved_at is not None and event.detected_at - own.resolved_at < FLICKERS_S
