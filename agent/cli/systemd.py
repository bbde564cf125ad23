"""Talks to systemd over its notify socket. Without systemd every call does nothing.

When to say READY or WATCHDOG is the daemon's decision, not made here. Protocol: the manual page sd_notify(3).
"""

import asyncio
import os
import socket
from collections.abc import Mapping

WATCHDOG_SHARE = 3
"""A healthy daemon reports this many times per watchdog timeout, so that one late report costs nothing."""


class Notifier:
    """The service's voice to systemd. Each call returns whether the message was handed over."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))

    def ready(self) -> bool:
        """Say that start-up, or a reload, is complete."""
        return self._send("READY=1")

    def watchdog(self) -> bool:
        """Say that the daemon made progress since the last time."""
        return self._send("WATCHDOG=1")

    def stopping(self) -> bool:
        """Say that an orderly stop has begun."""
        return self._send("STOPPING=1")

    def status(self, text: str) -> bool:
        """Show one line in `systemctl status`."""
        return self._send("STATUS=" + " ".join(text.split()))

    def reloading(self) -> bool:
        """Say that a reload has begun; `ready()` ends it. Needs a running event loop, whose clock it sends."""
        return self._send(f"RELOADING=1\nMONOTONIC_USEC={int(asyncio.get_running_loop().time() * 1e6)}")

    def _send(self, message: str) -> bool:
        """Send one datagram without ever blocking: a manager that does not listen must not stop the agent."""
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except OSError:
            return False
        return True


def _address(notify_socket: str) -> str | None:
    """Return the socket's address, `@` being the abstract namespace; None for none or a kind we do not speak."""
    if notify_socket.startswith("@"):
        return "\0" + notify_socket[1:]
    return notify_socket if notify_socket.startswith("/") else None


def watchdog_period_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return how often, in s, to report progress; None where systemd watches no one, or another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    timeout_us = environ.get("WATCHDOG_USEC", "")
    if not timeout_us.isdecimal() or int(timeout_us) == 0:
        return None
    return int(timeout_us) / 1e6 / WATCHDOG_SHARE
