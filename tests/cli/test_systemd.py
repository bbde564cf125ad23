"""What systemd hears: datagrams on a real socket, in both address families it uses."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.systemd import Notifier, watchdog_period_s


class Manager:
    """The other end of the notify socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(manager: Manager) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.socket.getsockname()})


def test_each_message_arrives_as_systemd_spells_it(manager: Manager, notifier: Notifier) -> None:
    assert all([notifier.ready(), notifier.watchdog(), notifier.stopping(), notifier.status("48 miners,\n1 incident")])
    assert manager.heard() == ["READY=1", "WATCHDOG=1", "STOPPING=1", "STATUS=48 miners, 1 incident"]


async def test_a_reload_carries_the_monotonic_clock(manager: Manager, notifier: Notifier) -> None:
    before_us = asyncio.get_running_loop().time() * 1e6
    assert notifier.reloading()
    (message,) = manager.heard()
    first, second = message.split("\n")
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert int(second.removeprefix("MONOTONIC_USEC=")) >= int(before_us)


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's own")
def test_an_abstract_socket_is_reached() -> None:
    name = f"terrahash-test-{os.getpid()}"
    manager = Manager("\0" + name)
    try:
        assert Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert manager.heard() == ["READY=1"]
    finally:
        manager.socket.close()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_socket_nothing_is_said(environ: dict[str, str]) -> None:
    assert not Notifier(environ).ready()


def test_a_manager_that_went_away_or_does_not_read_stops_nobody(tmp_path: Path, manager: Manager) -> None:
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).watchdog()
    notifier = Notifier({"NOTIFY_SOCKET": manager.socket.getsockname()})
    assert not all(notifier.watchdog() for _ in range(100_000)), "expected a full queue to be reported, not waited for"


@pytest.mark.parametrize(
    ("environ", "expected_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 20.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_per_timeout(environ: dict[str, str], expected_s: float | None) -> None:
    assert watchdog_period_s(environ) == expected_s
