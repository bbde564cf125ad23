"""`/windows`: what is announced of miners, announcing it, and ending it."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from agent.api.routes import Call, Route
from agent.model.events import Actor
from agent.model.memory import Memory
from agent.model.scope import LONGEST, MOST
from agent.model.windows import Purpose, Window
from agent.triage import orders

if TYPE_CHECKING:
    # The command that asks shares the bodies, and does without the loop that the agent runs on.
    from agent.api.door import Door

Selector = Annotated[str, Meta(min_length=1, max_length=LONGEST)]
Scope = Annotated[tuple[Selector, ...], Meta(min_length=1, max_length=MOST)]
Why = Annotated[str, Meta(max_length=256)]


class WindowOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is announced: `until` in UTC s, `share` of nominal power that curtailed miners are to run at."""

    purpose: Purpose
    scope: Scope
    until: float
    share: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    why: Why = ""


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which windows are to end: one id, or selectors that they lie wholly within."""

    which: Scope


class Announced(msgspec.Struct, frozen=True):
    """One window that lasts.

    Attributes:
        miners: how many it has. asleep: how many of them say that they sleep; None where nobody is running to ask.
        began_at, until: UTC s.
        by: who announced it: operator, schedule or integration.
    """

    id: str
    purpose: Purpose
    scope: tuple[str, ...]
    miners: int
    asleep: int | None
    share: float
    began_at: float
    until: float
    why: str
    by: str


class AnnouncedWindows(msgspec.Struct, frozen=True):
    """Every window that lasts, in the order announced."""

    windows: tuple[Announced, ...]


def announced(window: Window, asleep: int | None = None) -> Announced:
    """Return a window as it is told."""
    return Announced(
        window.id,
        window.purpose,
        window.scope,
        len(window.miners),
        asleep,
        window.share,
        window.began_at,
        window.until,
        window.why,
        window.actor,
    )


def windows_of(memory: Memory) -> AnnouncedWindows:
    """Return the windows that last by that memory."""
    return AnnouncedWindows(tuple(announced(window) for window in memory.windows.open.values()))


def routes(agent: "Door") -> tuple[Route, ...]:
    """Return what a running agent takes and tells of windows."""

    def told(window: Window) -> Announced:
        view = agent.view
        rows = [view.site.rows[miner] for miner in window.miners if miner in view.site.rows]
        return announced(window, int((view.suspended.value[rows] == 1.0).sum()))

    async def show(_: Call) -> AnnouncedWindows:
        return AnnouncedWindows(tuple(told(window) for window in agent.memory.windows.open.values()))

    async def begin(call: Call) -> Announced:
        asked = call.read(WindowOrder)
        order = orders.Order(
            purpose=asked.purpose, scope=asked.scope, until=asked.until, share=asked.share, why=asked.why
        )
        window = agent.memory.windows.next_id()
        await agent.change(orders.begin(agent.view.site, order, window=window), Actor.OPERATOR)
        return told(agent.memory.windows.open[window])

    async def end(call: Call) -> AnnouncedWindows:
        before = dict(agent.memory.windows.open)
        await agent.change(orders.end(agent.view.site, call.read(Ending).which), Actor.OPERATOR)
        ended = [told(window) for name, window in before.items() if name not in agent.memory.windows.open]
        return AnnouncedWindows(tuple(ended))

    return (
        Route("GET", "/windows", show),
        Route("POST", "/windows", begin),
        Route("POST", "/windows/end", end),
    )
