"""What a person is told where a flash is behind it: which image, how it stands with that, and what to do."""

from agent.model.action import Action, Verb
from agent.model.ids import ImageId, IncidentId, MinerId
from agent.model.incident import Evidence
from agent.remediate.flash_note import flash_note
from tests.factory import EPOCH
from tests.guard.test_flash import SITE, A, Told
from tests.remediate.test_excuse import HERE

RELEASE = f"terrahash images release {A[:12]}"


def note(
    told: Told, number: int, *, refused: ImageId | None = A, days: float = 3.0, excused_by: int | None = None
) -> Evidence:
    memory = told.again()
    action = None if refused is None else Action(verb=Verb.FLASH, miner=MinerId(f"m{number}"), image=refused)
    now = memory.proven.get(A, {}).get(MinerId("m1"), EPOCH) + days * 86_400.0
    incident, excuse = (
        None if n is None else memory.incidents[IncidentId(f"inc-00000{n}")] for n in (number, excused_by)
    )
    assert incident is not None
    return flash_note(SITE, memory, incident, now, action, excuse=excuse)


def test_where_no_flash_is_behind_it_nothing_is_told() -> None:
    assert note(Told(), 1, refused=None) == {}
    assert note(Told().begun(1), 2, refused=None) == {}, "another one's"
    assert note(Told().begun(2).dark(7, HERE), 7, refused=None) == {}, "its first member was flashed in another"


def test_whose_flash_did_not_end_well_is_to_be_looked_at_with_its_power_on() -> None:
    told = note(Told().begun(1), 1, refused=None)
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


def test_whose_power_was_lost_meanwhile_is_told_what_excuses_its_image() -> None:
    told = note(Told().begun(1).dark(7, HERE), 1, refused=None, excused_by=7)
    assert told["excused_by"] == f"inc-000007: power_lost at {HERE}"
    assert (told["image"], told["image_version"]) == (A[:12], "2")
    assert RELEASE in str(told["to_do"])
    assert "Others get this image all the same" in str(told["to_do"])


def test_an_image_that_the_list_has_no_longer_is_told_by_its_digits() -> None:
    told = note(Told(), 1, refused=ImageId("c" * 64))
    assert told == {"image": "c" * 12, "image_version": None}


def test_days_are_told_to_a_tenth() -> None:
    assert note(Told().begun(1).verified(1).closed(1), 1, days=2.26)["flashed_days_ago"] == 2.3
