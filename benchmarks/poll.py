"""CPU milliseconds per poll: our telemetry path beside pyasic's `get_data` of the same fields, on the same miners.

`python -m benchmarks.poll [--json] [--polls N]` starts the canned miners in a process of their own, lets the paths take
turns, and prints one table. Ours is connection, decoding and the site view's columns, on uvloop as in production and
once more on asyncio's own loop. pyasic runs on asyncio's loop, as it comes, on miner objects built beforehand; a line
below the table's gives it under uvloop, for information. CPU is this process's user and system time.

Telemetry and what pyasic is asked for it, where it has the field and our poll the means to learn it:

    hashrate_th, expected_th, elapsed_s     hashrate, expected_hashrate, uptime
    chip_max_c, fans_rpm                    hashboards, fans
    accepted, rejected, pool_alive          pools
    power_w                                 wattage (LuxOS and Whatsminer)
    suspended                               is_mining (stock Antminer and LuxOS)

It has no counterpart of work_gh, stale, accepted_diff, share_diff, hw_errors and tuned, which are in our figure alone;
its boards tell more than our hottest chip. On LuxOS its `is_mining` is None and costs nothing. On stock Antminer it is
the work mode and costs a page of its own, while our poll learns the mode only where the API's reply holds it, and the
canned one does not: the table gives the figure without it as well, which is the narrower comparison.

The exit code is 1 if a target is missed: ours at most 0.25 ms under uvloop, and at most 1/40 of pyasic's on stock
Antminer and 1/6 on LuxOS and Whatsminer.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

from agent.drivers.miners import MinerDriver, miner_drivers
from agent.drivers.miners.connection import request
from agent.drivers.net import DirectDialer
from agent.model.ids import MinerId
from agent.model.site_view import SiteView
from agent.model.topology import Family, Miner, Site
from benchmarks.canned import addresses

MINERS = 8
OCTET = 64 + os.getpid() % 64
"""Two runs at a time seldom meet on 127.N."""
IN_FLIGHT = 8
REPETITIONS = 5
PYASIC_SHARE = 8
"""pyasic does one poll for so many of ours: its times are long enough to be seen."""
DEADLINE_S = 5.0
BATCH_DEADLINE_S = 60.0
LIMIT_BYTES = 262_144
TARGET_MS = 0.25
TARGET_RATIO = {Family.ANTMINER_STOCK: 40.0, Family.LUXOS: 6.0, Family.WHATSMINER: 6.0}
FIELDS = ["hashrate", "expected_hashrate", "hashboards", "fans", "pools", "uptime"]
"""What every family is asked for; the module's docstring tells what stands for what."""
PYASIC_FIELDS = {
    Family.ANTMINER_STOCK: [*FIELDS, "is_mining"],
    Family.LUXOS: [*FIELDS, "wattage", "is_mining"],
    Family.WHATSMINER: [*FIELDS, "wattage"],
}

Poll = Callable[[int], Awaitable[None]]


class NoSecrets:
    """Telemetry needs no login."""

    def get(self, name: str) -> str:
        """Refuse."""
        raise LookupError(name)


@dataclass
class Result:
    """CPU ms per poll of one family, one figure a repetition."""

    family: Family
    ours: list[float] = field(default_factory=list)
    ours_asyncio: list[float] = field(default_factory=list)
    pyasic: list[float] = field(default_factory=list)
    pyasic_uvloop: list[float] = field(default_factory=list)
    pyasic_without_mode: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times our CPU pyasic takes, by the medians."""
        return statistics.median(self.pyasic) / statistics.median(self.ours)

    @property
    def met(self) -> bool:
        """Whether both targets are met."""
        return statistics.median(self.ours) <= TARGET_MS and self.ratio >= TARGET_RATIO[self.family]

    def row(self) -> dict[str, object]:
        """Return the figures for the table and the JSON."""
        figures: dict[str, object] = {"family": self.family.value}
        for name in ("ours", "ours_asyncio", "pyasic", "pyasic_uvloop", "pyasic_without_mode"):
            values = getattr(self, name)
            if values:
                spread = {"min": min(values), "median": statistics.median(values), "max": max(values)}
                figures[f"{name}_ms"] = {key: round(value, 4) for key, value in spread.items()}
        return figures | {
            "ratio": round(self.ratio, 1),
            "target_ratio": TARGET_RATIO[self.family],
            "target_ms": TARGET_MS,
            "met": self.met,
        }


@contextlib.contextmanager
def canned_miners() -> Iterator[int]:
    """Run the server process; yield its web port."""
    command = [sys.executable, "-m", "benchmarks.canned", "--count", str(MINERS), "--octet", str(OCTET)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()
            if not ready:
                raise SystemExit(f"the canned miners did not start: is 127.{OCTET}.1.1:4028 taken by another run?")
            yield int(json.loads(ready)["web_port"])
        finally:
            server.terminate()


def our_poll(family: Family) -> Poll:
    """Return one poll as the daemon does it: connect, ask, decode, store."""
    driver: MinerDriver = miner_drivers(DirectDialer(), NoSecrets(), {})[family]
    hosts = addresses(family, MINERS, OCTET)
    miners = (Miner(MinerId(host), host, family, "benchmark", 100.0, 3000.0, ()) for host in hosts)
    view = SiteView(Site("benchmark", tuple(miners)))

    async def poll(number: int) -> None:
        row = number % MINERS
        reply = await request((hosts[row], driver.port), driver.request, deadline_s=DEADLINE_S, limit_bytes=LIMIT_BYTES)
        view.put_answer(row, float(number), driver.decode(reply))

    return poll


def pyasic_poll(family: Family, web_port: int, fields: list[str]) -> Poll:
    """Return pyasic's get_data of those fields on miner objects made beforehand."""
    miners = [_pyasic_miner(family, host, web_port) for host in addresses(family, MINERS, OCTET)]

    async def poll(number: int) -> None:
        data = await miners[number % MINERS].get_data(include=fields)
        if data.hashrate is None or data.uptime is None:
            raise SystemExit(f"pyasic got no data of {family}: the comparison would be void")

    return poll


def _pyasic_miner(family: Family, host: str, web_port: int) -> Any:
    from pyasic.miners.factory import MinerFactory, MinerTypes  # noqa: PLC0415 - after the environment is cleaned

    known = {
        Family.ANTMINER_STOCK: (MinerTypes.ANTMINER, "Antminer S19 Pro", None),
        Family.LUXOS: (MinerTypes.LUX_OS, "Antminer S19k Pro", None),
        Family.WHATSMINER: (MinerTypes.WHATSMINER, "M20SV10", "20210322.22.REL"),
    }
    kind, model, version = known[family]
    select = MinerFactory()._select_miner_from_classes  # noqa: SLF001 - what get_miner ends in, without its requests
    miner = select(host, miner_type=kind, miner_model=model, version=version)
    if family is Family.ANTMINER_STOCK:
        miner.web.port = web_port
    return miner


async def _batch(poll: Poll, count: int) -> float:
    """Return the CPU ms per poll over `count` polls, IN_FLIGHT at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await poll(number)

    gc.collect()
    before = _cpu_s()
    async with asyncio.timeout(BATCH_DEADLINE_S):
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return (_cpu_s() - before) / count * 1e3


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(polls: int, web_port: int) -> list[Result]:
    """Return every family's figures; paths and families take turns in each repetition."""
    results = [Result(family) for family in Family]
    theirs = max(IN_FLIGHT, polls // PYASIC_SHARE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as fast, asyncio.Runner() as plain:
        ours = {family: our_poll(family) for family in Family}
        pyasic = {family: pyasic_poll(family, web_port, PYASIC_FIELDS[family]) for family in Family}
        bare = pyasic_poll(Family.ANTMINER_STOCK, web_port, FIELDS)
        for family in Family:
            for runner in (fast, plain):
                for poll in (ours[family], pyasic[family]):
                    runner.run(_batch(poll, 4 * IN_FLIGHT))
        for _ in range(REPETITIONS):
            for result in results:
                result.ours.append(fast.run(_batch(ours[result.family], polls)))
                result.ours_asyncio.append(plain.run(_batch(ours[result.family], polls)))
                result.pyasic.append(plain.run(_batch(pyasic[result.family], theirs)))
                result.pyasic_uvloop.append(fast.run(_batch(pyasic[result.family], theirs)))
                if result.family is Family.ANTMINER_STOCK:
                    result.pyasic_without_mode.append(plain.run(_batch(bare, theirs)))
    return results


def _print_table(results: list[Result], polls: int, web_note: str, wall_s: float) -> None:
    print(f"CPU ms per poll, median [min-max] of {REPETITIONS} repetitions of {polls} polls ({wall_s:.0f} s in all)")
    print(f"{'family':<16}{'ours, uvloop':>24}{'ours, asyncio':>24}{'pyasic, asyncio':>26}{'ratio':>8}{'target':>9}")
    for result in results:
        cells = [
            f"{statistics.median(v):.3f} [{min(v):.3f}-{max(v):.3f}]"
            for v in (result.ours, result.ours_asyncio, result.pyasic)
        ]
        verdict = "" if result.met else "  MISSED"
        print(
            f"{result.family.value:<16}{cells[0]:>24}{cells[1]:>24}{cells[2]:>26}{result.ratio:>7.0f}x"
            f"{TARGET_RATIO[result.family]:>8.0f}x{verdict}"
        )
        _print_aside("pyasic under uvloop, for information", result.pyasic_uvloop, result.ours)
        if result.pyasic_without_mode:
            _print_aside(
                "pyasic without is_mining, which these replies do not tell us", result.pyasic_without_mode, result.ours
            )
    print(f"Targets: ours at most {TARGET_MS} ms under uvloop; ratio at least as given. {web_note}")


def _print_aside(what: str, theirs: list[float], ours: list[float]) -> None:
    median = statistics.median(theirs)
    print(f"{'':<16}{what}: {median:.3f} ms, {median / statistics.median(ours):.0f}x")


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.poll", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--polls", type=int, default=800, help="our polls a repetition and family (80 to 20,000)")
    arguments = parser.parse_args()
    polls = min(max(arguments.polls, 80), 20_000)
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # pyasic's HTTP client would take loopback through them
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    began = time.monotonic()
    with canned_miners() as web_port:
        results = measure(polls, web_port)
    wall_s = time.monotonic() - began
    web_note = f"The stock Antminer's pages stood on port {web_port}."
    if web_port != 80:
        web_note += " Port 80 needs a privilege this process lacks: pyasic honours its web.port for single pages only."
    if arguments.json:
        rows = [result.row() for result in results]
        print(json.dumps({"polls": polls, "web_port": web_port, "wall_s": round(wall_s, 1), "families": rows}))
    else:
        _print_table(results, polls, web_note, wall_s)
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
