"""Opens the ledger's file: SQLite version, ownership, schema, and every refusal in words. No events here."""

import fcntl
import os
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import apsw

from agent.model.errors import PolicyError

SAFE_SQLITE = (3, 51, 3)
"""First release in which two connections cannot lose a commit to the WAL reset; facts "infrastructure", section 1."""

APPLICATION_ID = 0x54485348
BUSY_MS = 5_000

_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (
        apsw.FullError,
        "its disk is full; nothing of this was recorded, what was recorded before is safe: free some space",
    ),
    (
        apsw.ReadOnlyError,
        "it is read-only; nothing was recorded: make the file and its directory writable to the agent",
    ),
    (apsw.NotADBError, "the file is no ledger: name another with --ledger, or move it away"),
    (
        apsw.CorruptError,
        "the file is damaged: stop the agent, keep the file, -wal and -shm, restore a backup or start a new ledger",
    ),
    (
        apsw.CantOpenError,
        "the file cannot be opened: check that it and its directory exist, and who may read and write them",
    ),
    (apsw.PermissionsError, "access is denied: check who may read and write the file and its directory"),
    (apsw.BusyError, f"another program held it locked for more than {BUSY_MS / 1000:.0f} s: close that program"),
    (apsw.LockedError, "another connection holds it locked: close that program"),
    (apsw.IOError, "its disk failed; what was recorded before is safe: look at the system log"),
    (apsw.ConstraintError, "its own rules refused the write"),
)


class LedgerError(PolicyError):
    """The ledger cannot be opened, read or written, and why; what was committed before stays."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    number: int
    sql: str


def explain(path: Path, error: apsw.Error) -> LedgerError:
    """Return the refusal that tells an operator what SQLite's error means and what to do."""
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), "SQLite refused")
    return LedgerError(f"ledger {path}: {words} (SQLite: {error})")


def require_safe_sqlite(version: str) -> None:
    """Raise LedgerError if that SQLite can lose commits."""
    if tuple(int(part) for part in version.split(".")[:3]) < SAFE_SQLITE:
        wanted = ".".join(map(str, SAFE_SQLITE))
        raise LedgerError(
            f"expected SQLite {wanted} or later (older ones can lose commits), found {version}: upgrade apsw"
        )


def migrations() -> tuple[Migration, ...]:
    """Return the steps that ship with this version, in order."""
    files = sorted((Path(__file__).parent / "migrations").glob("[0-9]*.sql"))
    return tuple(Migration(int(re.match(r"\d+", file.name)[0]), file.read_text("utf-8")) for file in files)  # type: ignore[index]  # the glob wants a digit first


def claim(path: Path) -> TextIO:
    """Take sole ownership of the ledger at `path`; it lasts until the file returned is closed or the process dies.

    Raises:
        LedgerError: another daemon owns it, or its directory does not take files.
    """
    try:
        # A side file, because SQLite's own locks would shut readers out too; it stays, so that no two can race for it.
        lock = path.with_name(path.name + ".lock").open("a+", encoding="ascii", errors="replace")
    except OSError as error:
        raise LedgerError(
            f"ledger {path}: expected a directory that takes files; {error.strerror}: {error.filename}"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read(20).strip() or "unknown"
        lock.close()
        raise LedgerError(
            f"ledger {path}: a running agent owns it (process {holder}): stop that one, or give this one its own ledger"
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def open_owned(path: Path, steps: Sequence[Migration], *, synced: bool = True) -> apsw.Connection:
    """Open for writing, create where missing, and bring the schema up to date. The caller owns the ledger already.

    Args:
        path: the file.
        steps: the schema.
        synced: a commit waits until the disk has it, so that it survives a loss of power too.

    Raises:
        LedgerError: anything that keeps the ledger from being safely written.
    """
    require_safe_sqlite(apsw.sqlite_lib_version())
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
    except apsw.Error as error:
        raise explain(path, error) from error
    try:
        _prepare(connection, path, steps, synced=synced)
    except apsw.Error as error:
        connection.close()
        raise explain(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, steps: Sequence[Migration]) -> apsw.Connection:
    """Open read-only, beside a running daemon or without one.

    Raises:
        LedgerError: there is no ledger, it is not one, or it needs another version of the agent.
    """
    if not path.is_file():
        raise LedgerError(f"ledger {path}: expected a file, found none: name it with --ledger or in TERRAHASH_LEDGER")
    try:
        connection = apsw.Connection(_for_reading(path), flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        connection.set_busy_timeout(BUSY_MS)
        _check_owner(connection, path, steps[-1].number)
        version = connection.pragma("user_version")
    except apsw.Error as error:
        raise explain(path, error) from error
    if version < steps[-1].number:
        raise LedgerError(
            f"ledger {path}: schema {version} is older than this version reads: start the agent on it once"
        )
    return connection


def _for_reading(path: Path) -> str:
    """Return the address to read a ledger at: SQLite keeps files beside it, unless it is told that nobody writes.

    That is said only of a ledger nobody has open, in a directory where this reader may not create such files.
    """
    in_use = path.with_name(f"{path.name}-wal").exists()
    closed = not in_use and not os.access(path.parent, os.W_OK)
    return f"{path.resolve().as_uri()}{'?immutable=1' if closed else ''}"


def _prepare(connection: apsw.Connection, path: Path, steps: Sequence[Migration], *, synced: bool) -> None:
    connection.set_busy_timeout(BUSY_MS)
    if connection.readonly("main"):  # SQLite falls back to that in silence
        raise apsw.ReadOnlyError("opened read-only")
    _check_owner(connection, path, steps[-1].number)
    mode = connection.pragma("journal_mode", "wal")
    if mode != "wal":
        raise LedgerError(
            f"ledger {path}: expected a write-ahead log, found journal mode {mode!r}: put it on a local disk"
        )
    connection.pragma("synchronous", "FULL" if synced else "OFF")
    damage = connection.pragma("quick_check", 1)
    if damage != "ok":
        raise apsw.CorruptError(str(damage))
    migrate(connection, steps)
    if changed := rules_changed(connection, steps):
        raise LedgerError(
            f"ledger {path}: its own rules are not as they were made ({', '.join(changed)}): somebody has changed the "
            "file by hand; prove what is in it with terrahash audit verify, then restore a backup or begin a new one"
        )


def rules_changed(connection: apsw.Connection, steps: Sequence[Migration]) -> list[str]:
    """Return the names of tables, indexes and triggers that are missing, were altered, or were never made here."""
    with closing(apsw.Connection(":memory:")) as model:
        migrate(model, steps)
        return sorted({name for name, _ in _rules(connection) ^ _rules(model)})


def _rules(connection: apsw.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))


def _check_owner(connection: apsw.Connection, path: Path, known: int) -> None:
    application, version = connection.pragma("application_id"), connection.pragma("user_version")
    has_tables = connection.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").get
    if application != APPLICATION_ID and has_tables:
        raise LedgerError(f"ledger {path}: the file is another program's database: name another with --ledger")
    if version > known:
        raise LedgerError(
            f"ledger {path}: it has schema {version}, this version of the agent knows up to {known}: upgrade the agent"
        )


def migrate(connection: apsw.Connection, steps: Sequence[Migration]) -> None:
    """Take the steps that a ledger has not taken yet, all or none."""
    version = connection.pragma("user_version")
    if version == steps[-1].number:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in steps:
            if step.number > version:
                connection.execute(step.sql)
                connection.pragma("user_version", step.number)
        connection.execute("COMMIT")
    except apsw.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
