"""Commits events: the transaction, and the thread that gathers many appends into one. Knows no clock and no fold."""

import threading
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import apsw

from agent.ledger.chain import GENESIS, Body, Row, digest
from agent.ledger.database import explain
from agent.model.errors import AgentError, InvariantError
from agent.model.events import Actor, Record

BATCH_EVENTS = 256
"""Events in one transaction, unless one append alone has more; facts "infrastructure", section 1."""

INSERT = "INSERT INTO events (seq, at_ms, actor, kind, incident, body, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

_HEAD = (
    "SELECT seq, hash FROM (SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1)"
    " UNION ALL SELECT last_seq, last_hash FROM archives ORDER BY 1 DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Job:
    """The events of one append, that stand or fall together; `at_ms` in ms UTC. `proves`: is written though empty."""

    at_ms: int
    actor: Actor
    bodies: Sequence[Body]
    proves: bool = False


Outcome = list[Record] | AgentError
"""What became of a job: its records, durable, or why there are none."""


class Writer:
    """The one connection that writes, and the head of the chain.

    Attributes:
        commits: transactions made durable since the start, empty ones included.
    """

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.commits = 0
        self._connection = connection
        self._path = path
        self._seq, self._hash = self._read_head()

    def commit(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Make all jobs durable in one transaction; if that fails, each in one of its own: none suffers for another."""
        try:
            return self._transact(jobs)
        except Exception as error:  # whatever it is, somebody waits for the outcome of each job
            self._recover()
            if len(jobs) == 1:
                return [self._refusal(error)]
        return [self.commit([job])[0] for job in jobs]

    def close(self) -> None:
        """Close the connection; the last one to go folds the write-ahead log into the file."""
        self._connection.close()

    def _transact(self, jobs: Sequence[Job]) -> list[Outcome]:
        seq, head = self._seq, self._hash
        rows: list[Row] = []
        outcomes: list[Outcome] = []
        for job in jobs:
            records = []
            for body in job.bodies:
                seq, prev = seq + 1, head
                head = digest(seq=seq, at_ms=job.at_ms, actor=job.actor, kind=body.kind, body=body.text, prev=prev)
                rows.append(Row(seq, job.at_ms, job.actor, body.kind, body.incident, body.text, prev, head))
                records.append(Record(seq, job.at_ms / 1000.0, job.actor, body.event, prev, head))
            outcomes.append(records)
        if rows or any(job.proves for job in jobs):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(INSERT, rows)
            if not rows:
                # Writes the schema's number as it is: a page goes to the disk, and nothing has changed.
                self._connection.pragma("user_version", self._connection.pragma("user_version"))
            self._connection.execute("COMMIT")
        self._seq, self._hash = seq, head
        self.commits += 1
        return outcomes

    def _recover(self) -> None:
        # Where even this fails, the next transaction fails too and says why; the head from before is still right.
        with suppress(apsw.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._seq, self._hash = self._read_head()

    def _read_head(self) -> tuple[int, str]:
        row = self._connection.execute(_HEAD).fetchone()
        return (0, GENESIS) if row is None else (row[0], row[1])

    def _refusal(self, error: Exception) -> AgentError:
        if isinstance(error, apsw.Error):
            refusal: AgentError = explain(self._path, error)
        else:
            refusal = InvariantError(f"ledger {self._path}: expected to commit, found {type(error).__name__}: {error}")
        refusal.__cause__ = error
        return refusal


class WriterThread:
    """Group commit: a thread that commits whatever has gathered while it was busy with the last batch.

    Jobs are committed in the order submitted. The caller bounds how many wait.
    """

    def __init__(self, writer: Writer, loop: AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self._wake = threading.Condition()
        self._waiting: deque[tuple[Job, Future[Outcome]]] = deque()
        self._stopped: Future[None] | None = None
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> "Future[Outcome]":
        """Queue a job; the future, not to be cancelled, resolves on the loop once the job is durable or has failed."""
        future: Future[Outcome] = self._loop.create_future()
        with self._wake:
            self._waiting.append((job, future))
            self._wake.notify()
        return future

    async def stop(self) -> None:
        """Commit what waits, then end the thread."""
        stopped: Future[None] = self._loop.create_future()
        with self._wake:
            self._stopped = stopped
            self._wake.notify()
        await stopped
        self._thread.join()

    def _work(self) -> None:
        while batch := self._take():
            outcomes = self._writer.commit([job for job, _ in batch])
            futures = [future for _, future in batch]
            # A loop that is gone has nobody left who could be told.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_resolve, futures, outcomes)
        if self._stopped is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopped.set_result, None)

    def _take(self) -> list[tuple[Job, "Future[Outcome]"]]:
        """Wait for work; return the oldest jobs that fit into one transaction, none when stopped and done."""
        batch: list[tuple[Job, Future[Outcome]]] = []
        events = 0
        with self._wake:
            while not self._waiting and self._stopped is None:
                self._wake.wait()
            while self._waiting:
                events += len(self._waiting[0][0].bodies)
                if batch and events > BATCH_EVENTS:
                    break
                batch.append(self._waiting.popleft())
        return batch


def _resolve(futures: "Sequence[Future[Outcome]]", outcomes: Sequence[Outcome]) -> None:
    for future, outcome in zip(futures, outcomes, strict=True):
        future.set_result(outcome)
