"""The daemon's ledger: owned by one process, appended to from one event loop. Readers use `agent.ledger.reader`."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self, TextIO

from agent.clock import Clock
from agent.ledger import database
from agent.ledger.chain import Body, encode
from agent.ledger.database import LedgerError
from agent.ledger.fold import State
from agent.ledger.queries import remember
from agent.ledger.reader import read
from agent.ledger.writer import Job, Outcome, Writer, WriterThread
from agent.model.errors import AgentError
from agent.model.events import Actor, AnyEvent, Record

__all__ = ["Ledger", "LedgerError", "read"]

WAITING_APPENDS = 1_024
"""Appends that may wait for the writer thread; the next one waits for room."""


class Ledger:
    """An open ledger. Create with `Ledger.open`.

    Attributes:
        path: the SQLite file, with symbolic links resolved.
    """

    def __init__(self, path: Path, clock: Clock, lock: TextIO, writer: Writer, *, threaded: bool) -> None:
        self.path = path
        self._clock = clock
        self._lock = lock
        self._writer = writer
        self._threaded = threaded
        self._thread: WriterThread | None = None
        self._room = asyncio.Semaphore(WAITING_APPENDS)
        self._closed = False

    @classmethod
    def open(cls, path: Path, clock: Clock, *, threaded: bool, synced: bool = True) -> Self:
        """Take ownership of the ledger at `path`, creating or migrating it.

        Args:
            path: its directory must exist.
            clock: stamps the events.
            threaded: commit in a writer thread (real time) or within `append` (virtual time, where waiting for a thread
                would let the clock run).
            synced: every commit survives a loss of power. Not for a simulation's ledger: its seed gives it again, and
                waiting for the disk takes a tenth of the run.

        Raises:
            LedgerError: another daemon owns it, a later version wrote it, it is damaged or cannot be written.
        """
        path = path.resolve()
        lock = database.claim(path)
        try:
            connection = database.open_owned(path, database.migrations(), synced=synced)
            writer = Writer(connection, path)
        except BaseException:
            lock.close()
            raise
        return cls(path, clock, lock, writer, threaded=threaded)

    @property
    def progress(self) -> int:
        """Commits since the start. It stands still while an append, even an empty one, waits: then the ledger hangs."""
        return self._writer.commits

    async def append(self, events: Sequence[AnyEvent], actor: Actor = Actor.AGENT) -> list[Record]:
        """Commit events in one transaction, with successive seqs and one time; return once they are durable.

        The records hold the events as a later start will read them. A cancelled append may have been committed. An
        append of no events commits nothing, yet passes through the writer: proof that it lives.

        Raises:
            LedgerError: closed, or the disk refused; none of these events is recorded, and nothing else is lost.
            InvariantError: an event holds what its declaration does not allow; none of these is recorded.
        """
        return await self._commit([encode(event) for event in events], actor)

    async def prove(self) -> None:
        """Have the disk take a write that says nothing, and return once it is durable; raises as `append` does."""
        await self._commit((), Actor.AGENT, proves=True)

    def records(self, since_seq: int = 0) -> Iterator[Record]:
        """Return the committed records after `since_seq`, in order; raises as `agent.ledger.reader.read`."""
        return read(self.path, since_seq)

    def remember(self, state: State) -> float:
        """Put into an empty state what is committed; return the UTC s of the last event, 0 for none.

        Raises:
            LedgerError: the ledger cannot be read, or is not as it was written.
        """
        return remember(self.path, state)

    async def close(self) -> None:
        """Commit what waits, close the file and give up ownership. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._thread is not None:
                await self._thread.stop()
            self._writer.close()
        finally:
            self._lock.close()

    async def _commit(self, bodies: Sequence[Body], actor: Actor, *, proves: bool = False) -> list[Record]:
        outcome = (
            await self._enqueue(bodies, actor, proves=proves)
            if self._threaded
            else self._writer.commit([self._job(bodies, actor, proves=proves)])[0]
        )
        if isinstance(outcome, AgentError):
            raise outcome
        return outcome

    async def _enqueue(self, bodies: Sequence[Body], actor: Actor, *, proves: bool) -> Outcome:
        await self._room.acquire()
        try:
            job = self._job(bodies, actor, proves=proves)
        except LedgerError:
            self._room.release()
            raise
        if self._thread is None:
            self._thread = WriterThread(self._writer, asyncio.get_running_loop())
        future = self._thread.submit(job)
        future.add_done_callback(lambda _: self._room.release())
        # Shielded: a cancelled append keeps its room, and its future, until the writer is through with it.
        return await asyncio.shield(future)

    def _job(self, bodies: Sequence[Body], actor: Actor, *, proves: bool) -> Job:
        if self._closed:
            raise LedgerError(f"ledger {self.path}: it is closed: append before the agent stops")
        return Job(round(self._clock.now() * 1000.0), actor, bodies, proves)
