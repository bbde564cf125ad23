"""A site on which a person confirms each action: by the API's own routes, held against plant and ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agent.api.approvals import Question, Questions
from agent.api.groups import routes_of
from agent.api.routes import Failure, Routes
from agent.model.action import Risk, Verb
from agent.model.events import Actor, ApprovalAsked, ApprovalDenied, ApprovalGiven, Escalated, Intended
from agent.model.incident import Outcome, Phase
from agent.model.topology import Family
from agent.remediate.outlook import Outlook
from simulators.plant.journal import What
from tests.scenarios.site_bench import Bench, Story, configuration, play
from tests.scenarios.test_stuck import closed

STOCK, LUXOS = Family.ANTMINER_STOCK, Family.LUXOS
SHORT_S = 600


async def asked(bench: Bench, method: str, target: str, body: object = None) -> bytes | str:
    """Return what the running agent answers; a refusal's words."""
    sent = b"" if body is None else msgspec.json.encode(body)
    reply = await Routes(routes_of(bench.agent)).answer(method, f"/v1{target}", sent)
    return reply.body if reply.status == 200 else msgspec.json.decode(reply.body, type=Failure).error


async def pending(bench: Bench, *, everything: bool = False) -> list[Question]:
    body = await asked(bench, "GET", "/approvals/all" if everything else "/approvals")
    assert isinstance(body, bytes)
    return list(msgspec.json.decode(body, type=Questions).approvals)


async def answer(bench: Bench, verb: str, which: str, **body: str) -> Question | str:
    told = await asked(bench, "POST", f"/approvals/{which}/{verb}", body)
    return told if isinstance(told, str) else msgspec.json.decode(told, type=Question)


async def until_asked(bench: Bench) -> Question:
    await bench.until(
        lambda: any(a.is_pending(bench.agent.now()) for a in bench.agent.memory.approvals.values()), 900.0
    )
    (question,) = await pending(bench)
    return question


def told(kind: str, then: Callable[[Bench, Question], Awaitable[None]]) -> Story:
    """Break a miner, wait for the question, and go on from there."""

    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_(kind, "m1")
        await then(bench, await until_asked(bench))

    return story


def on_approval(
    folder: Path, then: Callable[[Bench, Question], Awaitable[None]], kind: str = "miner.process_died"
) -> Bench:
    tree = configuration([(STOCK, 1)], mode="approve", guard={"approval_s": SHORT_S})
    bench = play(folder, tree, told(kind, then), is_simulated=False)
    confirmed(bench)
    return bench


def confirmed(bench: Bench) -> None:
    """Every intent that needs one names an approval of its own, given before it and not expired."""
    given: dict[str, float] = {}
    expires = {event.approval: event.expires_at for event in bench.events(ApprovalAsked)}
    used: list[str] = []
    for record in bench.records:
        event = record.event
        if isinstance(event, ApprovalGiven):
            assert record.actor is Actor.OPERATOR
            given[event.approval] = record.at
        elif isinstance(event, ApprovalDenied):
            given.pop(event.approval, None)
        elif isinstance(event, Intended):
            if event.action.traits.risk is Risk.OBSERVE or event.action.verb is Verb.POWER_ON:
                continue
            assert event.approval is not None
            assert given[event.approval] <= record.at < expires[event.approval]
            used.append(event.approval)
    assert len(used) == len(set(used))


def test_what_a_person_confirms_is_done_and_counts_as_assisted(tmp_path: Path) -> None:
    async def then(bench: Bench, question: Question) -> None:
        assert (question.verb, question.risk, question.miners) == ("restart", "soft", ("m1",))
        ahead = await asked(bench, "GET", f"/incidents/{question.incident}/outlook")
        assert isinstance(ahead, bytes)
        told = msgspec.json.decode(ahead, type=Outlook)
        assert (told.waits_for, told.until) == ("a person to confirm restart m1", question.expires_at)
        assert "expected the id" in str(await asked(bench, "GET", "/incidents/inc-9/outlook"))
        await bench.run(60.0)
        assert bench.actions == []
        given = await answer(bench, "approve", question.id, by="kim")
        assert isinstance(given, Question)
        assert (given.standing, given.by) == ("given", "kim")
        await bench.until(lambda: closed(bench), 1500.0)
        (over,) = await pending(bench, everything=True)
        assert over.standing == "used"

    bench = on_approval(tmp_path, then)
    bench.check(touched=["m1"])
    assert bench.done_to("m1") == [What.RESTART]
    assert bench.incident("m1").outcome is Outcome.ASSISTED


def test_a_power_cycle_is_confirmed_once_and_its_switch_on_is_owed(tmp_path: Path) -> None:
    async def then(bench: Bench, question: Question) -> None:
        assert question.outlets == ("pdu-a/1",)
        await answer(bench, "approve", question.id)
        await bench.until(lambda: closed(bench), 2000.0)

    bench = on_approval(tmp_path, then, "miner.control_board_hung")
    bench.check(touched=["m1"])
    assert len(bench.events(ApprovalAsked)) == 1
    assert bench.incident("m1").outcome is Outcome.ASSISTED
    assert bench.relay_on("pdu-a/1")


def test_what_is_denied_is_not_done_and_a_person_has_it_with_the_reason(tmp_path: Path) -> None:
    async def then(bench: Bench, question: Question) -> None:
        denied = await answer(bench, "deny", question.id, why="the owner is working on it")
        assert isinstance(denied, Question)
        await bench.run(600.0)
        assert f"{question.id} is denied: expected one that is asked" in str(
            await answer(bench, "approve", question.id)
        )

    bench = on_approval(tmp_path, then)
    assert bench.actions == []
    (escalated,) = bench.events(Escalated)
    assert escalated.reason == "approval_denied"
    assert escalated.evidence["denied_because"] == "the owner is working on it"


def test_a_confirmation_can_be_taken_back_until_it_is_used(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start(ticking=False)
        await bench.run(30.0)
        bench.break_("miner.process_died", "m1")
        while not await pending(bench):
            await bench.agent.tick()
            await bench.sleep(bench.settings.tick_s)
        await answer(bench, "approve", "ap-000001")
        assert isinstance(await answer(bench, "deny", "ap-000001", why="on second thoughts"), Question)
        bench.tick()
        await bench.run(300.0)

    bench = play(tmp_path, configuration([(STOCK, 1)], mode="approve"), story, is_simulated=False)
    confirmed(bench)
    assert bench.actions == []
    assert bench.incident("m1").escalation_reason == "approval_denied"


@pytest.mark.parametrize("restarted", [False, True])
def test_what_nobody_answers_in_time_is_a_person_s(tmp_path: Path, restarted: bool) -> None:
    async def then(bench: Bench, question: Question) -> None:
        if restarted:
            await bench.kill()
            await bench.sleep(SHORT_S + 1.0)
            await bench.start()
        await bench.run(SHORT_S + 10.0)
        assert await pending(bench) == []
        assert "is unwanted" in str(await answer(bench, "approve", question.id))

    bench = on_approval(tmp_path, then)
    assert bench.actions == []
    assert bench.incident("m1").escalation_reason == "approval_expired"
    assert len(bench.events(ApprovalAsked)) == 1


@pytest.mark.parametrize("kill_first", [True, False], ids=["asked-kill-approve", "approve-kill-use"])
def test_an_approval_outlives_the_agent(tmp_path: Path, kill_first: bool) -> None:
    async def then(bench: Bench, question: Question) -> None:
        bench._running.cancel() if bench._running else None
        if not kill_first:
            await answer(bench, "approve", question.id)
        await bench.kill()
        await bench.start()
        if kill_first:
            assert [q.id for q in await pending(bench)] == [question.id]
            await answer(bench, "approve", question.id)
        await bench.until(lambda: closed(bench), 1500.0)

    bench = on_approval(tmp_path, then)
    bench.check(touched=["m1"])
    assert bench.done_to("m1") == [What.RESTART]
    assert bench.incident("m1").outcome is Outcome.ASSISTED
    assert len(bench.events(ApprovalAsked)) == 1


def test_a_miner_that_recovered_in_between_is_left_alone(tmp_path: Path) -> None:
    async def then(bench: Bench, question: Question) -> None:
        bench.plant("m1").repair(bench.now)
        await bench.until(lambda: not bench.agent.memory.open_incidents, 1500.0)
        assert await pending(bench) == []
        assert "is unwanted" in str(await answer(bench, "approve", question.id))
        await bench.run(60.0)

    bench = on_approval(tmp_path, then)
    assert bench.actions == []
    assert bench.events(ApprovalGiven) == []
    assert bench.incident("m1").outcome is Outcome.SELF_RECOVERED


def test_every_gate_is_asked_again_when_it_is_used(tmp_path: Path) -> None:
    async def then(bench: Bench, question: Question) -> None:
        why = bench.path.with_name("hold")
        bench.agent._hold = type("Held", (), {"why": lambda _: "electrician" if why.exists() else None})()  # type: ignore[assignment]
        why.touch()
        await bench.run(10.0)
        await answer(bench, "approve", question.id)
        await bench.run(120.0)
        assert bench.actions == []
        why.unlink()
        await bench.until(lambda: closed(bench), 1500.0)

    bench = on_approval(tmp_path, then)
    assert bench.done_to("m1") == [What.RESTART]


def test_two_people_who_confirm_at_the_same_time_confirm_once(tmp_path: Path) -> None:
    async def then(bench: Bench, question: Question) -> None:
        both = await asyncio.gather(answer(bench, "approve", question.id), answer(bench, "approve", question.id))
        assert sum(isinstance(one, Question) for one in both) == 1
        await bench.until(lambda: closed(bench), 1500.0)

    bench = on_approval(tmp_path, then)
    assert bench.done_to("m1") == [What.RESTART]
    assert len(bench.events(ApprovalGiven)) == 1


NO_ANSWERS: list[tuple[str, str, dict[str, str], str]] = [
    ("approve", "ap-999999", {}, "expected the id of an approval"),
    ("approve", "x" * 200, {}, "expected the id of an approval"),
    ("approve", "ap-000001", {"by": "x" * 65}, "does not fit"),
    ("approve", "ap-000001", {"bye": "kim"}, "does not fit"),
    ("deny", "ap-000001", {}, "does not fit"),
    ("deny", "ap-000001", {"why": ""}, "does not fit"),
    ("deny", "ap-000001", {"why": "  "}, "does not fit"),
    ("deny", "ap-000001", {"why": "x" * 501}, "does not fit"),
    ("deny", "ap-000001", {"why": "two\nlines"}, "does not fit"),
    ("grant", "ap-000001", {}, "expected one of"),
]


def test_what_is_no_answer_changes_nothing(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start(ticking=False)
        for verb, which, body, words in NO_ANSWERS:
            assert words in str(await answer(bench, verb, which, **body)), (verb, which, body)

    bench = play(tmp_path, configuration([(LUXOS, 1)], mode="approve"), story, is_simulated=False)
    assert {record.actor for record in bench.records} == {Actor.AGENT}


def test_a_person_is_asked_by_risk(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_("miner.process_died", "m1")
        bench.break_("miner.control_board_hung", "m2")
        question = await until_asked(bench)
        assert (question.verb, question.miners) == ("power_off", ("m2",))
        await bench.until(lambda: bench.incident("m1").outcome is Outcome.AUTO_RESOLVED, 1500.0)

    tree = configuration([(STOCK, 1), (LUXOS, 1)], mode="approve", trust={"stuck_miner": {"soft": "auto"}})
    bench = play(tmp_path, tree, story, is_simulated=False)
    assert bench.done_to("m1") == [What.RESTART]
    assert bench.done_to("m2") == []


def test_after_a_change_of_trust_the_question_is_moot(tmp_path: Path) -> None:
    async def then(bench: Bench, _: Question) -> None:
        await bench.stop()
        bench.settings = replace(bench.settings, mode=type(bench.settings.mode).OBSERVE)
        await bench.start()
        await answer(bench, "approve", "ap-000001")
        await bench.run(300.0)

    bench = on_approval(tmp_path, then)
    assert bench.actions == []
    assert (bench.incident("m1").phase, bench.incident("m1").escalation_reason) == (Phase.ESCALATED, "observe_mode")
