"""What a person is told where a flash is behind it: which image, how it stands with that, and what to do."""

from agent.model.action import Action, Verb
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Evidence
from agent.remediate.flash_note import flash_note
from tests.factory import EPOCH
from tests.guard.test_flash import SITE, A, Told

RELEASE = f"terrahash images release {A[:12]}"


def note(told: Told, number: int, *, refused: bool = True, days: float = 3.0) -> Evidence:
    memory = told.again()
    action = Action(verb=Verb.FLASH, miner=MinerId(f"m{number}"), image=A) if refused else None
    now = memory.proven.get(A, {}).get(MinerId("m1"), EPOCH) + days * 86_400.0
    return flash_note(SITE, memory, memory.incidents[IncidentId(f"inc-00000{number}")], now, action)


def test_where_no_flash_is_behind_it_nothing_is_told() -> None:
    assert note(Told(), 1, refused=False) == {}


def test_whose_flash_did_not_end_well_is_to_be_looked_at_with_its_power_on() -> None:
    told = note(Told().begun(1), 1, refused=False)
    assert (told["image"], told["image_version"]) == (A[:12], "2")
    assert RELEASE in str(told["to_do"])
    assert "power on" in str(told["to_do"])


def test_who_waits_for_a_frozen_image_is_told_for_whom() -> None:
    told = note(Told().begun(1).escalated(1), 2)
    assert told["frozen_by"] == "m1 in inc-000001"
    assert RELEASE in str(told["to_do"])


def test_who_was_mended_with_it_lately_gets_no_advice_to_release_it() -> None:
    told = note(Told().begun(1).verified(1).closed(1), 1)
    assert told["flashed_days_ago"] == 3.0
    assert "release" not in str(told["to_do"])
