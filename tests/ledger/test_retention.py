"""Archives: old events leave, the chain goes on, and what is remembered stays what it was."""

import io
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest
from rich.console import Console

from agent.cli.scenario_run import play_scenario, read_scenario, shipped
from agent.clock import Clock
from agent.config.scenario import TierName
from agent.ledger import checkpoint, database
from agent.ledger.chain import Broken, Sound
from agent.ledger.database import LedgerError
from agent.ledger.fold import State
from agent.ledger.queries import current, history
from agent.ledger.reader import archives, audit, read
from agent.ledger.retention import archive
from agent.ledger.store import Ledger
from agent.model.errors import PolicyError
from agent.model.events import Actor, Archived, Record
from tests.ledger.examples import EPOCH_S, LIFE, HandClock


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ledger of a simulated site on which two miners broke twice."""
    path = tmp_path_factory.mktemp("played") / "ledger.sqlite3"
    scenario = read_scenario(shipped()["breaks-twice"], tier=TierName.FAST_FORWARD)
    play_scenario(scenario, path, console=Console(file=io.StringIO()), log=io.StringIO())
    return path


@pytest.fixture
def path(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(played, tmp_path / "ledger.sqlite3"))


def held(state: State) -> dict[str, Any]:
    """Return what it holds; cycles as text, as a time that there is none of equals no other."""
    return {**vars(state), "windows": vars(state.windows), "cycles": repr(state.cycles)}


def folded(records: list[Record]) -> State:
    state = State()
    for record in records:
        state.apply(record)
    return state


def later(path: Path) -> Clock:
    return HandClock(list(read(path))[-1].at + 60.0).clock()


def life() -> list[Record]:
    """Return a life with every kind of event in it."""
    return [Record(k, EPOCH_S + k, Actor.OPERATOR, event, "", "") for k, event in enumerate(LIFE, 1)]


# -- the checkpoint ----------------------------------------------------------------------------------------------------


def test_a_checkpoint_has_every_field_of_the_memory() -> None:
    assert set(checkpoint.FIELDS) == set(vars(State())), "a new field of the memory has to be stored, too"


@pytest.mark.parametrize("source", ["a life with every kind of event", "a simulated site"])
def test_wherever_it_is_cut_the_fold_over_the_rest_equals_the_fold_over_the_whole(played: Path, source: str) -> None:
    records = life() if source.startswith("a life") else list(read(played))
    whole, before = folded(records), State()
    for cut in range(len(records) + 1):
        after = State()
        checkpoint.unpack(checkpoint.pack(before), after)
        assert held(after) == held(before)
        for record in records[cut:]:
            after.apply(record)
        assert held(after) == held(whole), f"cut after event {cut}"
        if cut < len(records):
            before.apply(records[cut])


def test_what_is_no_checkpoint_is_refused_and_changes_nothing() -> None:
    state = folded(life())
    stored = checkpoint.pack(state)
    for broken in (
        b"",
        b"\x80",
        stored[:-1],
        stored[:200] + b"\xc1" + stored[201:],
        stored.replace(b"_owner", b"_loser"),
    ):
        empty = State()
        with pytest.raises(LedgerError, match="expected a checkpoint"):
            checkpoint.unpack(broken, empty)
        assert held(empty) == held(State())


# -- archives ----------------------------------------------------------------------------------------------------------


async def test_what_was_archived_is_read_proven_and_remembered_as_before(path: Path) -> None:
    records, whole = list(read(path)), current(path)
    first = archive(path, records[len(records) // 2].at, later(path))
    second = archive(path, records[-1].at, later(path))
    assert (first.first_seq, second.first_seq) == (1, first.last_seq + 1)
    assert archives(path) == [first, second]

    assert [record for record in read(path) if not isinstance(record.event, Archived)][: second.last_seq] == records[
        : second.last_seq
    ]
    told = [record for record in read(path) if isinstance(record.event, Archived)]
    assert [(r.actor, r.event.last_seq, r.event.head) for r in told] == [  # type: ignore[union-attr]
        (Actor.OPERATOR, one.last_seq, one.last_hash) for one in (first, second)
    ]
    assert audit(path) == Sound(told[-1].seq, told[-1].hash)
    now = current(path)
    assert held(now) | {"seq": 0} == held(whole) | {"seq": 0}
    incident = next(iter(whole.incidents))
    found = history(path, incident)
    assert found is not None
    assert found.incident == whole.incidents[incident]

    ledger = Ledger.open(path, later(path), threaded=False)
    (record,) = await ledger.append(LIFE[:1])
    await ledger.close()
    assert (record.seq, record.prev) == (told[-1].seq + 1, told[-1].hash)
    assert audit(path) == Sound(record.seq, record.hash)


def test_an_archive_is_a_read_only_ledger_of_its_own(path: Path) -> None:
    records = list(read(path))
    made = archive(path, records[-1].at, later(path))
    file = path.with_name(made.file)
    assert file.stat().st_mode & 0o222 == 0
    assert list(read(file)) == records[: made.last_seq]
    assert audit(file) == Sound(made.last_seq, made.last_hash)


def test_without_its_archive_a_ledger_says_where_it_is_and_knows_what_was(path: Path) -> None:
    whole = current(path)
    made = archive(path, list(read(path))[-1].at, later(path))
    path.with_name(made.file).unlink()
    assert current(path).incidents == whole.incidents
    for reading in (lambda: list(read(path)), lambda: audit(path), lambda: history(path, next(iter(whole.incidents)))):
        with pytest.raises(LedgerError, match=rf"are in the archive {made.file}, which is not beside it: put it back"):
            reading()


def test_a_changed_archive_and_a_changed_checkpoint_are_found(path: Path) -> None:
    made = archive(path, list(read(path))[-1].at, later(path))
    with apsw.Connection(str(path)) as connection:
        connection.execute("DROP TRIGGER archives_are_never_updated")
        connection.execute("UPDATE archives SET checkpoint = ?", (checkpoint.pack(State()),))
    with pytest.raises(LedgerError, match=r"is not what event \d+ vouches for"):
        current(path)

    file = path.with_name(made.file)
    file.chmod(0o644)
    with apsw.Connection(str(file)) as connection:
        connection.execute("DROP TRIGGER events_are_never_updated")
        connection.execute("UPDATE events SET at_ms = at_ms + 1 WHERE seq = 4")
    found = audit(path)
    assert isinstance(found, Broken)
    assert found.seq == 4


def test_a_checkpoint_of_another_version_is_made_anew_from_the_archives(path: Path) -> None:
    """What another version remembered is none of this one's: the archives tell it, if they are there."""
    whole = current(path)
    made = archive(path, list(read(path))[-1].at, later(path))
    fields = checkpoint.FIELDS.pop("fell")
    try:
        assert set(checkpoint.FIELDS) != set(vars(State()))
        assert current(path).incidents == whole.incidents
        path.with_name(made.file).unlink()
        with pytest.raises(LedgerError, match="put it back"):
            current(path)
    finally:
        checkpoint.FIELDS["fell"] = fields


def test_nothing_is_cut_while_something_is_under_way(path: Path) -> None:
    records = list(read(path))
    opened = next(r for r in records if r.event.__struct_config__.tag == "intended")
    made = archive(path, opened.at + 0.5, later(path))
    assert made.last_seq < opened.seq
    with pytest.raises(PolicyError, match="nothing under way after them"):
        archive(path, records[0].at, later(path))


def test_a_running_agent_keeps_its_ledger(path: Path) -> None:
    before, owned = path.read_bytes(), database.claim(path)
    with pytest.raises(LedgerError, match="a running agent owns it"):
        archive(path, EPOCH_S * 2, later(path))
    assert path.read_bytes() == before
    owned.close()


def test_an_archive_that_was_cut_short_is_taken_up_again(path: Path) -> None:
    """The process died between the archive's name and the ledger's: everything is there, and once more."""
    twin = Path(shutil.copy(path, path.with_name("twin.sqlite3")))
    before = list(read(path))[-1].at
    made = archive(path, before, later(path))
    shutil.copy(path.with_name(made.file), path.with_name(made.file.replace("ledger", "twin")))
    path.with_name("twin.sqlite3.new").write_bytes(b"half")
    assert archive(twin, before, later(twin)).last_hash == made.last_hash
    assert isinstance(audit(twin), Sound)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM archives",
        "UPDATE archives SET file = 'x'",
        "INSERT OR REPLACE INTO archives SELECT last_seq, first_seq, last_hash, 'x', checkpoint FROM archives",
        "INSERT INTO archives SELECT last_seq + 5, last_seq + 1, last_hash, 'x', checkpoint FROM archives",
    ],
)
def test_what_was_archived_cannot_be_rewritten_with_sql(path: Path, statement: str) -> None:
    archive(path, list(read(path))[-1].at, later(path))
    connection = apsw.Connection(str(path))
    with pytest.raises(apsw.ConstraintError, match="archives"):
        connection.execute(statement)
    connection.close()
