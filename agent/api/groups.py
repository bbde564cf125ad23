"""Every group of routes that a running agent serves, in one list."""

from collections.abc import Callable, Iterable

from agent.api import approvals, images, outlets, outlook, status, windows
from agent.api.door import Door
from agent.api.routes import Route

GROUPS: tuple[Callable[[Door], Iterable[Route]], ...] = (
    approvals.routes,
    images.routes,
    outlets.routes,
    outlook.routes,
    status.routes,
    windows.routes,
)


def routes_of(agent: Door) -> tuple[Route, ...]:
    """Return the routes of a running agent."""
    return tuple(route for group in GROUPS for route in group(agent))
