"""What a durable commit costs: the ledger beside plain SQLite on the same disk, and who waits for a slow one.

Both commit the same text, one event at a time, turn by turn, each in its own file, waiting for the disk each time; the
ledger's chain, check and thread are what it adds. Then a disk takes half a second for each sync: what matters is for
how long the event loop stands still meanwhile. At last a long chain is verified, in CPU time: machines are busy.

    python -m benchmarks.ledger [FOLDER]

Ends with 1 if a limit is broken: three times plain SQLite at the 99th percentile, 50 ms of standing still, 2 s for
100,000 events.
"""

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from agent.clock import Clock
from agent.ledger.chain import GENESIS, Row, Sound, digest, encode, verify
from agent.ledger.store import Ledger
from agent.model.events import AnyEvent, Moved
from agent.model.ids import IncidentId, RunId

COMMITS = 400
SLOW_S, SLOW_COMMITS = 0.5, 6
LONG = 100_000

RATIO, STILL_S, VERIFY_S = 3.0, 0.050, 2.0
"""The limits: of p99 over plain SQLite, of the loop standing still, of CPU time for a long chain."""


class SlowDisk(apsw.VFS):
    """A disk that takes its time for each sync."""

    def __init__(self) -> None:
        self.sync_s = 0.0
        super().__init__("slow", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        """Open a file on it."""
        return _SlowFile(self, name, flags)


class _SlowFile(apsw.VFSFile):
    def __init__(self, disk: SlowDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("unix", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        time.sleep(self._disk.sync_s)
        super().xSync(flags)


def moved(number: int) -> AnyEvent:
    """Return an event as most are: some hundred characters of JSON."""
    return Moved(
        incident=IncidentId("inc-000001"),
        run=RunId("inc-000001/run-1"),
        trigger="held",
        from_state="hold",
        to_state=f"gather-{number}",
        evidence={"hashrate_th": 0.0, "outlet_w": 1234.5, "reach": "silent"},
    )


async def side_by_side(folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of each commit: the ledger's, and plain SQLite's."""
    ledger = Ledger.open(folder / "ledger.sqlite3", Clock.real(), threaded=True)
    plain = sqlite3.connect(folder / "plain.sqlite3", isolation_level=None)
    plain.execute("PRAGMA journal_mode = wal")
    plain.execute("PRAGMA synchronous = FULL")
    plain.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    ours, theirs = [], []
    for number in range(COMMITS):
        event = moved(number)
        began_s = time.perf_counter()
        await ledger.append([event])
        ours.append(time.perf_counter() - began_s)
        text = encode(event).text
        began_s = time.perf_counter()
        plain.execute("INSERT INTO events (body) VALUES (?)", (text,))
        theirs.append(time.perf_counter() - began_s)
    plain.close()
    await ledger.close()
    return ours, theirs


async def standing_still(folder: Path) -> tuple[float, float]:
    """Return for how many seconds the loop stood still at most while a slow disk committed, and the longest commit."""
    disk = SlowDisk()
    ledger = Ledger.open(folder / "slow.sqlite3", Clock.real(), threaded=True)
    await ledger.append([moved(0)])
    disk.sync_s = SLOW_S
    gaps: list[float] = []

    async def beat() -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked_at = loop.time()
            await asyncio.sleep(0.001)
            gaps.append(loop.time() - asked_at - 0.001)

    beating = asyncio.create_task(beat())
    longest_s = 0.0
    for number in range(SLOW_COMMITS):
        began_s = time.perf_counter()
        await ledger.append([moved(number)])
        longest_s = max(longest_s, time.perf_counter() - began_s)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    disk.sync_s = 0.0
    await ledger.close()
    disk.unregister()
    return max(gaps), longest_s


def verifying() -> float:
    """Return the CPU seconds that a long chain takes."""
    rows, head = [], GENESIS
    for seq in range(1, LONG + 1):
        body = encode(moved(seq))
        own = digest(seq=seq, at_ms=seq, actor="agent", kind=body.kind, body=body.text, prev=head)
        rows.append(Row(seq, seq, "agent", body.kind, body.incident, body.text, head, own))
        head = own
    began_s = time.process_time()
    found = verify(rows)
    took_s = time.process_time() - began_s
    assert isinstance(found, Sound)
    return took_s


def main() -> int:
    """Measure and print; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="terrahash-ledger-", dir=sys.argv[1] if sys.argv[1:] else None) as name:
        folder = Path(name)
        ours, theirs = asyncio.run(side_by_side(folder))
        still_s, longest_s = asyncio.run(standing_still(folder))
    verify_s = verifying()
    p99: Callable[[list[float]], float] = lambda seconds: statistics.quantiles(seconds, n=100)[98]  # noqa: E731
    ratio = p99(ours) / p99(theirs)
    for whose, seconds in (("the ledger", ours), ("plain SQLite", theirs)):
        print(
            f"{whose}: p50 {statistics.median(seconds) * 1e3:.2f} ms, p99 {p99(seconds) * 1e3:.2f} ms a durable commit"
        )
    print(f"p99 over plain SQLite: {ratio:.2f} (limit {RATIO:g})")
    print(
        f"a disk of {SLOW_S:g} s a sync: commits of up to {longest_s:.2f} s,"
        f" the loop still for {still_s * 1e3:.1f} ms at most (limit {STILL_S * 1e3:g})"
    )
    print(f"{LONG:,} events verified in {verify_s:.2f} s of CPU time (limit {VERIFY_S:g})")
    return int(ratio > RATIO or still_s > STILL_S or verify_s > VERIFY_S)


if __name__ == "__main__":
    sys.exit(main())
