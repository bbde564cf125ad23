"""The machine the agent runs on, seen from inside: routes, links, its router, its clock. No privileges are needed.

A router is asked with an ICMP echo where the kernel lets anybody send one (`net.ipv4.ping_group_range`), else with a
TCP connection: accepted or refused, it lives. One that drops both is believed as far as the neighbour table goes: an
entry that the kernel has confirmed. Linux alone has these files; elsewhere nothing can be told, nor suspected.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.model.itself import Way

ANSWER_S: Final = 1.0
"""How long a router is waited for, each way of asking."""
ASKED_PORT: Final = 53
"""Most routers serve names to their network; those that do not refuse."""
NET: Final = "proc/self/net"
"""The kernel's tables by the way that a service which sees nothing but processes under /proc has too."""
FILE_LIMIT: Final = 262_144
"""Characters that are read of a kernel's table."""

_ECHO = struct.pack("!BBHHH", 8, 0, 0, 0, 1) + b"terrahash"
_CONFIRMED = 0x2
_UP, _BY_ROUTER = 0x1, 0x2


MOST_BOOT_CHARS = 64
"""A boot's id is a UUID."""


@dataclass(frozen=True, slots=True)
class _Route:
    interface: str
    network: ipaddress.IPv4Network
    router: str
    by_router: bool
    metric: int


class ThisHost:
    """Looks at the machine.

    Args:
        clock: steady UTC.
        devices: the addresses of the site's devices; names among them are passed over.
        gateways: the routers of which one must answer; that of the default route where there are none.
        root: where the kernel's files are.
    """

    def __init__(
        self, clock: Clock, devices: Collection[str], gateways: Sequence[str] = (), *, root: Path = Path("/")
    ) -> None:
        self._clock = clock
        # One address of each network of 256 stands for all: routes are seldom narrower, and there may be thousands.
        self._devices = tuple({d.rpartition(".")[0]: ipaddress.IPv4Address(d) for d in devices if _is_v4(d)}.values())
        self._gateways = tuple(gateways)
        self._root = root
        self._interfaces: set[str] = set()

    def wall_ahead_s(self) -> float:
        """Return by how much the wall clock is ahead of steady UTC, in s."""
        return self._clock.wall_ahead_s()

    def boot(self) -> str:
        """Return the kernel's id of this start of the machine; empty where it tells none."""
        try:
            return (self._root / "proc/sys/kernel/random/boot_id").read_text()[:MOST_BOOT_CHARS].strip()
        except (OSError, UnicodeDecodeError):
            return ""

    async def look(self) -> Way:
        """Return what of the way out is there now, within two seconds."""
        routes = self._routes()
        linked = self._linked(routes)
        routers = self._gateways or _default_router(routes)
        if not routers:
            return Way(linked, None)
        return Way(linked, any(await asyncio.gather(*(self._answers(router) for router in routers))))

    # -- links ---------------------------------------------------------------------------------------------------------

    def _linked(self, routes: Sequence[_Route]) -> bool | None:
        """Tell whether every interface that leads to devices, now or when it had a link, has one."""
        leading = {route.interface for device in self._devices if (route := _route_to(device, routes)) is not None}
        self._interfaces |= {name for name in leading if self._has_link(name)}
        return all(self._has_link(name) for name in self._interfaces) if self._interfaces else None

    def _has_link(self, interface: str) -> bool:
        return self._read(f"sys/class/net/{interface}/carrier").strip() == "1"

    def _routes(self) -> list[_Route]:
        routes = []
        for line in self._read(f"{NET}/route").splitlines()[1:]:
            with contextlib.suppress(ValueError):
                name, to, router, flags, _, _, metric, mask, *_ = line.split()
                if int(flags, 16) & _UP:
                    network = ipaddress.IPv4Network((_address(to), _address(mask)), strict=False)
                    routes.append(
                        _Route(name, network, _address(router), bool(int(flags, 16) & _BY_ROUTER), int(metric))
                    )
        return routes

    # -- the router ----------------------------------------------------------------------------------------------------

    async def _answers(self, router: str) -> bool:
        if _is_v4(router) and await _echoes(router):
            return True
        try:
            async with asyncio.timeout(ANSWER_S):
                _, writer = await asyncio.open_connection(router, ASKED_PORT)
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        except TimeoutError:
            return self._is_confirmed(router)
        except OSError:
            return False
        writer.transport.abort()
        return True

    def _is_confirmed(self, router: str) -> bool:
        """Tell whether the kernel knows the router's hardware address; it forgets one that answers no ARP."""
        entries = (line.split() for line in self._read(f"{NET}/arp").splitlines()[1:])
        return any(e[0] == router and int(e[2], 16) & _CONFIRMED for e in entries if len(e) > 3)

    def _read(self, name: str) -> str:
        """Return a kernel's file; nothing where there is none, or none to be had just now."""
        try:
            with (self._root / name).open(encoding="ascii", errors="replace") as file:
                return file.read(FILE_LIMIT)
        except OSError:
            return ""


async def _echoes(router: str) -> bool:
    """Tell whether a router answers an ICMP echo; no where nobody may send one."""
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    except OSError:
        return False
    loop = asyncio.get_running_loop()
    with sock:
        sock.setblocking(False)
        try:
            sock.connect((router, 0))  # a datagram socket's connect only notes the peer
            async with asyncio.timeout(ANSWER_S):
                await loop.sock_sendall(sock, _ECHO)
                return bool(await loop.sock_recv(sock, 256))
        except (OSError, TimeoutError):
            return False


def _default_router(routes: Sequence[_Route]) -> tuple[str, ...]:
    defaults = [route for route in routes if route.network.prefixlen == 0 and route.by_router]
    return (min(defaults, key=lambda route: route.metric).router,) if defaults else ()


def _route_to(device: ipaddress.IPv4Address, routes: Sequence[_Route]) -> _Route | None:
    fitting = [route for route in routes if device in route.network]
    return max(fitting, key=lambda route: (route.network.prefixlen, -route.metric), default=None)


def _address(digits: str) -> str:
    """Return the address that the kernel writes as a hexadecimal number of its own byte order."""
    return socket.inet_ntoa(struct.pack("=L", int(digits, 16)))


def _is_v4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
