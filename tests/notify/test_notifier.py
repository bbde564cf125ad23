"""Delivery: once, signed, tried again, given up, taken up after a restart, gathered, and never in anybody's way."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.model.ids import ChannelId
from agent.model.notice import Topic
from agent.notify.channels import DELIVERY, SIGNATURE, TIMESTAMP, signature
from agent.notify.notifier import NO_CHANNEL
from agent.notify.settings import Channel
from tests.factory import EPOCH
from tests.notify.bench import APPRISE, HOOK, KEY, QUICK, SECRET_PATH, Desk, Secrets, escalation, listening, play


@pytest.mark.parametrize("channel", [HOOK, APPRISE])
def test_it_is_told_once_and_put_on_record(tmp_path: Path, channel: Channel) -> None:
    async def story() -> None:
        desk = Desk(tmp_path / "l", [channel], listener.secrets)
        await desk.notifier.start(desk)
        await desk.tell(*escalation(1))
        await asyncio.sleep(3600.0)
        assert [(s.notices, s.channel, s.delivered, s.tries) for s in desk.settled] == [
            (("no-000001",), channel.id, True, 1)
        ]
        assert desk.memory.notices == {}
        await desk.stop()

    with listening(200) as listener:
        play(story)
        (heard,) = listener.heard
    assert "m1" in heard.told["title"]


def test_a_post_proves_who_sent_it_and_when(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await desk.notifier.start(desk)
        await desk.tell(*escalation(1))
        await asyncio.sleep(60.0)
        await desk.stop()

    with listening() as listener:
        play(story)
        (heard,) = listener.heard
    timestamp = heard.headers[TIMESTAMP]
    assert heard.headers[SIGNATURE] == signature(KEY, timestamp, heard.body)
    assert heard.headers[SIGNATURE] != signature(KEY, timestamp, heard.body + b" ")
    assert heard.headers[SIGNATURE] != signature(KEY + "x", timestamp, heard.body)
    assert abs(float(timestamp) - EPOCH) < 60.0
    assert heard.headers[DELIVERY] == "no-000001"


def test_the_signature_is_that_of_a_known_answer() -> None:
    wanted = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert signature("key", "1700000000", b"{}") == f"sha256={wanted}"


@pytest.mark.parametrize("statuses", [(503, 500, 200), (429, 408, 204), (0, 200)])
def test_what_may_pass_is_tried_again_ever_more_seldom(tmp_path: Path, statuses: tuple[int, ...]) -> None:
    async def story() -> None:
        desk = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await desk.notifier.start(desk)
        await desk.tell(*escalation(1))
        await asyncio.sleep(600.0)
        (settled,) = desk.settled
        assert (settled.delivered, settled.tries) == (True, len(statuses))
        await desk.stop()

    with listening(*statuses) as listener:
        play(story)
        assert len(listener.heard) == len(statuses)
        assert len({heard.headers[DELIVERY] for heard in listener.heard}) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_what_will_never_pass_is_given_up_at_once(tmp_path: Path, status: int) -> None:
    async def story() -> None:
        desk = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await desk.notifier.start(desk)
        await desk.tell(*escalation(1))
        await asyncio.sleep(600.0)
        (settled,) = desk.settled
        assert (settled.delivered, settled.tries) == (False, 1)
        assert str(status) in settled.detail
        await desk.stop()

    with listening(status) as listener:
        play(story)
        assert len(listener.heard) == 1


def test_nobody_there_is_given_up_in_the_end_and_what_comes_then_is_tried_anew(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path / "l", [HOOK, replace(APPRISE, apprise="gone")], listener.secrets)
        await desk.notifier.start(desk)
        await desk.tell(*escalation(1))
        await asyncio.sleep(1200.0)
        assert {s.channel: (s.delivered, s.tries) for s in desk.settled} == {"hook": (False, 6), "crew": (False, 1)}
        assert not [s for s in desk.settled if SECRET_PATH in s.detail or str(listener.port) in s.detail]
        listener.statuses[:] = [200]
        await desk.tell(*escalation(2))
        await asyncio.sleep(60.0)
        assert [s.delivered for s in desk.settled if s.channel == "hook"] == [False, True]
        await desk.stop()

    with listening(500) as listener:
        play(story)


def test_a_restart_between_due_and_delivered_neither_loses_nor_repeats(tmp_path: Path) -> None:
    async def story() -> None:
        first = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await first.notifier.start(first)
        await first.tell(*escalation(1))
        await asyncio.sleep(8.0)
        await first.stop()
        assert first.settled == []
        second = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await second.notifier.start(second)
        await asyncio.sleep(600.0)
        assert [(s.notices, s.delivered) for s in second.settled] == [(("no-000001",), True)]
        await second.stop()
        third = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await third.notifier.start(third)
        await asyncio.sleep(600.0)
        await third.stop()

    with listening(503, 200) as listener:
        play(story)
        assert [heard.headers[DELIVERY] for heard in listener.heard] == ["no-000001", "no-000001"]


def test_what_was_due_to_a_channel_that_is_gone_is_settled(tmp_path: Path) -> None:
    async def story() -> None:
        first = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await first.tell(*escalation(1))
        await first.stop()
        second = Desk(tmp_path / "l", [APPRISE], listener.secrets)
        await second.notifier.start(second)
        await asyncio.sleep(60.0)
        (settled,) = second.settled
        assert (settled.channel, settled.delivered, settled.detail) == ("hook", False, NO_CHANNEL)
        await second.stop()

    with listening() as listener:
        play(story)
        assert listener.heard == []


def test_a_storm_of_escalations_is_one_message(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path / "l", [HOOK], listener.secrets)
        await desk.notifier.start(desk)
        for number in range(1, 481):
            await desk.tell(*escalation(number))
        await asyncio.sleep(60.0)
        (settled,) = desk.settled
        assert len(settled.notices) == 480
        await desk.stop()

    with listening() as listener:
        play(story)
        (heard,) = listener.heard
    assert heard.told["title"].startswith("[north] 480 notices")
    assert "and 468 more" in heard.told["body"]
    assert len(heard.body) < 20_000


def test_each_channel_is_told_of_what_it_asked_for_and_one_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    storms = Channel(ChannelId("storms"), webhook="hook-url", key="hook-key", about=frozenset({Topic.STORM}))
    dead = Channel(ChannelId("dead"), webhook="dead-url", key="hook-key")

    async def story() -> None:
        with listening(0) as silent:
            secrets = Secrets(listener.secrets.known | {"dead-url": f"http://127.0.0.1:{silent.port}/"})
            desk = Desk(tmp_path / "l", [dead, storms, HOOK], secrets, replace(QUICK, tries=1))
            await desk.notifier.start(desk)
            await desk.tell(*escalation(1))
            await asyncio.sleep(60.0)
            assert {(s.channel, s.delivered) for s in desk.settled} == {("hook", True), ("dead", False)}
            await desk.stop()

    with listening() as listener:
        play(story)
        assert len(listener.heard) == 1


def test_whoever_tells_does_not_wait_for_it(tmp_path: Path) -> None:
    async def story() -> None:
        desk = Desk(tmp_path / "l", [HOOK], listener.secrets, replace(QUICK, gather_s=0.0))
        await desk.notifier.start(desk)
        before = asyncio.get_running_loop().time()
        await desk.tell(*escalation(1))
        assert asyncio.get_running_loop().time() == before
        assert list(desk.memory.notices) == ["no-000001"]
        await desk.stop()

    with listening(0) as listener:
        play(story)
