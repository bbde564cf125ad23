"""The sleep watch: who is asked, how often, and what is believed."""

import asyncio
from dataclasses import dataclass, field

import pytest

from agent.clock import Clock
from agent.model.errors import AgentError, SilentError
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach, Telemetry
from agent.model.topology import Family, Miner
from agent.observe.sleepers import ASK_AGAIN_S, LOOK_S, SleepWatch
from simulators.virtual_time import run
from tests.factory import EPOCH, healthy, site


@dataclass
class Sleepy:
    """A family whose poll does not say whether it sleeps."""

    answer: bool | AgentError | None
    asked: list[str] = field(default_factory=list)
    port: int = 4028
    request: bytes = b""

    def decode(self, reply: bytes) -> Telemetry:
        raise NotImplementedError

    async def is_suspended(self, miner: Miner) -> bool | None:
        self.asked.append(miner.id)
        if isinstance(self.answer, AgentError):
            raise self.answer
        return self.answer


STILL = Telemetry(hashrate_th=0.0, elapsed_s=9e4)


def watched(source: Sleepy, first: "Telemetry | Reach", for_s: float) -> SiteView:
    """Watch two miners for a while: the first polled as given, the second healthy."""
    view = SiteView(site(2))

    async def main() -> None:
        clock = Clock.virtual(asyncio.get_running_loop(), EPOCH)
        watch = SleepWatch(view, clock, {Family.ANTMINER_STOCK: source})
        await watch.start()
        for poll in range(int(for_s / 8.0)):
            if isinstance(first, Reach):
                view.put_miss(0, clock.now(), first)
            else:
                view.put_answer(0, clock.now(), first)
            view.put_answer(1, clock.now(), healthy(9e4 + 8.0 * poll))
            await asyncio.sleep(8.0)
        assert watch.is_running
        await watch.stop()

    run(main(), timeout_wall_s=20)
    return view


@pytest.mark.parametrize("first", [STILL, Reach.ERRORED])
def test_a_miner_that_stands_still_is_asked_and_believed(first: "Telemetry | Reach") -> None:
    source = Sleepy(answer=True)
    view = watched(source, first, 2 * LOOK_S + 8.0)
    assert source.asked == ["m1"]
    assert view.suspended.value[0] == 1.0


def test_it_is_asked_again_once_a_minute_not_at_every_look() -> None:
    source = Sleepy(answer=None)
    view = watched(source, STILL, 3 * ASK_AGAIN_S + 30.0)
    assert 3 <= len(source.asked) <= 4
    assert view.suspended.value[0] != 1.0


def test_a_lost_answer_changes_nothing() -> None:
    view = watched(Sleepy(answer=SilentError("no answer")), STILL, 40.0)
    assert view.suspended.value[0] != 1.0


@pytest.mark.parametrize("reach", [Reach.SILENT, Reach.REFUSED, Reach.FAULTY])
def test_who_cannot_answer_is_not_asked(reach: Reach) -> None:
    source = Sleepy(answer=True)
    watched(source, reach, 60.0)
    assert source.asked == []


def test_a_miner_that_hashes_again_is_awake() -> None:
    view = SiteView(site(2))

    async def main() -> None:
        clock = Clock.virtual(asyncio.get_running_loop(), EPOCH)
        watch = SleepWatch(view, clock, {Family.ANTMINER_STOCK: Sleepy(answer=True)})
        await watch.start()
        view.put_answer(0, clock.now(), STILL)
        await asyncio.sleep(LOOK_S + 1.0)
        assert view.suspended.value[0] == 1.0
        view.put_answer(0, clock.now(), Telemetry(hashrate_th=100.0, elapsed_s=9.1e4))
        await asyncio.sleep(LOOK_S)
        assert view.suspended.value[0] == 0.0
        await watch.stop()

    run(main(), timeout_wall_s=20)
