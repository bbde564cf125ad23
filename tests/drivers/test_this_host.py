"""The agent's own machine, from the kernel's files: links, routes, its router."""

from pathlib import Path

from agent.clock import Clock
from agent.drivers.this_host import ThisHost
from agent.model.itself import Way

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
WAN = "eth0\t00000000\t0100007F\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
"""A default route by 127.0.0.1, which refuses."""
LAN = "eth1\t0000140A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
"""10.20.0.0/16"""
DEVICES = ("10.20.1.1", "10.20.1.2", "10.20.9.1", "pdu.example.net")


def kernel(root: Path, routes: str = HEAD + WAN + LAN, **carriers: str) -> Path:
    (root / "proc/self/net").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/net/route").write_text(routes)
    for name, carrier in carriers.items():
        (root / "sys/class/net" / name).mkdir(parents=True, exist_ok=True)
        (root / "sys/class/net" / name / "carrier").write_text(carrier)
    return root


def host(root: Path, *gateways: str) -> ThisHost:
    return ThisHost(Clock(lambda: 0.0, 0.0), DEVICES, gateways, root=root)


async def test_the_link_is_that_of_the_interface_that_leads_to_devices(tmp_path: Path) -> None:
    seen = host(kernel(tmp_path, eth0="0\n", eth1="1\n"))
    assert (await seen.look()).linked is True
    kernel(tmp_path, eth1="0\n")
    assert (await seen.look()).linked is False


async def test_an_interface_whose_routes_go_with_its_link_is_remembered(tmp_path: Path) -> None:
    seen = host(kernel(tmp_path, eth0="1\n", eth1="1\n"))
    await seen.look()
    kernel(tmp_path, HEAD + WAN, eth1="0\n")
    assert (await seen.look()).linked is False


async def test_a_router_that_refuses_lives_and_one_that_nobody_is_behind_does_not(tmp_path: Path) -> None:
    assert (await host(kernel(tmp_path, eth1="1\n")).look()).answered is True
    assert (await host(tmp_path, "127.0.0.1").look()).answered is True
    assert (await host(tmp_path, "255.255.255.255").look()).answered is False
    assert (await host(tmp_path, "255.255.255.255", "127.0.0.1").look()).answered is True


async def test_where_the_kernel_says_nothing_nothing_is_told(tmp_path: Path) -> None:
    assert await host(tmp_path).look() == Way(None, None)
    assert await host(kernel(tmp_path, "garbage\nmore of it\n1 2 3\n")).look() == Way(None, None)


async def test_one_that_drops_what_it_is_asked_is_known_by_its_hardware_address(tmp_path: Path) -> None:
    seen = host(kernel(tmp_path, eth1="1\n"))
    line = "10.20.0.1  0x1  {}  00:11:22:33:44:55  *  eth1\n"
    for flags, confirmed in (("0x2", True), ("0x0", False)):
        (tmp_path / "proc/self/net/arp").write_text(
            "IP address HW type Flags HW address Mask Device\n" + line.format(flags)
        )
        assert seen._is_confirmed("10.20.0.1") is confirmed


def test_each_start_of_the_machine_has_a_name_of_its_own_where_the_kernel_gives_it_one(tmp_path: Path) -> None:
    host = ThisHost(Clock.real(), (), root=tmp_path)
    assert host.boot() == ""
    file = tmp_path / "proc/sys/kernel/random/boot_id"
    file.parent.mkdir(parents=True)
    file.write_text("0d5e3b1c-6a8e-4d36-9f0b-1c2d3e4f5a6b\n")
    assert host.boot() == "0d5e3b1c-6a8e-4d36-9f0b-1c2d3e4f5a6b"
    file.write_text("x" * 10_000)
    assert len(host.boot()) <= 64
    file.write_bytes(b"\xff\xfe")
    assert host.boot() == ""
