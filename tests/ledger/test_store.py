"""The daemon's ledger: what is appended is there, in order, once, and for good."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ledger.chain import Sound, encode
from agent.ledger.database import migrations, open_owned
from agent.ledger.reader import PAGE, audit
from agent.ledger.store import WAITING_APPENDS, Ledger, LedgerError, read
from agent.ledger.writer import BATCH_EVENTS, Job, Writer
from agent.model.errors import InvariantError, PolicyError
from agent.model.events import Actor, AnyEvent, IncidentUpdated, Moved
from agent.model.ids import IncidentId, RunId
from agent.model.incident import Reason, Severity
from tests.ledger.examples import ANY_EVENT, EPOCH_S, INC, LIFE, HandClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture(params=[False, True], ids=["inline", "threaded"])
async def ledger(path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    ledger = Ledger.open(path, HandClock().clock(), threaded=request.param)
    yield ledger
    await ledger.close()


def moved(number: int, submitter: int = 0) -> Moved:
    return Moved(
        incident=IncidentId(f"inc-{submitter:06d}"),
        run=RunId("r"),
        trigger="t",
        from_state=str(number - 1),
        to_state=str(number),
    )


async def test_a_proof_is_a_real_write_that_leaves_no_trace(ledger: Ledger, path: Path) -> None:
    before = await ledger.append(LIFE[:4])
    log = path.with_name(f"{path.name}-wal")
    for _ in range(3):
        written = log.stat().st_size
        await ledger.append([])
        assert log.stat().st_size == written, "an append of nothing writes nothing, so it proves no disk"
        await ledger.prove()
        assert log.stat().st_size > written
    assert list(ledger.records()) == before
    after = await ledger.append([moved(1)])
    assert [record.seq for record in after] == [5]
    await ledger.close()
    assert isinstance(audit(path), Sound)
    with pytest.raises(LedgerError, match="closed"):
        await ledger.prove()


async def test_what_is_appended_is_read_back_after_reopening(ledger: Ledger, path: Path) -> None:
    first = await ledger.append(LIFE[:4])
    second = await ledger.append(LIFE[4:], Actor.OPERATOR)
    assert list(ledger.records()) == first + second
    await ledger.close()

    reopened = Ledger.open(path, HandClock(EPOCH_S + 9.0).clock(), threaded=False)
    third = await reopened.append([moved(1)])
    await reopened.close()

    records = list(read(path))
    assert records == first + second + third
    assert [r.event for r in records] == [*LIFE, moved(1)]
    assert [r.seq for r in records] == list(range(1, len(LIFE) + 2))
    assert [r.actor for r in records[3:5]] == [Actor.AGENT, Actor.OPERATOR]
    assert (records[0].at, records[-1].at) == (EPOCH_S, EPOCH_S + 9.0)
    assert audit(path) == Sound(len(records), records[-1].hash)


async def test_events_of_one_append_share_one_time_of_millisecond_resolution(path: Path) -> None:
    ledger = Ledger.open(path, HandClock(EPOCH_S + 0.123456).clock(), threaded=False)
    records = await ledger.append([moved(1), moved(2)])
    await ledger.close()
    assert {r.at for r in records} == {EPOCH_S + 0.123} == {r.at for r in read(path)}


async def test_records_since_leave_out_what_came_before(ledger: Ledger) -> None:
    for number in range(1, 6):
        await ledger.append([moved(number)])
    assert [r.seq for r in ledger.records(since_seq=3)] == [4, 5]
    assert list(ledger.records(since_seq=99)) == []


async def test_reading_crosses_pages_and_picks_an_incident(ledger: Ledger, path: Path) -> None:
    await ledger.append([moved(number, number % 2) for number in range(2 * PAGE + 7)])
    assert [r.seq for r in read(path)] == list(range(1, 2 * PAGE + 8))
    odd = [r.event for r in read(path, incident=IncidentId("inc-000001"))]
    assert odd == [moved(number, 1) for number in range(1, 2 * PAGE + 7, 2)]


async def test_a_reader_sees_what_is_committed_while_the_writer_goes_on(ledger: Ledger, path: Path) -> None:
    await ledger.append([moved(number) for number in range(PAGE + 1)])
    reading = read(path)
    assert next(reading).seq == 1
    await ledger.append([moved(0)])
    assert [r.seq for r in reading] == list(range(2, PAGE + 3))


async def test_64_concurrent_submitters_keep_their_order_and_one_chain(path: Path) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=True)
    seen: dict[int, list[int]] = {}

    async def submit(submitter: int) -> None:
        for number in range(0, 30, 3):
            records = await ledger.append([moved(number + k, submitter) for k in range(3)])
            seen.setdefault(submitter, []).extend(record.seq for record in records)

    await asyncio.gather(*(submit(submitter) for submitter in range(64)))
    commits = ledger.progress
    await ledger.close()

    records = list(read(path))
    assert [r.seq for r in records] == list(range(1, 64 * 30 + 1))
    for submitter, seqs in seen.items():
        own = [r for r in records if r.event == moved(int(r.event.to_state), submitter)]
        assert [r.seq for r in own] == seqs
        assert [r.event for r in own] == [moved(number, submitter) for number in range(30)]
        assert all(seqs[i + 2] - seqs[i] == 2 for i in range(0, 30, 3)), "the events of an append stand together"
    assert commits < 64 * 10, "appends that wait together are committed together"
    assert audit(path) == Sound(len(records), records[-1].hash)


async def test_more_appends_than_may_wait_and_more_events_than_a_batch_all_arrive(path: Path) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=True)
    great = [moved(number) for number in range(BATCH_EVENTS + 10)]
    appends = [ledger.append([moved(number)]) for number in range(WAITING_APPENDS + 200)]
    results = await asyncio.gather(*appends, ledger.append(great))
    assert [r.seq for records in results for r in records] == list(range(1, len(appends) + len(great) + 1))
    await ledger.close()


async def test_close_commits_what_waits(path: Path) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=True)
    waiting = [asyncio.ensure_future(ledger.append([moved(number)])) for number in range(50)]
    await asyncio.sleep(0)
    await ledger.close()
    assert [r[0].seq for r in await asyncio.gather(*waiting)] == list(range(1, 51))
    assert sum(1 for _ in read(path)) == 50


async def test_a_cancelled_append_harms_no_other(path: Path) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=True)
    # The great one keeps the writer busy, so that the next two are committed, and resolved, together.
    great = asyncio.ensure_future(ledger.append([moved(number) for number in range(3_000)]))
    doomed = asyncio.ensure_future(ledger.append([moved(1)]))
    fine = asyncio.ensure_future(ledger.append([moved(2)]))
    await asyncio.sleep(0)
    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doomed
    await great
    (record,) = await fine
    await ledger.close()
    assert list(read(path))[-1] == record
    assert audit(path) == Sound(record.seq, record.hash)


async def test_a_closed_ledger_refuses_and_closes_again_in_peace(ledger: Ledger) -> None:
    await ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        await ledger.append([moved(1)])
    await ledger.close()


async def test_progress_grows_with_commits_and_with_an_empty_append(ledger: Ledger, path: Path) -> None:
    before = ledger.progress
    assert await ledger.append([]) == []
    assert ledger.progress == before + 1
    await ledger.append([moved(1)])
    assert ledger.progress == before + 2
    assert [r.event for r in read(path)] == [moved(1)]


async def test_an_event_that_could_not_be_read_again_is_refused_whole(ledger: Ledger, path: Path) -> None:
    wrong = IncidentUpdated(incident=INC, cause=Reason.UNRESPONSIVE, severity=Severity.LOW, evidence={"x": object()})  # type: ignore[dict-item]
    with pytest.raises(InvariantError, match="incident_updated"):
        await ledger.append([moved(1), wrong])
    (record,) = await ledger.append([moved(2)])
    assert list(read(path)) == [record]
    assert record.seq == 1


async def test_a_disk_that_fills_up_loses_nothing_and_recovers(ledger: Ledger, path: Path) -> None:
    await ledger.append([moved(1)])
    connection = ledger._writer._connection
    connection.pragma("max_page_count", connection.pragma("page_count") + 2)
    before = ledger.progress
    great = [moved(number, submitter=7) for number in range(3_000)]
    outcomes = await asyncio.gather(ledger.append(great), ledger.append([moved(2)]), return_exceptions=True)
    assert isinstance(outcomes[0], PolicyError)
    assert "disk is full" in str(outcomes[0])
    assert not isinstance(outcomes[1], BaseException), "the small append fits and does not suffer for the great one"
    assert ledger.progress == before + 1

    connection.pragma("max_page_count", 1_000_000)
    await ledger.append(great)
    assert [r.event for r in read(path)] == [moved(1), moved(2), *great]
    assert isinstance(audit(path), Sound)


async def test_of_jobs_committed_together_only_the_impossible_one_fails(path: Path) -> None:
    connection = open_owned(path, migrations())
    writer = Writer(connection, path)
    connection.pragma("max_page_count", connection.pragma("page_count") + 2)
    jobs = [Job(1, Actor.AGENT, [encode(moved(n)) for n in numbers]) for numbers in ([1], range(3_000), [2, 3])]
    first, great, last = writer.commit(jobs)
    writer.close()
    assert isinstance(great, LedgerError)
    assert [*(first if isinstance(first, list) else []), *(last if isinstance(last, list) else [])] == list(read(path))
    assert [r.event for r in read(path)] == [moved(1), moved(2), moved(3)]
    assert isinstance(audit(path), Sound)


async def test_a_disk_that_turns_read_only_is_told(ledger: Ledger, path: Path) -> None:
    connection = ledger._writer._connection
    connection.pragma("query_only", True)
    with pytest.raises(LedgerError, match="read-only; nothing was recorded"):
        await ledger.append([moved(1)])
    connection.pragma("query_only", False)
    (record,) = await ledger.append([moved(2)])
    assert list(read(path)) == [record]


async def test_a_foreign_writer_that_keeps_the_rules_costs_a_retry_not_an_event(ledger: Ledger, path: Path) -> None:
    (first,) = await ledger.append([moved(1)])
    with apsw.Connection(str(path)) as foreign:
        foreign.execute(
            "INSERT INTO events SELECT 2, at_ms, actor, kind, incident, body, ?, ? FROM events", (first.hash, "f" * 64)
        )
    with pytest.raises(LedgerError, match="its own rules refused"):
        await ledger.append([moved(2)])
    (record,) = await ledger.append([moved(2)])
    assert (record.seq, record.prev) == (3, "f" * 64)


async def test_a_second_daemon_is_refused_until_the_first_is_gone(path: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=False)
    await ledger.append([moved(1)])
    alias = tmp_path / "alias.sqlite3"
    alias.symlink_to(path)
    for name in (path, alias):
        with pytest.raises(PolicyError, match=r"a running agent owns it \(process \d+\)"):
            Ledger.open(name, HandClock().clock(), threaded=False)
    await ledger.append([moved(2)])
    await ledger.close()
    await Ledger.open(alias, HandClock().clock(), threaded=False).close()


async def test_ownership_dies_with_the_process_and_commits_do_not(path: Path) -> None:
    code = (
        "import asyncio, os, sys, pathlib\n"
        "from agent.clock import Clock\n"
        "from agent.ledger.store import Ledger\n"
        "from agent.model.events import AgentStopped\n"
        "async def main():\n"
        "    ledger = Ledger.open(pathlib.Path(sys.argv[1]), Clock.real(), threaded=True)\n"
        "    await ledger.append([AgentStopped(reason='committed')])\n"
        "    os._exit(7)\n"
        "asyncio.run(main())\n"
    )
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))
    assert await asyncio.wait_for(dying.wait(), 30) == 7
    ledger = Ledger.open(path, HandClock().clock(), threaded=False)
    assert [r.event.reason for r in ledger.records()] == ["committed"]  # type: ignore[union-attr]
    await ledger.close()


async def test_every_commit_is_synced_and_logged_ahead(ledger: Ledger) -> None:
    connection = ledger._writer._connection
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2, "FULL"


async def test_only_who_asks_for_it_does_not_wait_for_the_disk(path: Path) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=False, synced=False)
    assert ledger._writer._connection.pragma("synchronous") == 0, "OFF"
    await ledger.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = '{}' WHERE seq = 2",
        "UPDATE OR REPLACE events SET seq = 1 WHERE seq = 2",
        "DELETE FROM events WHERE seq = 3",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events SELECT 2, at_ms, actor, kind, NULL, '{}', prev, hash FROM events WHERE seq = 2",
        "REPLACE INTO events SELECT seq, at_ms, actor, kind, incident, '{}', prev, hash FROM events WHERE seq = 3",
        "INSERT INTO events SELECT 9, at_ms, actor, kind, incident, body, hash, prev FROM events WHERE seq = 3",
        "INSERT INTO events SELECT 4, at_ms, actor, kind, incident, body, prev, hash FROM events WHERE seq = 3",
        "INSERT INTO events SELECT NULL, at_ms, actor, kind, incident, body, hash, prev FROM events WHERE seq = 3",
        "INSERT OR IGNORE INTO events SELECT 0, at_ms, actor, kind, NULL, body, hash, prev FROM events WHERE seq = 3",
    ],
)
async def test_history_cannot_be_rewritten_with_sql(path: Path, statement: str) -> None:
    ledger = Ledger.open(path, HandClock().clock(), threaded=False)
    records = await ledger.append([moved(1), moved(2), moved(3)])
    for connect in (apsw.Connection, sqlite3.connect):
        connection = connect(str(path))
        with pytest.raises((apsw.ConstraintError, sqlite3.IntegrityError), match="events are"):
            connection.execute(statement)
        connection.close()
    assert list(read(path)) == records
    await ledger.close()


@settings(max_examples=40)
@given(appends=st.lists(st.lists(ANY_EVENT, max_size=4), max_size=5))
def test_append_then_read_gives_equal_events(
    tmp_path_factory: pytest.TempPathFactory, appends: list[list[AnyEvent]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"

    async def write() -> None:
        ledger = Ledger.open(path, HandClock().clock(), threaded=False)
        for events in appends:
            assert [r.event for r in await ledger.append(events)] == events
        await ledger.close()

    asyncio.run(write())
    records = list(read(path))
    assert [r.event for r in records] == [event for events in appends for event in events]
    assert audit(path) == Sound(len(records), records[-1].hash if records else "0" * 64)
