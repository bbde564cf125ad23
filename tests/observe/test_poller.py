"""What a poll leaves in the columns, how often each miner is polled, and that nobody holds back the others."""

import asyncio
import gc
import math
import os
import resource

import pytest
from structlog.testing import capture_logs

from agent.model.ids import MinerId
from agent.model.telemetry import Reach
from agent.observe.poller import LOSS_MISSES, NEWLY_SILENT_MISSES, TOGETHER_S
from agent.observe.settings import PollSettings
from simulators.plant.agent_host import AgentHostPlant
from simulators.virtual_time import run
from tests.observe.farm import EPOCH_S, Habit, host_of, observed, site_of

SETTINGS = PollSettings()
GAP_S = SETTINGS.interval_s + TOGETHER_S + 1e-6
"""Largest gap of a miner that nobody holds back: its period, and what a poll may be taken along before its slot."""


def test_every_way_a_poll_can_end_has_its_own_value_and_costs_no_column() -> None:
    ends = {
        Habit.ANSWERS: Reach.ANSWERED,
        Habit.SLOW: Reach.ANSWERED,
        Habit.SILENT: Reach.SILENT,
        Habit.ENDLESS: Reach.SILENT,
        Habit.HUGE: Reach.FAULTY,
        Habit.HALF: Reach.FAULTY,
        Habit.ERROR: Reach.ERRORED,
    }

    async def main() -> None:
        deaf = len(ends)
        async with observed(site_of(deaf + 1), SETTINGS, deaf=(deaf,)) as (farm, view, observer):
            await observer.start()
            await observer.first_full_poll()
            assert set(view.reach[:deaf]) == {Reach.ANSWERED}
            measured_at = view.hashrate_th.at.copy()
            for number, habit in enumerate(ends):
                farm.habit[host_of(number)] = habit
            await asyncio.sleep(SETTINGS.interval_s + SETTINGS.deadline_s)

            assert [Reach(int(reach)) for reach in view.reach] == [*ends.values(), Reach.REFUSED]
            assert list(view.hashrate_th.value[:deaf]) == [100.0] * deaf
            for row, reach in enumerate(view.reach[:deaf]):
                assert (view.misses[row] == 0) is (reach == Reach.ANSWERED)
                assert (view.hashrate_th.at[row] > measured_at[row]) is (reach == Reach.ANSWERED)
            assert math.isnan(view.hashrate_th.value[deaf])
            assert view.missing_since[deaf] < view.polled_at[deaf] <= EPOCH_S + asyncio.get_running_loop().time()

    run(main(), timeout_wall_s=20)


def test_who_is_silent_while_the_agent_hears_nobody_has_missed_nothing() -> None:
    async def main() -> None:
        machine = AgentHostPlant()
        async with observed(site_of(2), SETTINGS, machine=machine) as (farm, view, observer):
            await observer.start()
            await observer.first_full_poll()
            machine.linked = False
            farm.habit.update(dict.fromkeys((host_of(0), host_of(1)), Habit.SILENT))
            await asyncio.sleep(10 * SETTINGS.interval_s)
            assert max(view.misses) <= 1, "the poll during which the link went may count"
            machine.linked = True
            await asyncio.sleep(10 * SETTINGS.interval_s)
            assert min(view.misses) >= 6

    run(main(), timeout_wall_s=20)


def test_the_columns_carry_the_time_of_the_reply() -> None:
    async def main() -> None:
        async with observed(site_of(1), SETTINGS) as (farm, view, observer):
            await observer.start()
            await observer.first_full_poll()
            assert view.answered_at[0] == pytest.approx(EPOCH_S + farm.arrivals[host_of(0)][0] + 0.1, abs=1e-3)
            assert (view.polling.polls, view.polling.answered, view.polling.late) == (1, 1, 0)
            assert view.polling.latency.count == 1

    run(main(), timeout_wall_s=20)


def test_two_hundred_silent_of_two_thousand_and_every_bad_reply_delay_nobody_else() -> None:
    bad = {1: Habit.HUGE, 3: Habit.HALF, 4: Habit.ERROR, 5: Habit.PUZZLE}
    silent = dict.fromkeys(range(10, 2_000, 10), Habit.SILENT) | {7: Habit.SILENT, 2: Habit.ENDLESS}
    others = [host_of(number) for number in range(2_000) if number not in silent]
    settings = PollSettings(concurrency=128)  # 25 silent polls a second, each for 5 s, would fill it all by themselves
    over_s = 4.5 * settings.interval_s

    async def main() -> None:
        async with observed(site_of(2_000), settings, habits=silent | bad) as (farm, view, observer):
            started_s = asyncio.get_running_loop().time()
            await observer.start()
            await asyncio.sleep(over_s)

            waits_s = {host: farm.arrivals[host][0] - started_s for host in others}
            assert max(waits_s.values()) <= settings.interval_s
            gaps_s = {host: max(farm.gaps_s(host)) for host in others}
            assert max(gaps_s.values()) <= GAP_S, max(gaps_s, key=gaps_s.__getitem__)
            assert all(over_s - farm.arrivals[host][-1] <= GAP_S for host in others)
            assert all(view.reach[number] == Reach.SILENT for number in silent)
            assert farm.most_open_at_all <= settings.concurrency

    with capture_logs():
        run(main(), timeout_wall_s=60)


def test_a_sudden_loss_of_half_the_site_delays_nobody_else() -> None:
    settings = PollSettings(concurrency=128)
    healthy = [host_of(number) for number in range(0, 1_000, 2)]

    async def main() -> None:
        async with observed(site_of(1_000), settings) as (farm, view, observer):
            await observer.start()
            await observer.first_full_poll()
            for number in range(1, 1_000, 2):
                farm.habit[host_of(number)] = Habit.SILENT
            await asyncio.sleep(4 * settings.interval_s)
            assert max(max(farm.gaps_s(host)) for host in healthy) <= GAP_S + 0.5  # a place is given up after 0.5 s
            assert set(view.reach[1::2]) == {Reach.SILENT}
            assert set(view.misses[0::2]) == {0}

    with capture_logs():
        run(main(), timeout_wall_s=60)


def test_a_slow_miner_in_a_crowd_of_silent_ones_never_misses_twice_in_a_row() -> None:
    settings = PollSettings(concurrency=8, interval_s=8.0)
    habits = {0: Habit.SLOW} | dict.fromkeys(range(1, 30), Habit.SILENT)

    async def main() -> None:
        async with observed(site_of(60), settings, habits=habits) as (_, view, observer):
            await observer.start()
            worst = 0
            for _ in range(600):
                await asyncio.sleep(0.5)
                worst = max(worst, int(view.misses[0]))
            assert worst <= 1
            assert set(view.misses[30:]) == {0}

    with capture_logs():
        run(main(), timeout_wall_s=60)


def test_a_long_dead_miner_is_polled_once_a_minute_until_it_comes_into_focus() -> None:
    async def main() -> None:
        async with observed(site_of(2), SETTINGS, habits={0: Habit.SILENT, 1: Habit.SILENT}) as (farm, view, observer):
            await observer.start()
            await asyncio.sleep((NEWLY_SILENT_MISSES + 1) * SETTINGS.interval_s)
            gaps_s = farm.gaps_s(host_of(0))[: NEWLY_SILENT_MISSES - 1]
            assert gaps_s == pytest.approx([SETTINGS.interval_s] * (NEWLY_SILENT_MISSES - 1), abs=TOGETHER_S)

            observer.focus([MinerId("m1")])
            before = len(farm.arrivals[host_of(1)])
            await asyncio.sleep(600.0)
            assert max(farm.gaps_s(host_of(1))[before:]) <= GAP_S
            assert 50.0 < max(farm.gaps_s(host_of(0))) <= 60.0
            polled = len(farm.arrivals[host_of(0)])

            observer.focus([MinerId("m0"), MinerId("m1"), MinerId("not in the inventory")])
            await asyncio.sleep(10 * SETTINGS.interval_s)
            assert len(farm.arrivals[host_of(0)]) == polled + 10
            farm.habit[host_of(0)] = Habit.ANSWERS
            await asyncio.sleep(3 * SETTINGS.interval_s)
            assert view.goods[0] >= 2

    with capture_logs():
        run(main(), timeout_wall_s=20)


def test_a_poll_waits_for_the_one_before_even_where_the_deadline_is_longer_than_the_period() -> None:
    settings = PollSettings(interval_s=2.0, deadline_s=5.0)

    async def main() -> None:
        async with observed(site_of(3), settings, habits={0: Habit.SILENT}) as (farm, view, observer):
            await observer.start()
            await asyncio.sleep(60.0)
            assert farm.most_open[host_of(0)] == 1
            assert min(farm.gaps_s(host_of(0))) >= settings.deadline_s
            assert max(farm.gaps_s(host_of(1))) <= settings.interval_s + TOGETHER_S + 1e-6
            assert view.polling.late > 0
            assert view.misses[0] > 5

    with capture_logs():
        run(main(), timeout_wall_s=20)


def test_a_loss_and_a_recovery_are_logged_once_each() -> None:
    async def main() -> list[object]:
        with capture_logs() as logs:
            async with observed(site_of(3), SETTINGS) as (farm, _, observer):
                await observer.start()
                await observer.first_full_poll()
                await farm.deafen(host_of(1))
                await asyncio.sleep(20 * SETTINGS.interval_s)
                assert [entry["event"] for entry in logs] == ["miner_lost"]
                await farm.listen(host_of(1))
                await asyncio.sleep(5 * SETTINGS.interval_s)
                farm.habit[host_of(2)] = Habit.HALF  # too few misses to be news
                await asyncio.sleep((LOSS_MISSES - 1) * SETTINGS.interval_s)
                farm.habit[host_of(2)] = Habit.ANSWERS
                await asyncio.sleep(5 * SETTINGS.interval_s)
        return [(entry["event"], entry["miner"], entry["log_level"]) for entry in logs]

    assert run(main(), timeout_wall_s=20) == [("miner_lost", "m1", "warning"), ("miner_back", "m1", "info")]


def test_a_bug_in_a_decoder_is_no_miss_of_the_miner_and_ends_no_polling() -> None:
    async def main() -> None:
        with capture_logs() as logs:
            async with observed(site_of(2), SETTINGS, habits={0: Habit.PUZZLE}) as (farm, view, observer):
                await observer.start()
                await asyncio.sleep(5 * SETTINGS.interval_s)
                assert observer.is_running
                assert view.misses[0] == 0
                assert math.isnan(view.polled_at[0])
                assert view.goods[1] >= 4
                farm.habit[host_of(0)] = Habit.ANSWERS
                await asyncio.sleep(2 * SETTINGS.interval_s)
                assert view.reach[0] == Reach.ANSWERED
        assert [(entry["event"], entry["miner"]) for entry in logs] == [("miner_poll_bug", "m0")]

    run(main(), timeout_wall_s=20)


def test_the_first_full_poll_ends_when_everybody_was_tried() -> None:
    async def main() -> None:
        async with observed(site_of(40), SETTINGS, deaf=(3,), habits={5: Habit.SILENT}) as (_, view, observer):
            await observer.start()
            await observer.first_full_poll()
            assert Reach.UNKNOWN not in set(view.reach)
            assert asyncio.get_running_loop().time() <= SETTINGS.interval_s + SETTINGS.deadline_s

    run(main(), timeout_wall_s=20)


def test_an_empty_site_has_nothing_to_wait_for() -> None:
    async def main() -> None:
        async with observed(site_of(0), SETTINGS) as (_, _, observer):
            assert not observer.is_running
            await observer.start()
            await observer.first_full_poll()
            assert observer.is_running

    run(main(), timeout_wall_s=20)


def test_a_host_without_file_descriptors_blames_itself_and_no_miner() -> None:
    async def main() -> None:
        with capture_logs() as logs:
            async with observed(site_of(4), SETTINGS) as (_, view, observer):
                await observer.start()
                await observer.first_full_poll()
                polled_at = view.polled_at.copy()
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free_descriptor(), hard))
                try:
                    await asyncio.sleep(3 * SETTINGS.interval_s)
                    assert set(view.misses) == {0}
                    assert list(view.polled_at) == list(polled_at)
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                await asyncio.sleep(2 * SETTINGS.interval_s)
                assert all(view.polled_at > polled_at)
        assert [entry["event"] for entry in logs] == ["polling_impossible", "polling_possible_again"]

    run(main(), timeout_wall_s=20)


def lowest_free_descriptor() -> int:
    """Return the number that the next file or socket would get."""
    number = os.dup(0)
    os.close(number)
    return number


async def test_stopping_amid_polls_leaves_no_task_and_no_socket() -> None:
    settings = PollSettings(interval_s=0.05, deadline_s=60.0)
    habits = dict.fromkeys(range(0, 50, 2), Habit.SILENT)
    async with observed(site_of(50), settings, habits=habits) as (farm, view, observer):
        before = asyncio.all_tasks()
        await observer.start()
        await asyncio.sleep(settings.interval_s)
        assert view.polling.polls == 50
        await observer.stop()
        assert asyncio.all_tasks() == before
        assert not observer.is_running
        for _ in range(20):
            await asyncio.sleep(0)
        assert farm.open_at_all == 0
    gc.collect()
