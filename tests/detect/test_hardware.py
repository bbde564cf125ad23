"""Lost parts, degraded miners and supplies that cut out: what fires, what does not, and what ends it."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.detect.degraded import DegradedDetector
from agent.detect.hardware import HardwareDetector
from agent.detect.hiccup import HiccupDetector
from agent.model.incident import Health, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import BoardReading, OutletReading, OutletState, Reach, Telemetry
from agent.model.topology import Cooling
from agent.model.verdicts import Detector
from tests.detect.fleet import Fleet
from tests.factory import EPOCH, NOMINAL_TH, healthy, site

POLL_S = 10.0
FANS = (5500.0, 5500.0, 4800.0, 4800.0)


def boards(*chips: int | None) -> tuple[BoardReading, ...]:
    return tuple(BoardReading(slot, count, 36.7 if count else 0.0) for slot, count in enumerate(chips, 1))


WHOLE = boards(114, 114, 114, 0)
ONE_LOST = boards(114, 0, 114, 0)


class Watch:
    """One detector over one site, polled every 10 s. Row 0 is the one that something happens to."""

    def __init__(self, detector: type, *, miners: int = 4, boards: int | None = 3) -> None:
        place = site(miners)
        self.view = SiteView(replace(place, miners=tuple(replace(m, boards=boards) for m in place.miners)))
        self.detector: Detector = detector(miners)
        self.now = EPOCH
        self.age = [10_000.0] * miners
        self.work = [10_000.0] * miners
        self.rate = [1.0] * miners
        self.told: dict[int, dict[str, Any]] = {row: {} for row in range(miners)}
        self.silent: set[int] = set()
        self.reach = Reach.SILENT

    def poll(self, for_s: float) -> Health:
        """Let time pass; return what is thought of row 0."""
        end = self.now + for_s
        while self.now < end:
            self.now += POLL_S
            for row in range(len(self.age)):
                self.age[row] += POLL_S
                self.work[row] += POLL_S * self.rate[row]
                if row in self.silent:
                    self.view.put_miss(row, self.now, self.reach)
                else:
                    self.view.put_answer(row, self.now, self._reply(row))
            verdicts = self.detector.judge(self.view, self.now)
            self.health = [Health(int(h)) for h in verdicts.health]
            self.since, self.clear_since, self.evidence = verdicts.since, verdicts.clear_since, verdicts.evidence
        return self.health[0]

    def begins_anew(self, row: int = 0) -> None:
        """Its process starts afresh."""
        self.age[row] = self.work[row] = 0.0

    def _reply(self, row: int) -> Telemetry:
        reply = healthy(self.age[row], rate_th=NOMINAL_TH * self.rate[row], work_s=self.work[row])
        return msgspec.structs.replace(reply, **{"boards": WHOLE, "fans_rpm": FANS} | self.told[row])


# -- boards and fans ---------------------------------------------------------------------------------------------------


def lost(watch: Watch) -> None:
    watch.told[0], watch.rate[0] = {"boards": ONE_LOST}, 0.67


def test_a_board_without_chips_fires_after_two_minutes_and_not_before() -> None:
    watch = Watch(HardwareDetector)
    assert watch.poll(300.0) is Health.HEALTHY
    lost(watch)
    assert watch.poll(120.0) is Health.SUSPECT
    assert watch.poll(10.0) is Health.FIRING
    assert watch.health[1:] == [Health.HEALTHY] * 3
    assert watch.evidence.reason(0) is Reason.BOARD_LOST
    seen = watch.evidence.of(0)
    assert (seen["boards_up"], seen["boards"], seen["chips_up"], seen["chips"]) == (2, 3, 228, 342)


def test_a_board_that_never_answered_is_missed_where_the_model_says_how_many_there_are() -> None:
    for known, health in ((3, Health.FIRING), (None, Health.HEALTHY)):
        watch = Watch(HardwareDetector, boards=known)
        lost(watch)
        assert watch.poll(300.0) is health


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({"boards": ONE_LOST}, 1.0),
        ({"boards": boards(0, 0, 0, 0)}, 0.0),
        ({"boards": ()}, 0.67),
        ({"boards": boards(114, None, 114, 0)}, 0.67),
        ({"fans_rpm": ()}, 1.0),
    ],
    ids=["nothing is slower", "nothing hashes", "not told", "one not told", "no fans: liquid"],
)
def test_what_is_no_lost_part(told: dict[str, Any], rate: float) -> None:
    watch = Watch(HardwareDetector)
    watch.poll(60.0)
    watch.told[0], watch.rate[0] = told, rate
    assert watch.poll(600.0) in (Health.HEALTHY, Health.SUSPECT)


@pytest.mark.parametrize("expected", [Expected.BOOTING, Expected.ACTING, Expected.SUSPENDED])
def test_who_starts_is_acted_upon_or_sleeps_has_lost_no_board(expected: Expected) -> None:
    watch = Watch(HardwareDetector)
    lost(watch)
    watch.view.expected[0] = expected
    assert watch.poll(600.0) is Health.HEALTHY


def test_one_odd_reply_and_lost_polls_neither_fire_nor_end_anything() -> None:
    watch = Watch(HardwareDetector)
    watch.poll(60.0)
    lost(watch)
    watch.poll(60.0)
    watch.told[0], watch.rate[0] = {}, 1.0
    watch.poll(10.0)
    lost(watch)
    assert watch.poll(120.0) is not Health.FIRING
    watch.silent = {0}
    watch.poll(300.0)
    assert watch.health[0] is not Health.FIRING
    watch.silent = set()
    assert watch.poll(20.0) is Health.FIRING
    watch.silent = {0}
    assert watch.poll(600.0) is Health.FIRING


def test_a_standing_fan_fires_after_a_minute_and_ends_when_it_turns_and_hashes() -> None:
    watch = Watch(HardwareDetector)
    watch.poll(30.0)
    watch.told[0] = {"fans_rpm": (0.0, *FANS[1:]), "boards": boards(0, 0, 0, 0)}
    watch.rate[0] = 0.0
    assert watch.poll(60.0) is Health.SUSPECT
    assert watch.poll(10.0) is Health.FIRING
    assert watch.evidence.reason(0) is Reason.FAN_LOST
    watch.told[0] = {}
    assert watch.poll(900.0) is Health.FIRING, "it turns, and nothing is computed"
    watch.rate[0] = 1.0
    assert watch.poll(200.0) is Health.FIRING
    assert not np.isnan(watch.clear_since[0])
    assert watch.poll(200.0) is Health.HEALTHY


def test_a_liquid_cooled_miner_that_tells_of_fans_at_rest_has_lost_none() -> None:
    watch = Watch(HardwareDetector)
    miners = tuple(replace(miner, cooling=Cooling.HYDRO) for miner in watch.view.site.miners)
    watch.view = SiteView(replace(watch.view.site, miners=miners))
    watch.told[0] = {"fans_rpm": (0.0, 0.0)}
    assert watch.poll(300.0) is Health.HEALTHY


def test_a_verdict_taken_up_after_a_restart_ends_only_by_its_clear_condition() -> None:
    watch = Watch(HardwareDetector)
    watch.detector.restore(0, EPOCH - 100.0, Reason.BOARD_LOST)
    watch.detector.restore(1, EPOCH - 100.0, Reason.DEGRADED)
    lost(watch)
    assert watch.poll(10.0) is Health.FIRING
    assert watch.health[1] is Health.HEALTHY
    watch.told[0], watch.rate[0] = {}, 1.0
    assert watch.poll(250.0) is Health.FIRING
    assert watch.poll(500.0) is Health.HEALTHY


# -- degraded ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "fires"), [(0.93, True), (0.5, True), (0.955, False), (0.1, False)])
def test_two_low_windows_in_a_row_fire(rate: float, fires: bool) -> None:
    watch = Watch(DegradedDetector)
    watch.poll(600.0)
    watch.rate[0] = rate
    assert watch.poll(1200.0) is (Health.FIRING if fires else Health.HEALTHY)
    assert watch.health[1:] == [Health.HEALTHY] * 3
    if fires:
        assert watch.evidence.reason(0) is Reason.DEGRADED
        assert watch.evidence.of(0)["work_share"] == pytest.approx(rate, abs=0.01)


def test_the_rate_on_display_does_not_matter_and_a_dip_of_five_minutes_neither() -> None:
    watch = Watch(DegradedDetector)
    watch.poll(600.0)
    watch.told[0] = {"hashrate_th": 0.8 * NOMINAL_TH}
    assert watch.poll(1800.0) is Health.HEALTHY
    watch.rate[0] = 0.7
    watch.poll(250.0)
    watch.rate[0] = 1.0
    assert watch.poll(1200.0) is Health.HEALTHY


@pytest.mark.parametrize("why", ["tuning", "boards", "pool", "hot"])
def test_who_has_another_reason_is_not_degraded(why: str) -> None:
    watch = Watch(DegradedDetector)
    watch.poll(600.0)
    watch.rate[0] = 0.9
    if why == "tuning":
        watch.view.expected[0] = Expected.TUNING
    else:
        watch.told[0] = {"boards": {"boards": ONE_LOST}, "pool": {"pool_alive": False}, "hot": {"chip_max_c": 92.0}}[
            why
        ]
    assert watch.poll(2400.0) is not Health.FIRING


def test_three_good_windows_end_it_and_the_share_in_between_does_not() -> None:
    watch = Watch(DegradedDetector)
    watch.poll(300.0)
    watch.rate[0] = 0.9
    watch.poll(1200.0)
    watch.rate[0] = 0.96
    assert watch.poll(3600.0) is Health.FIRING
    watch.rate[0] = 0.98
    assert watch.poll(600.0) is Health.FIRING
    assert watch.poll(900.0) is Health.HEALTHY


def test_healthy_miners_with_the_noise_of_nonces_are_not_degraded() -> None:
    """A model's miners compute 98.5 to 101.5 % of what they aim at; five minutes scatter by 0.58 %."""
    detector = DegradedDetector(2000)
    fleet = Fleet(2000, detector, seed=7)
    full = fleet.rng.uniform(0.985, 1.015, fleet.rows)
    for _ in range(12 * 24):
        grown = full * NOMINAL_TH * 1e3 * 300.0 * fleet.rng.normal(1.0, 0.0058, fleet.rows)
        fleet.poll(300.0, {"work_gh": grown}, work=False)
        assert not fleet.firing.any()


# -- supplies ----------------------------------------------------------------------------------------------------------


def hiccup(watch: Watch, row: int = 0, gone_s: float = 60.0) -> None:
    watch.silent = {row}
    watch.poll(gone_s)
    watch.silent = set()
    watch.age[row] = watch.work[row] = 10.0
    watch.view.expected[row] = Expected.BOOTING
    watch.poll(360.0)
    watch.view.expected[row] = Expected.RUNNING
    watch.poll(900.0)


def test_two_hiccups_within_a_day_fire_and_one_does_not() -> None:
    watch = Watch(HiccupDetector)
    watch.poll(60.0)
    hiccup(watch)
    assert watch.health[0] is Health.HEALTHY
    hiccup(watch)
    assert watch.health[0] is Health.FIRING
    assert watch.evidence.reason(0) is Reason.PSU_HICCUP
    assert watch.evidence.of(0)["hiccups_24h"] == 2
    assert watch.poll(5000.0) is Health.FIRING
    assert watch.poll(2400.0) is Health.HEALTHY


def test_a_start_that_refused_counts_beside_a_silence_and_never_by_itself() -> None:
    watch = Watch(HiccupDetector)
    watch.poll(60.0)
    watch.reach = Reach.REFUSED
    for _ in range(3):
        hiccup(watch)
    assert watch.health[0] is Health.HEALTHY
    watch.reach = Reach.SILENT
    hiccup(watch)
    assert watch.health[0] is Health.FIRING
    later = Watch(HiccupDetector)
    later.poll(60.0)
    hiccup(later)
    later.poll(7200.0)
    later.reach = Reach.REFUSED
    hiccup(later)
    assert later.health[0] is Health.HEALTHY, "two hours lie between them"


@pytest.mark.parametrize("why", ["refused", "commanded", "too long", "no new process", "young", "switched off", "many"])
def test_what_is_no_hiccup(why: str) -> None:
    watch = Watch(HiccupDetector, miners=8)
    watch.poll(60.0)
    for _ in range(3):
        watch.silent = {0, 1, 2} if why == "many" else {0}
        watch.reach = Reach.REFUSED if why == "refused" else Reach.SILENT
        if why == "commanded":
            watch.view.expected[0] = Expected.ACTING
            watch.silent = set()
            watch.poll(10.0)
            watch.silent = {0}
        state = OutletState.OFF if why == "switched off" else OutletState.ON
        watch.view.put_outlet(watch.view.site.miners[0].outlets[0], watch.now, OutletReading(state))
        watch.poll(600.0 if why == "too long" else 60.0)
        for row in watch.silent if why != "no new process" else ():
            watch.begins_anew(row)
        watch.silent = set()
        watch.view.expected[0] = Expected.RUNNING
        watch.poll(300.0 if why == "young" else 1500.0)
    assert Health.FIRING not in watch.health


def test_polls_that_others_lose_meanwhile_hide_no_hiccup() -> None:
    watch = Watch(HiccupDetector, miners=8)
    watch.poll(60.0)
    for _ in range(2):
        watch.silent = {0, 1, 2, 3}
        watch.poll(10.0)
        hiccup(watch)
    assert [health is Health.FIRING for health in watch.health] == [True] + [False] * 7


def test_single_lost_polls_do_not_begin_the_clear_window_anew() -> None:
    watch = Watch(HiccupDetector)
    watch.poll(60.0)
    for _ in range(2):
        hiccup(watch)
    for _ in range(12):
        watch.poll(590.0)
        watch.silent = {0}
        watch.poll(10.0)
        watch.silent = set()
    assert watch.poll(300.0) is Health.HEALTHY


def test_a_hiccup_after_the_verdict_begins_its_clear_window_anew() -> None:
    watch = Watch(HiccupDetector)
    watch.poll(60.0)
    for _ in range(2):
        hiccup(watch)
    watch.poll(5000.0)
    hiccup(watch)
    assert watch.poll(5000.0) is Health.FIRING
    assert watch.poll(1500.0) is Health.HEALTHY
