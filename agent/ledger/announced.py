"""The part of the fold about announced windows."""

from dataclasses import replace

from agent.model.events import Actor, WindowEnded, WindowSet
from agent.model.windows import Window, Windows

KEPT_S = 86_400.0
"""A window that is over is remembered for so long, and for as long as an incident is open that began within it."""


def begun(windows: Windows, event: WindowSet, actor: Actor, at: float) -> None:
    """Take in that a window began, or that one that lasts is to be another."""
    before = windows.open.get(event.window)
    windows.version += 1
    windows.opened += before is None
    windows.open[event.window] = Window(
        id=event.window,
        purpose=event.purpose,
        scope=event.scope,
        miners=frozenset(event.miners),
        share=event.share,
        began_at=at if before is None else before.began_at,
        until=event.until,
        why=event.why,
        actor=actor.value,
        told_at=event.told_at,
    )


def ended(windows: Windows, event: WindowEnded, at: float, oldest_open: float) -> None:
    """Take in that a window is over.

    Args:
        windows: what changes.
        event: which one.
        at: UTC s.
        oldest_open: UTC s of the detection of the oldest incident that is open; `at` where there is none.
    """
    window = windows.open.pop(event.window, None)
    if window is None:
        return
    windows.version += 1
    needed = min(at - KEPT_S, oldest_open)
    windows.past = [past for past in windows.past if past.ended_at is not None and past.ended_at >= needed]
    windows.past.append(replace(window, ended_at=at))
