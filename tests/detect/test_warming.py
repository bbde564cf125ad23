"""Stops for heat that no poll saw close to the limit, polled every 30 s and every minute; and stops that are none."""

import pytest

from agent.detect.stuck import StuckDetector
from agent.model.incident import Reason
from agent.model.topology import Cooling
from tests.detect.heat_bench import Loop, firing, reason

USUAL_C, COLD_C = 62.0, 40.0
LIMIT_C = 95.0
KINDS = (Cooling.AIR, Cooling.HYDRO, Cooling.IMMERSION)


def settled(kind: Cooling, poll_s: float) -> Loop:
    """Twenty miners that have been as warm as they always are for an hour."""
    loop = Loop(liquid=kind is not Cooling.AIR, kind=kind, poll_s=poll_s)
    loop.run(3600.0)
    return loop


def stop(loop: Loop, row: int, *warm_c: float, cold_c: float = COLD_C) -> None:
    """Have a miner be polled at work at these temperatures, and then be found standing still."""
    for chip_c in warm_c:
        loop.chip_c[row] = chip_c
        loop.run(loop.poll_s)
    loop.chip_c[row], loop.rate[row] = cold_c, 0.0


def taken_for(loop: Loop, row: int) -> set[Reason]:
    """Have ten minutes pass; return what the miner was taken for, and that it was nothing else than stuck or hot."""
    stuck, found = StuckDetector(20, heat=loop.heat), set()
    for _ in range(round(600.0 / loop.poll_s)):
        _, miners = loop.run(loop.poll_s)
        stands = stuck.judge(loop.view, loop.now)
        found |= {reason(verdicts, row) for verdicts in (miners, stands) if row in firing(verdicts)}
        assert firing(miners) in ([], [row])
        assert firing(stands) in ([], [row])
    return found


@pytest.mark.parametrize("poll_s", [30.0, 60.0])
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_warming_up_and_can_have_come_to_its_limit_has_stopped_for_its_heat(
    kind: Cooling, poll_s: float
) -> None:
    loop = settled(kind, poll_s)
    stop(loop, 3, 79.0)
    assert taken_for(loop, 3) == {Reason.OVERTEMP_CUT_OUT}


@pytest.mark.parametrize("poll_s", [30.0, 60.0])
@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_as_warm_as_always_is_stuck(kind: Cooling, poll_s: float) -> None:
    """However fast chips can get hot: nothing says that these did."""
    loop = settled(kind, poll_s)
    stop(loop, 3, USUAL_C + 1.0, USUAL_C + 2.0, USUAL_C + 3.0)
    assert taken_for(loop, 3) == {Reason.NOT_HASHING}


@pytest.mark.parametrize(
    ("kind", "found"), [(Cooling.AIR, Reason.NOT_HASHING), (Cooling.HYDRO, Reason.OVERTEMP_CUT_OUT)]
)
def test_one_that_was_too_far_from_its_limit_to_come_there_in_time_is_stuck(kind: Cooling, found: Reason) -> None:
    """From 70 °C chips in air come to 88 in half a minute at the most, chips on a plate to 106."""
    loop = settled(kind, 30.0)
    stop(loop, 3, 70.0)
    assert taken_for(loop, 3) == {found}


def test_what_it_reaches_is_what_it_had_reached_when_it_was_first_seen_to_stand_still() -> None:
    """It stands still for minutes, in which it would have come anywhere."""
    loop = settled(Cooling.AIR, 8.0)
    stop(loop, 3, 80.0, 80.0)
    assert taken_for(loop, 3) == {Reason.NOT_HASHING}


def test_one_that_has_settled_at_more_is_stuck_when_it_stops_there() -> None:
    loop = settled(Cooling.HYDRO, 30.0)
    loop.chip_c[3] = 80.0
    loop.run(600.0)
    stop(loop, 3)
    assert taken_for(loop, 3) == {Reason.NOT_HASHING}


def test_one_that_warms_up_as_it_always_does_after_it_was_idle_is_stuck_when_it_stops() -> None:
    loop = settled(Cooling.HYDRO, 30.0)
    loop.chip_c[3], loop.rate[3] = 36.0, 0.0
    loop.run(60.0)
    loop.rate[3] = 1.0
    stop(loop, 3, 45.0, 57.0, USUAL_C)
    assert taken_for(loop, 3) == {Reason.NOT_HASHING}


def test_what_is_not_known_to_settle_anywhere_says_nothing() -> None:
    """The agent has only just come up."""
    loop = Loop(liquid=False, poll_s=600.0)
    loop.poll_s = 30.0
    stop(loop, 3, 79.0)
    assert taken_for(loop, 3) == {Reason.NOT_HASHING}


@pytest.mark.parametrize(("rpm", "found"), [(6200.0, Reason.OVERTEMP_CUT_OUT), (4000.0, Reason.NOT_HASHING)])
def test_one_that_is_hotter_standing_still_than_at_work_with_its_fans_full_has_stopped_for_its_heat(
    rpm: float, found: Reason
) -> None:
    loop = Loop(liquid=False, poll_s=30.0)
    loop.rpm[:] = 6200.0
    loop.run(60.0)
    loop.rpm[:] = 4000.0
    loop.run(3600.0)
    loop.rpm[3] = rpm
    stop(loop, 3, cold_c=72.0)
    loop.run(loop.poll_s)
    loop.chip_c[3] = COLD_C
    assert taken_for(loop, 3) == {found}


def test_a_share_that_was_changed_is_no_heat() -> None:
    """What it settled at while it was derated is nothing in full."""
    loop = settled(Cooling.HYDRO, 30.0)
    loop.view.derated[3] = 0.5
    loop.rate[3], loop.chip_c[3] = 0.5, 48.0
    loop.run(1200.0)
    loop.view.derated[3] = 1.0
    loop.run(90.0)
    loop.rate[3] = 1.0
    stop(loop, 3, 60.0)
    assert taken_for(loop, 3) == {Reason.NOT_HASHING}


def test_one_that_is_silent_for_minutes_in_between_says_nothing() -> None:
    loop = settled(Cooling.HYDRO, 30.0)
    stop(loop, 3, 79.0)
    loop.now += 180.0
    assert taken_for(loop, 3) == {Reason.NOT_HASHING}
