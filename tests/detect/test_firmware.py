"""The firmware detector: what counts as a crash, what explains a restart, and what ends a verdict."""

from collections.abc import Callable

import numpy as np
import pytest

from agent.detect.firmware import FirmwareDetector
from agent.detect.stuck import StuckDetector
from agent.model.hardware import is_crash
from agent.model.incident import Health, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import BoardReading, OutletReading, OutletState, Reach, Telemetry
from agent.model.topology import Outlet
from tests.factory import EPOCH, NOMINAL_TH, NOMINAL_W, PDU, healthy, put_outlets, site

POLL_S = 8.0


class Watch:
    """One detector over one site, polled every 8 s; row 0 is the one that something happens to."""

    def __init__(self, miners: int = 4) -> None:
        self.view = SiteView(site(miners))
        self.view.expected[:] = Expected.RUNNING
        self.detector = FirmwareDetector(self.view.site)
        self.now = EPOCH
        self.born = [EPOCH - 50_000.0] * miners
        self.power_w = NOMINAL_W
        self.poll(20)

    def poll(self, times: int, reply: "Callable[[float], Telemetry] | Reach | None" = None, *, rows: int = 1) -> None:
        """Poll everybody so many times; the first `rows` give `reply`, or what a healthy miner of their age does."""
        for _ in range(times):
            self.now += POLL_S
            put_outlets(self.view, self.now, power_w=self.power_w)
            for row, born in enumerate(self.born):
                age_s = self.now - born
                if row < rows and isinstance(reply, Reach):
                    self.view.put_miss(row, self.now, reply)
                else:
                    told = reply(age_s) if row < rows and callable(reply) else healthy(age_s)
                    self.view.put_answer(row, self.now, told)
            self.judge()

    def judge(self) -> Health:
        self.verdicts = self.detector.judge(self.view, self.now)
        self.health = [Health(int(h)) for h in self.verdicts.health]
        self.reason = self.verdicts.evidence.reason(0)
        return self.health[0]

    def restart(self, *, rows: int = 1, silent: int = 12) -> None:
        """The first rows fall silent, start anew, and hash again."""
        self.poll(silent, Reach.REFUSED, rows=rows)
        self.born[:rows] = [self.now] * rows
        self.poll(4)

    def quiet(self, minutes: float) -> None:
        self.poll(round(minutes * 60 / POLL_S))


def test_three_restarts_within_half_an_hour_are_a_boot_loop() -> None:
    w = Watch()
    for minute in (0, 7, 7):
        assert w.health == [Health.HEALTHY if minute == 0 else Health.SUSPECT, *[Health.HEALTHY] * 3]
        w.quiet(minute)
        w.restart()
    assert (w.health, w.reason) == ([Health.FIRING, *[Health.HEALTHY] * 3], Reason.BOOT_LOOP)
    assert w.verdicts.evidence.of(0)["restarts"] == 3


def test_three_restarts_over_an_hour_are_none() -> None:
    w = Watch()
    for _ in range(4):
        w.restart()
        w.quiet(16)
    assert w.health[0] in (Health.HEALTHY, Health.SUSPECT)


@pytest.mark.parametrize("column", ["own_restart_at", "own_boot_at"])
def test_what_the_agent_ordered_is_not_counted_but_once_for_each_order(column: str) -> None:
    w = Watch()
    for _ in range(4):
        getattr(w.view, column)[0] = w.now
        w.restart()
        w.quiet(4)
    assert w.health[0] is Health.HEALTHY
    for _ in range(3):
        w.restart()
    assert w.health[0] is Health.FIRING


def test_a_miner_that_is_acted_upon_or_wakes_is_not_counted() -> None:
    for told in (Expected.ACTING, Expected.SUSPENDED):
        w = Watch()
        for _ in range(4):
            w.view.expected[0] = told
            if told is Expected.SUSPENDED:
                w.view.suspended.put(0, 1.0, w.now)
                w.judge()
            w.restart()
            w.view.expected[0] = Expected.RUNNING
        assert w.health[0] is not Health.FIRING


def test_an_outlet_that_was_off_explains_a_restart() -> None:
    w = Watch()
    for _ in range(4):
        w.view.put_outlet(Outlet(PDU, 1), w.now, OutletReading(OutletState.OFF, 0.0, 0.0))
        w.judge()
        w.restart()
        w.quiet(3)
    assert w.health[0] is Health.HEALTHY


def test_several_of_one_pdu_at_once_had_no_power() -> None:
    w = Watch()
    for _ in range(4):
        w.restart(rows=3)
        w.quiet(3)
    assert w.health == [Health.HEALTHY] * 4


def test_a_lost_poll_a_frozen_age_and_a_jumping_clock_are_no_restart() -> None:
    w = Watch()
    for _ in range(6):
        w.poll(10, Reach.SILENT)
        w.poll(10)
        w.poll(20, lambda _: healthy(50_000.0))
        w.poll(5, lambda age_s: healthy(age_s + 7_200.0))
        w.poll(5, lambda age_s: healthy(age_s - 7_200.0))
    assert w.health[0] is Health.HEALTHY


def crashed(code: str, *, rate: float = 0.0, boards: tuple[int, ...] = (0, 0, 0)) -> Callable[[float], Telemetry]:
    """A process that answers, tells that code, and hashes at that share."""
    return lambda age_s: Telemetry(
        hashrate_th=NOMINAL_TH * rate,
        expected_th=NOMINAL_TH,
        work_gh=1e9,
        elapsed_s=age_s,
        accepted=1e4,
        boards=tuple(BoardReading(slot, chips) for slot, chips in enumerate(boards)),
        codes=(code,),
    )


@pytest.mark.parametrize("code", ["901", "710", "800", "ERROR_SOC_INIT", "REBOOT_SYSINIT"])
def test_a_crash_code_in_a_miner_that_falls_short_fires(code: str) -> None:
    w = Watch()
    w.poll(14, crashed(code))
    assert w.health[0] is Health.SUSPECT
    w.poll(3, crashed(code))
    assert (w.health[0], w.reason) == (Health.FIRING, Reason.CRASHED)
    assert w.verdicts.evidence.of(0)["codes"] == code


def test_a_code_in_a_miner_that_hashes_is_history() -> None:
    w = Watch()
    w.poll(200, crashed("710", rate=1.0, boards=(114, 114, 114)))
    assert w.health[0] is Health.HEALTHY


def test_a_whatsminer_that_comes_back_by_itself_is_waited_for() -> None:
    w = Watch()
    w.restart()
    w.view.expected[0] = Expected.BOOTING
    w.poll(100, crashed("710", rate=0.6, boards=(114, 114, 114)))
    assert w.health[0] is not Health.FIRING


def test_faults_of_boards_are_not_the_firmwares() -> None:
    w = Watch()
    w.poll(40, crashed("530"))
    assert w.health[0] is Health.HEALTHY
    w.poll(1)
    w.view.hardware.boards_most[0] = 3.0
    w.poll(40, crashed("710", rate=0.66, boards=(114, 114, 0)))
    assert w.health[0] is Health.HEALTHY
    assert not any(map(is_crash, ("530", "541", "200", "5100", "710002", "")))


@pytest.mark.parametrize("reach", [Reach.REFUSED, Reach.ERRORED])
def test_a_dead_process_is_a_firmware_fault_only_when_a_restart_did_not_hold(reach: Reach) -> None:
    w = Watch()
    w.poll(100, reach)
    assert w.health[0] is Health.HEALTHY
    w.view.own_restart_at[0], w.view.own_sure[0] = w.now, True
    w.poll(22, reach)
    assert w.health[0] is Health.HEALTHY
    w.poll(2, reach)
    assert (w.health[0], w.reason) == (Health.FIRING, Reason.CRASHED)


def test_a_board_that_boots_is_given_its_time_and_a_silent_one_is_anothers() -> None:
    w = Watch()
    w.view.own_boot_at[0], w.view.own_sure[0] = w.now, True
    w.poll(60, Reach.REFUSED)
    assert w.health[0] is Health.HEALTHY
    w.poll(80, Reach.SILENT)
    assert w.health[0] is Health.HEALTHY


def test_an_api_is_not_known_to_be_down_while_its_host_is_silent() -> None:
    """From `month`: given new pools half an hour before its subnet was lost; it began anew once that was back."""
    w = Watch()
    w.view.own_restart_at[0], w.view.own_sure[0] = w.now, True
    w.poll(150, Reach.SILENT)
    w.poll(20, Reach.REFUSED)
    assert w.health[0] is Health.HEALTHY
    w.poll(4, Reach.REFUSED)
    assert (w.health[0], w.reason) == (Health.FIRING, Reason.CRASHED)


def test_a_lost_poll_does_not_hide_an_api_that_is_down() -> None:
    w = Watch()
    w.poll(20, Reach.REFUSED)
    w.view.own_restart_at[0], w.view.own_sure[0] = w.now, True
    for _ in range(3):
        w.poll(1, Reach.SILENT)
        w.poll(7, Reach.REFUSED)
    assert (w.health[0], w.reason) == (Health.FIRING, Reason.CRASHED)
    w = Watch()
    w.view.own_restart_at[0], w.view.own_sure[0] = w.now, True
    for _ in range(5):
        w.poll(12, Reach.REFUSED)
        w.poll(12, Reach.SILENT)
    assert w.health[0] is Health.HEALTHY, "a board that is gone for longer boots again and again"


def test_a_verdict_ends_after_an_hour_of_work_and_not_before() -> None:
    w = Watch()
    for _ in range(3):
        w.restart()
    w.quiet(58)
    assert w.health[0] is Health.FIRING
    assert not np.isnan(w.verdicts.clear_since[0])
    w.quiet(3)
    assert w.health[0] is Health.HEALTHY
    w.restart()
    assert w.health[0] is Health.SUSPECT, "what led to a verdict that is over counts no more"


def test_a_verdict_is_taken_up_again_after_a_restart_of_the_agent() -> None:
    w = Watch()
    w.detector.restore(0, EPOCH, Reason.BOOT_LOOP)
    assert (w.judge(), w.reason) == (Health.FIRING, Reason.BOOT_LOOP)
    w.quiet(6)
    assert w.health[0] is Health.HEALTHY, "its process is hours old, and five minutes prove that it hashes"


def test_what_the_firmware_detector_claims_is_not_stuck() -> None:
    w = Watch()
    stuck = StuckDetector(4, firmware=w.detector)
    w.detector.restore(0, EPOCH, Reason.CRASHED)
    w.poll(30, Reach.REFUSED)
    assert stuck.judge(w.view, w.now).health[0] != Health.FIRING
    assert StuckDetector(4).judge(w.view, w.now).health[0] == Health.FIRING
