"""Disks that fail and files that were damaged: what was acknowledged is there, or it is said that it is not."""

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from agent.ledger.chain import Broken, Flaw, Sound, anchored
from agent.ledger.database import LedgerError, migrations, open_owned
from agent.ledger.queries import current
from agent.ledger.reader import audit, read, rows
from agent.ledger.store import Ledger
from agent.ledger.writer import INSERT
from agent.model.events import AgentStopped, AnyEvent
from tests.ledger.examples import LIFE, HandClock
from tests.ledger.test_chain import chained, tamper
from tests.ledger.test_retention import held


def noted(number: int) -> AnyEvent:
    return AgentStopped(reason=f"note {number}")


class Disk(apsw.VFS):
    """A disk that can be told to fail."""

    def __init__(self) -> None:
        self.trouble: apsw.Error | None = None
        self._is_in_use = True
        super().__init__("failing", "unix", makedefault=True)

    def leave(self) -> None:
        """Be out of use: files are opened on the machine's own disk from now on."""
        if self._is_in_use:
            self._is_in_use = False
            self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - apsw's name
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        if self._disk.trouble is not None:
            raise self._disk.trouble
        super().xWrite(data, offset)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.leave()


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger.open(path, HandClock().clock(), threaded=False)
    for number in range(40):
        await ledger.append([noted(number), *LIFE] if number == 20 else [noted(number)])
    await ledger.close()
    return path


# -- while it is written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threaded", [False, True], ids=["inline", "threaded"])
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (apsw.FullError("no space"), "its disk is full; nothing of this was recorded"),
        (apsw.IOError("bad sector"), "its disk failed; what was recorded before is safe"),
        (apsw.ReadOnlyError("remounted"), "it is read-only; nothing was recorded"),
    ],
    ids=["full", "failed", "read-only"],
)
async def test_a_disk_in_trouble_refuses_in_words_and_loses_nothing(
    tmp_path: Path, disk: Disk, trouble: apsw.Error, words: str, *, threaded: bool
) -> None:
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger.open(path, HandClock().clock(), threaded=threaded)
    before = await ledger.append([noted(1)])
    disk.trouble = trouble
    for _ in range(2):
        with pytest.raises(LedgerError, match=words):
            await ledger.append([noted(2)])
    disk.trouble = None
    after = await ledger.append([noted(3)])
    await ledger.close()
    disk.leave()
    assert list(read(path)) == before + after
    assert audit(path) == Sound(2, after[-1].hash)


def test_where_a_file_may_not_grow_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    """A real limit of the kernel, in a process of its own."""
    path = tmp_path / "ledger.sqlite3"
    code = (
        "import asyncio, pathlib, sys\n"
        "from agent.clock import Clock\n"
        "from agent.ledger.store import Ledger, LedgerError\n"
        "from agent.model.events import AgentStopped\n"
        "async def main():\n"
        "    ledger = Ledger.open(pathlib.Path(sys.argv[1]), Clock.real(), threaded=True)\n"
        "    for number in range(10_000):\n"
        "        try:\n"
        "            (record,) = await ledger.append([AgentStopped(reason='x' * 2000)])\n"
        "        except LedgerError as error:\n"
        "            print(error, file=sys.stderr)\n"
        "            return\n"
        "        print(record.hash, flush=True)\n"
        "asyncio.run(main())\n"
    )

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limited,
    )
    acknowledged = done.stdout.split()
    assert done.stderr.startswith(f"ledger {path}: its disk ")
    assert len(acknowledged) > 20
    assert [record.hash for record in read(path)][: len(acknowledged)] == acknowledged
    assert isinstance(audit(path), Sound)


# -- as it is found ----------------------------------------------------------------------------------------------------


def test_a_flipped_byte_anywhere_is_found_before_anything_is_believed(path: Path, tmp_path: Path) -> None:
    whole, expected = path.read_bytes(), held(current(path))
    rng, found = random.Random(7), 0
    for place in [*(rng.randrange(len(whole)) for _ in range(120)), *range(len(whole) - 12, len(whole))]:
        damaged = tmp_path / "damaged.sqlite3"
        for left in tmp_path.glob("damaged.sqlite3*"):
            left.unlink()
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        try:
            open_owned(damaged, migrations()).close()
            believed = held(current(damaged))
        except LedgerError:
            found += 1
        else:
            assert believed == expected, f"a byte at {place} changed what is remembered"
    assert found > 30


def test_text_that_is_no_text_any_more_is_named_too(path: Path) -> None:
    tamper(path, "UPDATE events SET body = CAST(x'7b22e428' AS TEXT) WHERE seq = 9")
    assert audit(path) == Broken(9, Flaw.CHANGED)
    with pytest.raises(LedgerError, match="event 9 is not as it was written"):
        current(path)


def test_a_log_that_was_cut_short_leaves_a_beginning_of_what_there_was(tmp_path: Path) -> None:
    """The machine lost its power while the last pages were written: whole commits are there, and none in part."""
    path = tmp_path / "ledger.sqlite3"
    connection = open_owned(path, migrations())
    linked = chained([noted(number) for number in range(30)])
    for row in linked:
        connection.execute(INSERT, row)
    log = path.with_name(f"{path.name}-wal").read_bytes()
    rng = random.Random(3)
    for place in sorted(rng.randrange(len(log)) for _ in range(40)):
        for name in (f"cut{place}.sqlite3", f"cut{place}.sqlite3-wal"):
            (tmp_path / name).write_bytes(log[:place] if name.endswith("wal") else path.read_bytes())
        cut = tmp_path / f"cut{place}.sqlite3"
        open_owned(cut, migrations()).close()
        assert list(rows(cut)) == linked[: sum(1 for _ in rows(cut))]
        assert isinstance(audit(cut), Sound)
    connection.close()


async def test_a_ledger_of_the_first_schema_is_taken_over_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    linked = chained([noted(number) for number in range(5)])
    connection = open_owned(path, migrations()[:1])
    connection.executemany(INSERT, linked)
    connection.close()
    ledger = Ledger.open(path, HandClock().clock(), threaded=False)
    (record,) = await ledger.append([noted(5)])
    await ledger.close()
    assert [row.hash for row in rows(path)] == [*(row.hash for row in linked), record.hash]
    assert isinstance(audit(path), Sound)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_done_to_the_rows_is_found(path: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    sound = audit(path)
    assert isinstance(sound, Sound)
    last = sound.events
    first, second = sorted(rng.sample(range(1, last), 2))
    swap = (
        f"UPDATE events SET seq = -1 WHERE seq = {first}; UPDATE events SET seq = {first} WHERE seq = {second};"
        f" UPDATE events SET seq = {second} WHERE seq = -1"
    )
    flip = (
        f"UPDATE events SET body = substr(body, 1, {second % 9 + 2}) || 'x' || substr(body, {second % 9 + 4})"
        f" WHERE seq = {first}"
    )
    for number, (statement, at) in enumerate(
        [
            (swap, first),
            (flip, first),
            (f"DELETE FROM events WHERE seq = {first}", first),
            (f"DELETE FROM events WHERE seq >= {second}", last),
            (f"UPDATE events SET hash = prev WHERE seq = {second}", second),
        ]
    ):
        harmed = Path(shutil.copy(path, tmp_path / f"harmed-{number}.sqlite3"))
        tamper(harmed, statement)
        found = anchored(rows(harmed), (last, sound.head))
        assert isinstance(found, Broken)
        assert found.seq == at
        if "seq >=" in statement:
            assert found.flaw is Flaw.CUT
        else:
            with pytest.raises(LedgerError, match=rf"event {at} is not as it was written"):
                current(harmed)


def test_a_ledger_whose_rules_were_dropped_is_not_written(path: Path) -> None:
    with apsw.Connection(str(path)) as connection:
        connection.execute("DROP TRIGGER events_are_never_updated")
    with pytest.raises(LedgerError, match=r"its own rules are not as they were made \(events_are_never_updated\)"):
        Ledger.open(path, HandClock().clock(), threaded=False)
    assert os.access(path, os.R_OK)
    assert isinstance(audit(path), Sound)
