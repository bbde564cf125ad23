"""Which request goes to whom: paths, what a handler gets, and the words in which a request is refused. No IO."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from agent.model.errors import PolicyError

PREFIX = "/v1"
"""Every path begins with the protocol's version; what does not fit into it any more gets another."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request that found its route: the variable parts of its path, its body, its headers by lower-case name."""

    parts: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def read(self, wanted: type[T]) -> T:
        """Return the body as what it should be; msgspec's errors, which `Routes` turns into words, where it is not."""
        return msgspec.json.decode(self.body, type=wanted)


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked for.

    Attributes:
        path: below PREFIX; a part in braces stands for anything without a slash.
        handle: returns what is answered, as JSON. It may raise PolicyError for what is refused, and msgspec's errors
            for a body that is not what it should be.
    """

    method: str
    path: str
    handle: Callable[[Call], Awaitable[object]]


class Failure(msgspec.Struct, frozen=True):
    """What is answered in place of what was asked for: why, and what to do."""

    error: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A status as HTTP knows it, and a body in JSON."""

    status: int
    body: bytes


def refusal(status: int, why: str) -> Reply:
    """Return the reply that refuses."""
    return Reply(status, msgspec.json.encode(Failure(why)))


class Routes:
    """The routes of one server."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)

    async def answer(self, method: str, target: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Return the reply to a request; whatever is wrong with the request becomes one too."""
        path = target.partition("?")[0]
        matches = [(route, parts) for route in self._routes if (parts := _matched(route, path)) is not None]
        chosen = next(((route, parts) for route, parts in matches if route.method == method), None)
        if chosen is None:
            known = ", ".join(f"{route.method} {PREFIX}{route.path}" for route in self._routes)
            return refusal(405 if matches else 404, f"expected one of {known}; got {method} {path[:120]}")
        route, parts = chosen
        try:
            return Reply(200, msgspec.json.encode(await route.handle(Call(parts, body, headers or {}))))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return refusal(400, f"the request's body does not fit: {error}")
        except PolicyError as error:
            return refusal(422, str(error))


def _matched(route: Route, path: str) -> Mapping[str, str] | None:
    """Return the variable parts of a path that the route is for; None where it is for another."""
    wanted, got = f"{PREFIX}{route.path}".split("/"), path.split("/")
    if len(wanted) != len(got):
        return None
    parts: dict[str, str] = {}
    for want, part in zip(wanted, got, strict=True):
        if want.startswith("{"):
            parts[want.strip("{}")] = part
        elif want != part:
            return None
    return parts
