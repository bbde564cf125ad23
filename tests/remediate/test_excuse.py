"""What excuses an image: power that was lost at that place while that board was written, and nothing less."""

from agent.model.action import Result
from agent.model.ids import IncidentId
from agent.model.site_view import SiteView
from agent.remediate.excuse import LATE_S, excuse_of
from tests.guard.test_flash import SITE, Told

HERE, ELSEWHERE = "pdu:pdu-1", "pdu:pdu-2"


def excuse(told: Told, number: int = 1) -> str | None:
    memory = told.again()
    found = excuse_of(SiteView(SITE), memory, memory.incidents[IncidentId(f"inc-00000{number}")])
    return None if found is None else found.id


def test_power_that_was_lost_after_the_flash_began_excuses_its_image() -> None:
    assert excuse(Told().begun(1, result=Result.UNKNOWN).dark(7, HERE)) == "inc-000007"
    assert excuse(Told().begun(1, result=None).dark(7, HERE)) == "inc-000007"


def test_nothing_else_does() -> None:
    assert excuse(Told().begun(1, result=Result.UNKNOWN)) is None
    assert excuse(Told().begun(1, result=Result.UNKNOWN).dark(7, ELSEWHERE)) is None
    assert excuse(Told().dark(7, HERE).begun(1, result=Result.UNKNOWN)) is None, "it was over"
    assert excuse(Told().begun(1).dark(7, HERE)) is None, "the flash had ended"
    assert excuse(Told().begun(1, result=Result.UNKNOWN).dark(7, HERE).verified(1)) is None, "it did not cost the flash"
    assert excuse(Told().begun(1, result=Result.FAILED).dark(7, HERE)) is None, "nothing was written"
    assert excuse(Told().begun(2, result=Result.UNKNOWN).dark(7, HERE)) is None, "another one's flash"


def test_a_loss_long_after_is_another_story() -> None:
    told = Told().begun(1, result=Result.UNKNOWN)
    late = told.records[-1].at + LATE_S + 1.0
    assert excuse(told.dark(7, HERE, at=late)) is None
    assert excuse(Told().begun(1, result=Result.UNKNOWN).dark(7, HERE, at=late - 2.0)) == "inc-000007"
