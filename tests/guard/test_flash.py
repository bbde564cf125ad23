"""The gate of flashes: what may not disturb one, which image may go where and when. All of it told by the ledger."""

from dataclasses import replace

import pytest

from agent.guard.flash import flash
from agent.guard.limits import GuardLimits
from agent.guard.order import judge
from agent.guard.request import Request
from agent.ledger.fold import State
from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import (
    Actor,
    AnyEvent,
    Closed,
    Escalated,
    ImageReleased,
    IncidentOpened,
    Intended,
    Record,
    Settled,
)
from agent.model.guard import Allow, Defer, GuardReason, Mode, Refuse
from agent.model.ids import ImageId, IncidentId, MinerId, RunId
from agent.model.incident import Category, Outcome, Reason, Severity
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.topology import Family, Image
from tests.factory import EPOCH, miner, put_outlets, site

A, B = ImageId("a" * 64), ImageId("b" * 64)
FAMILY = Family.ANTMINER_STOCK


def image(sha256: ImageId, *models: str) -> Image:
    return Image(sha256, "/nowhere", FAMILY, models or ("S19 Pro", "S21"), ("AMLCtrl",), "2")


MINERS = (
    miner(1),
    miner(2),
    replace(miner(3), model="S21"),
    miner(4),
    replace(miner(5), control_board="CVCtrl"),
    miner(6, outlets=(1,)),
)
SITE = replace(site(MINERS, rating_a=100.0), images=(image(A), image(B, "S19 Pro")))


class Told:
    """A ledger in which each miner `m<n>` has an incident `inc-00000<n>`."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.state = State()
        for number in range(1, 7):
            self._tell(
                IncidentOpened(
                    incident=IncidentId(f"inc-00000{number}"),
                    category=Category.FIRMWARE,
                    cause=Reason.BOOT_LOOP,
                    severity=Severity.MEDIUM,
                    members=(MinerId(f"m{number}"),),
                    detected_at=EPOCH,
                    evidence={},
                )
            )

    def begun(self, number: int, sha256: ImageId = A, result: Result | None = Result.OK) -> "Told":
        """A flash was intended and, unless `result` is None, settled."""
        return self._act(Verb.FLASH, number, sha256, result)

    def verified(self, number: int, sha256: ImageId = A, result: Result = Result.OK) -> "Told":
        return self._act(Verb.VERIFY_FIRMWARE, number, sha256, result)

    def closed(self, number: int) -> "Told":
        return self._tell(Closed(incident=IncidentId(f"inc-00000{number}"), outcome=Outcome.AUTO_RESOLVED))

    def escalated(self, number: int, excused_by: int | None = None) -> "Told":
        excuse = None if excused_by is None else IncidentId(f"inc-00000{excused_by}")
        incident = IncidentId(f"inc-00000{number}")
        return self._tell(Escalated(incident=incident, reason="", tried=(), evidence={}, excused_by=excuse))

    def dark(self, number: int, domain: str, at: float | None = None) -> "Told":
        """Several lost their power, and it is known now."""
        return self._tell(
            IncidentOpened(
                incident=IncidentId(f"inc-00000{number}"),
                category=Category.OTHER,
                cause=Reason.POWER_LOST,
                severity=Severity.HIGH,
                members=(MinerId("m2"), MinerId("m4")),
                detected_at=EPOCH + len(self.records) if at is None else at,
                evidence={},
                domain=domain,
            )
        )

    def released(self, sha256: ImageId = A) -> "Told":
        return self._tell(ImageReleased(image=sha256))

    def again(self) -> State:
        """The memory of an agent that was started anew on this ledger."""
        state = State()
        for record in self.records:
            state.apply(record)
        return state

    def ask(
        self,
        verb: Verb,
        number: int,
        sha256: ImageId | None = None,
        *,
        at_once: int = 1,
        now: float = EPOCH + 1000.0,
        wanted: tuple[Action, ...] = (),
    ) -> "Allow | Defer | Refuse":
        """What the gates say, asked of a memory folded anew."""
        memory = self.again()
        view = SiteView(SITE)
        put_outlets(view, now - 5.0)
        view.polled_at.fill(now - 5.0)
        outlets = MINERS[number - 1].outlets if verb in (Verb.POWER_OFF, Verb.POWER_ON) else ()
        request = Request(
            Action(verb=verb, miner=MinerId(f"m{number}"), outlets=outlets, image=sha256),
            memory.incidents[IncidentId(f"inc-00000{number}")],
            now,
            view,
            memory,
            wanted,
            GuardLimits(flashes_at_once=at_once),
            dict.fromkeys(Risk, Mode.AUTO),
        )
        return judge(request)[1]

    def _act(self, verb: Verb, number: int, sha256: ImageId, result: Result | None) -> "Told":
        incident, run = IncidentId(f"inc-00000{number}"), RunId("r")
        action = Action(verb=verb, miner=MinerId(f"m{number}"), image=sha256)
        self._tell(Intended(incident=incident, run=run, state="s", attempt=1, action=action))
        if result is None:
            return self
        return self._tell(
            Settled(
                incident=incident,
                run=run,
                attempt=1,
                action=action,
                result=result,
                detail="",
                from_state="s",
                to_state="t",
                trigger="u",
            )
        )

    def _tell(self, event: AnyEvent) -> "Told":
        record = Record(len(self.records) + 1, EPOCH + len(self.records), Actor.AGENT, event, "", "")
        self.records.append(record)
        self.state.apply(record)
        return self


DISTURBING = [Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF, Verb.BOUNCE_PORT, Verb.SWITCH_POOL]


@pytest.mark.parametrize("verb", DISTURBING)
@pytest.mark.parametrize("result", [Result.OK, Result.UNKNOWN])
def test_nothing_disturbs_a_flash_that_nobody_saw_end(verb: Verb, result: Result) -> None:
    told = Told().begun(1, result=result)
    assert told.ask(verb, 1) == Refuse(GuardReason.FLASHING)
    assert told.verified(1, result=Result.UNKNOWN).ask(verb, 1) == Refuse(GuardReason.FLASHING)
    assert told.escalated(1).closed(1).ask(verb, 1) == Refuse(GuardReason.FLASHING), "not even when it is over"
    assert told.released().ask(verb, 1) == Allow()


def test_a_neighbour_on_the_same_outlet_keeps_it_on() -> None:
    told = Told().begun(6, result=Result.UNKNOWN)
    assert told.ask(Verb.POWER_OFF, 1) == Refuse(GuardReason.FLASHING)
    assert told.ask(Verb.POWER_OFF, 2) == Allow()


def test_in_the_tick_in_which_a_flash_begins_nothing_disturbs_it() -> None:
    begins = Action(verb=Verb.FLASH, miner=MinerId("m6"), image=A)
    assert Told().ask(Verb.POWER_OFF, 1, wanted=(begins,)) == Refuse(GuardReason.FLASHING)
    assert isinstance(Told().ask(Verb.FLASH, 2, A, wanted=(begins,)), Defer)


@pytest.mark.parametrize("verb", [Verb.COLLECT_LOGS, Verb.VERIFY_FIRMWARE, Verb.POWER_ON])
def test_looking_and_switching_on_disturb_nothing(verb: Verb) -> None:
    assert Told().begun(1, result=Result.UNKNOWN).ask(verb, 1, A) == Allow()


def test_a_flash_that_did_not_begin_or_was_verified_is_over() -> None:
    assert Told().begun(1, result=Result.FAILED).ask(Verb.POWER_OFF, 1) == Allow()
    assert Told().begun(1).verified(1).ask(Verb.REBOOT, 1) == Allow()
    assert Told().begun(1).verified(1, B).ask(Verb.REBOOT, 1) == Refuse(GuardReason.FLASHING), "another image's proof"


def test_only_images_of_the_list_go_in_and_only_where_they_belong() -> None:
    assert Told().ask(Verb.FLASH, 1, A) == Allow()
    for number, sha256 in ((1, None), (1, ImageId("c" * 64)), (3, B), (5, A)):
        assert Told().ask(Verb.FLASH, number, sha256) == Refuse(GuardReason.IMAGE_NOT_ALLOWED)


def test_the_first_of_an_image_on_a_model_is_proved_before_the_next() -> None:
    told = Told().begun(1)
    assert told.ask(Verb.FLASH, 2, A, at_once=9) == Defer(EPOCH + 1010.0, GuardReason.CANARY)
    assert told.verified(1).ask(Verb.FLASH, 2, A) == Defer(EPOCH + 1010.0, GuardReason.CANARY)
    told.closed(1)
    assert told.ask(Verb.FLASH, 2, A) == Allow()
    assert told.ask(Verb.FLASH, 3, A) == Allow(), "the canary of another model"
    told.begun(2)
    assert told.ask(Verb.FLASH, 4, A, at_once=9) == Defer(EPOCH + 1010.0, GuardReason.CANARY), (
        "one of an image at a time"
    )
    assert told.verified(2).ask(Verb.FLASH, 4, A) == Allow(), "a proved image need not be proved for an hour each time"
    assert told.ask(Verb.FLASH, 3, A) == Defer(EPOCH + 1010.0, GuardReason.CANARY), "but on another model it must"


def test_one_flash_at_a_time_on_the_site() -> None:
    told = Told().begun(1)
    assert told.ask(Verb.FLASH, 2, B) == Defer(EPOCH + 1010.0, GuardReason.FLASHES_AT_ONCE)
    assert told.ask(Verb.FLASH, 2, B, at_once=2) == Allow()


@pytest.mark.parametrize("verified", [False, True])
def test_the_first_bad_end_freezes_an_image_until_a_person_releases_it(verified: bool) -> None:
    told = Told().begun(1)
    if verified:
        told.verified(1)
    told.escalated(1)
    assert told.ask(Verb.FLASH, 2, A) == Refuse(GuardReason.IMAGE_FROZEN)
    assert told.ask(Verb.FLASH, 2, B) == Allow()
    assert told.released().ask(Verb.FLASH, 2, A) == Allow()


def test_a_flash_that_lost_its_power_freezes_nothing_and_proves_nothing() -> None:
    told = Told().begun(1, result=Result.UNKNOWN).escalated(1, excused_by=7)
    assert told.ask(Verb.POWER_OFF, 1) == Refuse(GuardReason.FLASHING), "nobody knows what became of it"
    assert told.ask(Verb.FLASH, 2, A) == Allow()
    told.begun(2)
    assert told.ask(Verb.FLASH, 4, A, at_once=9) == Defer(EPOCH + 1010.0, GuardReason.CANARY)
    told.escalated(2)
    assert told.ask(Verb.FLASH, 4, A) == Refuse(GuardReason.IMAGE_FROZEN), "it costs one more at most"
    assert told.released().ask(Verb.POWER_OFF, 1) == Allow()


def test_nobody_is_flashed_twice_for_one_fault() -> None:
    told = Told().begun(1).verified(1)
    assert told.ask(Verb.FLASH, 1, A) == Refuse(GuardReason.FLASHED_BEFORE)
    assert told.closed(1).ask(Verb.FLASH, 1, A) == Refuse(GuardReason.FLASHED_BEFORE)
    assert told.ask(Verb.FLASH, 1, B) == Allow()
    assert told.ask(Verb.FLASH, 1, A, now=EPOCH + 8 * 86_400.0) == Allow(), "what breaks weeks later is another fault"


def test_an_escalation_without_a_flash_freezes_nothing() -> None:
    assert Told().begun(1, result=Result.FAILED).escalated(1).ask(Verb.FLASH, 2, A) == Allow()


def test_who_is_just_booting_is_flashed_when_it_answers_again() -> None:
    view = SiteView(SITE)
    row, now = SITE.rows[MinerId("m1")], EPOCH + 1000.0
    memory = Told().again()
    request = Request(
        Action(verb=Verb.FLASH, miner=MinerId("m1"), image=A),
        memory.incidents[IncidentId("inc-000001")],
        now,
        view,
        memory,
        (),
        GuardLimits(),
        dict.fromkeys(Risk, Mode.AUTO),
    )
    view.reach[row], view.missing_since[row] = Reach.SILENT, now - 60.0
    assert flash(request) == Defer(now + 10.0, GuardReason.STARTING)
    view.missing_since[row] = now - 3600.0
    assert flash(request) == Allow(), "who has been away for so long is not booting: the driver will say what is wrong"
    view.reach[row] = Reach.ANSWERED
    assert flash(request) == Allow()
