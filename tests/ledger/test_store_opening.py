"""Opening a ledger: versions, other people's files, damage, and what an operator is told."""

from pathlib import Path

import apsw
import pytest

from agent.ledger import database
from agent.ledger.database import Migration, migrations, open_owned, open_reader, require_safe_sqlite
from agent.ledger.store import Ledger, LedgerError, read
from agent.model.errors import PolicyError
from tests.ledger.examples import LIFE, HandClock


def open_ledger(path: Path) -> Ledger:
    return Ledger.open(path, HandClock().clock(), threaded=False)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return the path of a ledger with a life in it, closed."""
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(path)
    await ledger.append(LIFE)
    await ledger.close()
    return path


def assert_refused_and_free(path: Path, words: str) -> None:
    """Assert that opening is refused in these words, twice: a refusal keeps no ownership."""
    for _ in range(2):
        with pytest.raises(PolicyError, match=words):
            open_ledger(path)


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0"])
def test_an_sqlite_that_can_lose_commits_is_refused(version: str) -> None:
    with pytest.raises(LedgerError, match=rf"expected SQLite 3\.51\.3 or later.*found {version}"):
        require_safe_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.54.1", "4.0.0", apsw.sqlite_lib_version()])
def test_a_safe_sqlite_is_taken(version: str) -> None:
    require_safe_sqlite(version)


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_schema_from_the_future_is_refused_and_untouched(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    before = path.read_bytes()
    assert_refused_and_free(path, "schema 99.*knows up to 2: upgrade the agent")
    with pytest.raises(PolicyError, match="schema 99"):
        read(path)
    assert path.read_bytes() == before


def test_a_later_step_is_taken_once_and_keeps_the_events(path: Path) -> None:
    steps = (*migrations(), Migration(3, "CREATE TABLE anchors (seq INTEGER PRIMARY KEY) STRICT;"))
    with pytest.raises(LedgerError, match="schema 2 is older than this version reads"):
        open_reader(path, steps)
    for _ in range(2):
        connection = open_owned(path, steps)
        assert connection.pragma("user_version") == 3
        assert connection.execute("SELECT count(*) FROM events").get == len(LIFE)
        assert connection.execute("SELECT count(*) FROM anchors").get == 0
        connection.close()


async def test_a_step_that_fails_leaves_the_old_schema(path: Path) -> None:
    steps = (*migrations(), Migration(3, "CREATE TABLE anchors (seq INTEGER); CREATE TABLE events (seq INTEGER);"))
    with pytest.raises(LedgerError, match="already exists"):
        open_owned(path, steps)
    assert [record.event for record in read(path)] == list(LIFE)
    ledger = open_ledger(path)
    await ledger.append(LIFE[:1])
    await ledger.close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with apsw.Connection(str(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    assert_refused_and_free(path, "another program's database")
    with pytest.raises(PolicyError, match="another program's database"):
        read(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("site: north\n" * 200)
    assert_refused_and_free(path, "the file is no ledger")
    with pytest.raises(PolicyError, match="the file is no ledger"):
        read(path)
    assert path.read_text() == "site: north\n" * 200


def test_a_damaged_ledger_is_refused_and_kept(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    assert_refused_and_free(path, "damaged")
    assert path.read_bytes() == bytes(content)
    with pytest.raises(PolicyError, match="damaged"):
        list(read(path))


def test_a_missing_directory_and_a_directory_in_place_of_the_file_are_told(tmp_path: Path) -> None:
    assert_refused_and_free(tmp_path / "none" / "ledger.sqlite3", "expected a directory that takes files")
    (tmp_path / "folder").mkdir()
    assert_refused_and_free(tmp_path / "folder", "cannot be opened")


def test_reading_where_there_is_no_ledger_creates_none(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"expected a file, found none: name it with --ledger or in TERRAHASH_LEDGER"):
        read(tmp_path / "ledger.sqlite3")
    assert list(tmp_path.iterdir()) == []


def test_reading_a_file_whose_agent_has_not_started_yet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.touch()
    with pytest.raises(LedgerError, match="start the agent on it once"):
        read(path)


def test_an_event_kind_of_a_later_version_is_named(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("DROP TRIGGER events_are_never_updated")
    connection.execute("UPDATE events SET body = '{\"kind\":\"teleported\"}', kind = 'teleported' WHERE seq = 3")
    connection.close()
    with pytest.raises(LedgerError, match=r"event 3 \('teleported'\) is none this version knows"):
        list(read(path))


@pytest.mark.parametrize(
    "error",
    [
        apsw.FullError,
        apsw.ReadOnlyError,
        apsw.NotADBError,
        apsw.CorruptError,
        apsw.CantOpenError,
        apsw.PermissionsError,
        apsw.BusyError,
        apsw.LockedError,
        apsw.IOError,
        apsw.SchemaChangeError,
    ],
)
def test_whatever_sqlite_says_is_a_refusal_that_names_the_file(error: type[apsw.Error]) -> None:
    refusal = database.explain(Path("/var/lib/x.sqlite3"), error("said so"))
    assert isinstance(refusal, PolicyError)
    assert "/var/lib/x.sqlite3" in str(refusal)
    assert "said so" in str(refusal)


async def test_a_path_that_looks_like_an_address_is_still_a_path(tmp_path: Path) -> None:
    path = tmp_path / "north yard?mode=rw#1%20.sqlite3"
    ledger = open_ledger(path)
    await ledger.append(LIFE)
    assert len(list(read(path))) == len(LIFE)
    await ledger.close()
