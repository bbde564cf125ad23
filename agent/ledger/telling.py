"""What the fold knows of notices, and of storms: which are due to whom. One that has reached everybody is forgotten."""

from dataclasses import replace

from agent.model.events import NoticeDue, NoticeSettled, StormBegan, StormOver
from agent.model.memory import Memory
from agent.model.notice import Notice, Topic


def follow(memory: Memory, event: StormBegan | StormOver | NoticeDue | NoticeSettled, at: float) -> None:
    """Take one of these events in."""
    match event:
        case StormBegan() | StormOver():
            memory.is_stormy = isinstance(event, StormBegan)
        case NoticeDue():
            _due(memory, event, at)
        case NoticeSettled():
            _settled(memory, event)


def _due(memory: Memory, event: NoticeDue, at: float) -> None:
    """Note that people are to be told."""
    memory.told += 1
    if event.incident is not None and event.topic is Topic.OVER:
        memory.told_of.pop(event.incident, None)
    elif event.incident is not None:
        memory.told_of[event.incident] = None
    memory.notices[event.notice] = Notice(
        id=event.notice,
        topic=event.topic,
        at=at,
        waiting=event.channels,
        incident=event.incident,
        approval=event.approval,
        evidence=event.evidence,
        ill=event.ill,
    )


def _settled(memory: Memory, event: NoticeSettled) -> None:
    """Note that a channel has these, or never will."""
    for number in event.notices:
        notice = memory.notices.get(number)
        if notice is None:
            continue
        waiting = tuple(channel for channel in notice.waiting if channel != event.channel)
        if waiting:
            memory.notices[number] = replace(notice, waiting=waiting)
        else:
            del memory.notices[number]
