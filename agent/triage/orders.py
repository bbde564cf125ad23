"""Announcing a window and ending it: what may be said, and the events that follow. Pure; who may say it is not here."""

from collections.abc import Callable, Sequence

import msgspec

from agent.model.errors import PolicyError
from agent.model.events import AnyEvent, WindowEnded, WindowSet
from agent.model.ids import MinerId, WindowId
from agent.model.memory import Memory
from agent.model.scope import miners_in
from agent.model.topology import Site
from agent.model.windows import EndReason, Purpose

LONGEST_S = {Purpose.MAINTENANCE: 12 * 3600.0, Purpose.CURTAILED: 7 * 86_400.0}
"""So long a window may last. Maintenance: facts "detection", section 6."""

MOST_OPEN = 256
"""Windows that may last at the same time."""

Wanted = Callable[[Memory, float], Sequence[AnyEvent]]
"""What `Agent.change` is given: the events to commit, by the memory and now; raises PolicyError for what is refused."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody announces.

    Attributes:
        scope: selectors, as agent.model.scope has them.
        until: UTC s.
        share: of nominal power, that curtailed miners are to run at; 0 for asleep.
        why: for the ledger and whoever reads it.
    """

    purpose: Purpose
    scope: tuple[str, ...]
    until: float
    share: float = 0.0
    why: str = ""


def begin(site: Site, order: Order, *, window: WindowId | None = None, told_at: float | None = None) -> Wanted:
    """Return what begins a window, or changes the one of that id.

    Args:
        site: the inventory.
        order: what is announced.
        window: its id; None for the next of its own.
        told_at: UTC s at which whoever announces it said so, where he says so.
    """
    miners = miners_in(site, order.scope)

    def wanted(memory: Memory, now: float) -> Sequence[AnyEvent]:
        longest_s = LONGEST_S[order.purpose]
        if not now < order.until <= now + longest_s:
            what = "maintenance" if order.purpose is Purpose.MAINTENANCE else "curtailment"
            raise PolicyError(
                f"expected a {what} to end within {longest_s / 3600.0:.0f} h from now; got "
                f"{(order.until - now) / 3600.0:.1f} h: announce it again when it is about to end"
            )
        if not 0.0 <= order.share < 1.0:
            raise PolicyError(f"expected a share of 0 to 0.99; got {order.share:g}: at 1 nobody is curtailed")
        if len(memory.windows.open) >= MOST_OPEN and window not in memory.windows.open:
            raise PolicyError(f"{MOST_OPEN} windows last already: end some of them first")
        return (
            WindowSet(
                window=memory.windows.next_id() if window is None else window,
                purpose=order.purpose,
                scope=order.scope,
                miners=miners,
                share=order.share,
                until=order.until,
                why=order.why,
                told_at=told_at,
            ),
        )

    return wanted


def end(site: Site, which: Sequence[str]) -> Wanted:
    """Return what ends windows: those of these ids, or all that lie wholly within what these selectors mean."""

    def wanted(memory: Memory, _: float) -> Sequence[AnyEvent]:
        last = memory.windows.open
        if len(which) == 1 and which[0] in last:
            return (WindowEnded(window=WindowId(which[0]), reason=EndReason.RESUMED),)
        if any(":" not in one or one.split(":")[0] in ("schedule", "mqtt", "webhook") for one in which):
            known = ", ".join(last) or "none lasts"
            raise PolicyError(
                f"expected the id of a window that lasts ({known}), or selectors; got {' '.join(which)!r}"
            )
        meant: frozenset[MinerId] = frozenset(miners_in(site, which))
        ends = [window.id for window in last.values() if window.miners <= meant]
        if not ends:
            wider = [window.id for window in last.values() if window.miners & meant]
            hint = f": {', '.join(wider)} has others too, end it by its id" if wider else ""
            raise PolicyError(f"no window lies within {' '.join(which)}{hint}")
        return [WindowEnded(window=window, reason=EndReason.RESUMED) for window in ends]

    return wanted
