"""`terrahash discover`: find the miners of a network and write them as an inventory.

A cheap scan finds the hosts that accept a connection on a miner's ports; only those are identified, which costs more.
Nothing is configured and no password is needed.
"""

import asyncio
import csv
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from agent.drivers.miners.pyasic_adapter import Identified

MINER_PORTS = (4028, 80, 4433)
"""cgminer's API, the web page, and the port of the Whatsminer's third API."""

WIDEST_PREFIX = 16
SCAN_CONCURRENCY = 200
"""Hosts scanned at a time; three sockets each stay below the usual limit of 1,024 open files."""

CONNECT_DEADLINE_S = 1.0
EXIT_NOTHING_FOUND = 1

_PRINTABLE = re.compile(r"[^A-Za-z0-9 ._+()-]")
_FIRMWARE = re.compile(r"\s*\([^)]*\)\s*$")
_NOT_MAC = re.compile(r"[^0-9a-f:]")
_LEADING = re.compile(r"^[^A-Za-z0-9]+")

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def _network(_ctx: click.Context, _param: click.Parameter, value: str) -> IPv4Network:
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        raise click.BadParameter(f"expected an IPv4 network such as 10.20.1.0/24, got {value!r}") from None
    if network.prefixlen < WIDEST_PREFIX:
        raise click.BadParameter(f"expected at most a /{WIDEST_PREFIX}, got {value}; scan one part after the other")
    return network


@click.command("discover", epilog="Example: terrahash discover 10.20.1.0/24 --out inventory.csv")
@click.argument("network", metavar="CIDR", callback=_network)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("inventory.csv"),
    show_default=True,
    help="CSV file to write; - prints it.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it exists.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 20),
    default=20,
    show_default=True,
    help="Hosts identified at a time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON, besides writing the file.")
@click.pass_context
def discover_command(
    ctx: click.Context, *, network: IPv4Network, out: Path, force: bool, concurrency: int, as_json: bool
) -> None:
    """Find the miners in CIDR and write them as an inventory.

    The outlets, racks and ports are left empty: fill them in, then run `terrahash config check`. An existing file is
    never overwritten without --force.

    Exit codes: 0 at least one miner was written; 1 none was found, nothing was written; 2 usage, or the file exists.
    """
    to_stdout = str(out) == "-"
    if to_stdout and as_json:
        raise click.UsageError("give --json or --out -, not both: one would end up inside the other")
    if not to_stdout and out.exists() and not force:
        raise click.UsageError(f"{out} exists; name another file with --out, or overwrite it with --force")
    if not to_stdout and not os.access(out if out.exists() else out.parent, os.W_OK):
        raise click.UsageError(f"{out} cannot be written; name a file in a folder that exists and that you may write")
    answering, found = asyncio.run(_discover(network, concurrency))
    miners = [item for item in found if item.family is not None]
    others = [item for item in found if item.family is None]
    if as_json:
        click.echo(json.dumps(_as_json(network, answering, miners, others, out if miners else None), indent=2))
    for item in others:
        firmware = item.firmware or "unknown firmware"
        click.echo(f"{item.host}: left out, no driver for {_clean(item.model)} with {_clean(firmware)}", err=True)
    if not miners:
        ports = ", ".join(str(port) for port in MINER_PORTS)
        click.echo(
            f"no miner found in {network}: {answering} of {network.num_addresses} addresses accept a connection on one "
            f"of the ports {ports}; check the network, the route to it and its firewalls",
            err=True,
        )
        ctx.exit(EXIT_NOTHING_FOUND)
    text = inventory_csv(miners)
    if to_stdout:
        click.echo(text, nl=False)
        return
    with out.open("w" if force else "x", encoding="utf-8", newline="") as file:
        file.write(text)
    if not as_json:
        click.echo(f"{len(miners)} of {answering} answering hosts written to {out}; next: fill in outlets and ports")


def inventory_csv(miners: Iterable["Identified"]) -> str:
    """Return the inventory's text: a heading, and a row for each miner. What a device said of itself is cleaned."""
    from agent.config.inventory import COLUMNS  # noqa: PLC0415 - pydantic and YAML take longer than `--help` should

    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for miner in miners:
        writer.writerow(
            {
                "id": f"m-{miner.host.replace('.', '-')}",
                "host": miner.host,
                "mac": _NOT_MAC.sub("", miner.mac.lower())[:17] if miner.mac else "",
                "model": _clean(_FIRMWARE.sub("", miner.model)),
                "family": str(miner.family),
                "hashrate_th": "" if miner.hashrate_th is None else f"{miner.hashrate_th:.1f}",
            }
        )
    return text.getvalue()


def _clean(text: str) -> str:
    # A spreadsheet would run a cell that begins with = or @ as a formula.
    return _LEADING.sub("", _PRINTABLE.sub(" ", text)).strip()[:64] or "unknown"


def _as_json(
    network: IPv4Network, answering: int, miners: list["Identified"], others: list["Identified"], out: Path | None
) -> dict[str, object]:
    def flat(item: "Identified") -> dict[str, object]:
        return {
            "host": item.host,
            "family": None if item.family is None else str(item.family),
            "model": _clean(item.model),
            "mac": item.mac,
            "firmware": item.firmware,
            "hashrate_th": item.hashrate_th,
        }

    return {
        "network": str(network),
        "addresses": network.num_addresses,
        "answering": answering,
        "miners": [flat(item) for item in miners],
        "left_out": [flat(item) for item in others],
        "out": None if out is None else str(out),
    }


async def _discover(network: IPv4Network, concurrency: int) -> tuple[int, list["Identified"]]:
    """Return how many hosts accept a connection, and those identified, in the order of their addresses."""
    from agent.config.credentials import SystemCredentials  # noqa: PLC0415 - drivers take longer than `--help` should
    from agent.drivers.miners.pyasic_adapter import PyasicAdapter, warm_up  # noqa: PLC0415
    from agent.drivers.net import DirectDialer  # noqa: PLC0415

    hosts = [str(host) for host in network.hosts()]
    with _progress(f"scan {network}", len(hosts)) as step:
        answers = [host async for host, up in _pooled(hosts, _accepts, SCAN_CONCURRENCY, step) if up]
    if not answers:
        return 0, []
    await asyncio.to_thread(warm_up)
    adapter = PyasicAdapter(DirectDialer(), SystemCredentials())
    with _progress("identify", len(answers)) as step:
        found = {
            host: item async for host, item in _pooled(answers, adapter.identify, concurrency, step) if item is not None
        }
    return len(answers), [found[host] for host in hosts if host in found]


async def _pooled(
    items: Iterable[_In], work: Callable[[_In], Awaitable[_Out]], concurrency: int, step: Callable[[], None]
) -> AsyncIterator[tuple[_In, _Out]]:
    """Yield each item with what `work` gives, at most `concurrency` at a time, as they are done."""
    rest = iter(items)
    running: dict[asyncio.Future[_Out], _In] = {}
    try:
        while True:
            for item in rest:
                running[asyncio.ensure_future(work(item))] = item
                if len(running) >= concurrency:
                    break
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                item = running.pop(task)
                step()
                yield item, task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _accepts(host: str) -> bool:
    """Tell whether the host accepts a connection on one of a miner's ports within the deadline."""
    return any(await asyncio.gather(*(_connects(host, port) for port in MINER_PORTS)))


async def _connects(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


@contextmanager
def _progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal, nothing elsewhere; yields the function that advances it by one."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal to draw on
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
