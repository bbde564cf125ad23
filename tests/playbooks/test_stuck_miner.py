"""The stuck playbook, decided on the bench: which evidence leads to which step, and what is never done."""

from dataclasses import replace
from itertools import pairwise

import pytest

from agent.model.action import Action, Result, Verb
from agent.model.events import Escalated, HoldChanged, Judged
from agent.model.guard import Mode
from agent.model.incident import Outcome, Phase
from agent.model.telemetry import OutletReading, OutletState, Reach, Telemetry
from agent.model.topology import Outlet
from agent.remediate.machine import Table
from playbooks.stuck_miner import PLAYBOOK
from tests.bench import Bench
from tests.factory import NOMINAL_TH, NOMINAL_W, PDU, healthy, miner, site

LONG_S = 3 * 3600.0
POWER_CYCLE = [Verb.POWER_OFF, Verb.POWER_ON]


def bench(*, mode: Mode = Mode.AUTO) -> Bench:
    return Bench(site(4), mode=mode)


def dead_process(b: Bench) -> None:
    """The mining process is gone; the host is up and refuses; the hashboards are off."""
    b.world.reply = Reach.REFUSED
    b.world.power_w = 60.0


def still() -> Telemetry:
    """It answers, and its boards stand still."""
    return Telemetry(
        hashrate_th=0.0, expected_th=NOMINAL_TH, work_gh=9e9, elapsed_s=80_000.0, accepted=9e4, share_diff=65_536.0
    )


def hung_board(b: Bench, power_w: float) -> None:
    b.world.reply = Reach.SILENT
    b.world.power_w = power_w
    b.world.talks = False


def closed(b: Bench) -> bool:
    return bool(b.state.incidents) and b.incident.phase in (Phase.CLOSED, Phase.ESCALATED)


def test_the_table_is_sound_and_bounded() -> None:
    table = Table(PLAYBOOK)
    for path in table.paths():
        verbs = [PLAYBOOK.steps[state] for state, trigger in path if trigger != "recovered"]
        offs = sum(getattr(step, "verb", None) is Verb.POWER_OFF for step in verbs)
        assert offs <= 2


def test_a_dead_process_is_restarted_and_nothing_more() -> None:
    b = bench()
    dead_process(b)
    b.world.on_action = lambda action: b.reset()
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.RESTART]
    assert b.incident.outcome is Outcome.AUTO_RESOLVED


def test_a_miner_that_answers_and_does_not_hash_is_restarted() -> None:
    b = bench()
    b.world.reply = still()
    b.world.on_action = lambda action: b.reset()
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.RESTART]


def test_a_restart_that_fails_leads_to_a_reboot() -> None:
    b = bench()
    dead_process(b)
    b.world.answers = lambda action: Result.FAILED if action.verb is Verb.RESTART else Result.OK
    b.world.on_action = lambda action: b.reset() if action.verb is Verb.REBOOT else None
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.RESTART, Verb.REBOOT]
    assert b.incident.outcome is Outcome.AUTO_RESOLVED


def test_a_miner_that_hashes_a_little_low_after_its_restart_is_not_rebooted() -> None:
    b = bench()
    dead_process(b)

    def half_mended(_: Action) -> None:
        b.reset()
        born = b.now
        b.world.reply_from = lambda now: healthy(now - born + 1.0, rate_th=NOMINAL_TH * 0.9, work_s=(now - born) * 0.9)

    b.world.on_action = half_mended
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.RESTART]
    assert b.incident.escalation_reason == "evidence_missing"


def test_what_was_put_off_until_the_miner_worked_again_is_not_done() -> None:
    """The evidence may be an hour old when the guards let it pass: miners that had just woken were restarted."""
    b = bench()
    b.world.reply = still()
    b.tell(HoldChanged(why="a person looks at it"))
    b.run(600.0)
    assert b.incident.run is not None
    assert b.incident.run.state == "restart"
    b.reset()
    b.run(120.0)
    b.tell(HoldChanged(why=None))
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.outcome is Outcome.SELF_RECOVERED


@pytest.mark.parametrize("reach", [Reach.REFUSED, Reach.ERRORED])
def test_its_own_word_is_enough_for_a_restart_and_for_nothing_harder(reach: Reach) -> None:
    b = bench()
    b.world.reads_port = False
    b.world.unmetered = True
    b.world.reply = reach
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.RESTART]
    assert b.incident.escalation_reason == "evidence_missing"


@pytest.mark.parametrize("reach", [Reach.REFUSED, Reach.ERRORED])
def test_of_a_miner_without_an_outlet_nothing_is_known_outside_it(reach: Reach) -> None:
    b = Bench(site(tuple(replace(miner(k), outlets=()) for k in range(1, 5))))
    b.world.reads_port = False
    b.world.reply = reach
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.RESTART], "no outlet draws nothing, and that says nothing"
    assert b.incident.escalation_reason == "evidence_missing"


@pytest.mark.parametrize("power_w", [40.0, NOMINAL_W])
def test_a_hung_board_is_power_cycled_without_softer_steps_that_cannot_reach_it(power_w: float) -> None:
    b = bench()
    hung_board(b, power_w)
    b.world.on_action = lambda action: b.reset() if action.verb is Verb.POWER_ON else None
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == POWER_CYCLE
    assert b.incident.outcome is Outcome.AUTO_RESOLVED
    assert b.state.duties == {}


def test_one_silent_poll_does_not_make_a_refusing_board_unreachable() -> None:
    b = bench()
    dead_process(b)
    b.world.answers = lambda _: Result.FAILED
    b.run(270.0)
    assert b.verbs == [Verb.RESTART, Verb.REBOOT]
    for _ in range(3):
        b.world.reply = Reach.SILENT
        b.run(8.0)
        b.world.reply = Reach.REFUSED
        b.run(8.0)
    assert Verb.POWER_OFF not in b.verbs
    b.run(200.0)
    assert Verb.POWER_OFF in b.verbs, "past its boot grace it is not booting any more"


def test_power_waits_three_minutes_and_dwells_thirty_seconds() -> None:
    b = bench()
    hung_board(b, 40.0)
    b.run(LONG_S, lambda: b.verbs == POWER_CYCLE)
    off, on = b.incident.attempts
    assert off.at - b.incident.detected_at >= 120.0  # six misses and then the rest of three minutes
    assert off.settled_at is not None
    assert on.at - off.settled_at >= 30.0


def test_the_second_cycle_waits_for_the_cool_down_dwells_sixty_and_then_a_person_is_asked() -> None:
    b = bench()
    hung_board(b, 12.0)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [*POWER_CYCLE, *POWER_CYCLE]
    first, _, second, on = b.incident.attempts
    assert second.at - first.at >= 1200.0
    assert second.settled_at is not None
    assert on.at - second.settled_at >= 60.0
    assert b.incident.escalation_reason == "exhausted"
    assert b.state.duties == {}


def test_an_outlet_that_is_on_and_draws_nothing_is_a_ticket_not_a_cycle() -> None:
    b = bench()
    hung_board(b, 0.0)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "no_power_draw"


@pytest.mark.parametrize("reach", [Reach.SILENT, Reach.FAULTY, Reach.REFUSED, Reach.ERRORED])
def test_a_miner_that_gives_no_telemetry_but_works_is_not_touched(reach: Reach) -> None:
    b = bench()
    b.world.reply = reach
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "evidence_missing"


def test_telemetry_that_comes_back_by_itself_is_no_success_of_ours() -> None:
    b = bench()
    b.world.reply = Reach.SILENT
    b.run(300.0)
    b.world.reply = None
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.outcome is Outcome.SELF_RECOVERED


def test_silence_that_nothing_explains_is_not_touched() -> None:
    b = bench()
    b.world.reads_pdu = b.world.reads_port = False
    b.world.reply = Reach.SILENT
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "evidence_missing"


@pytest.mark.parametrize("stale_w", [0.0, 40.0, NOMINAL_W])
def test_readings_from_before_the_silence_prove_nothing(stale_w: float) -> None:
    b = bench()
    b.world.power_w = stale_w
    b.run(16.0)
    b.world.reads_pdu = False
    b.world.reply = Reach.SILENT
    b.world.link = b.world.talks = False
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "evidence_missing"


def test_a_port_without_link_is_a_network_fault() -> None:
    b = bench()
    b.world.reply = Reach.SILENT
    b.world.link = b.world.talks = False
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "link_down"


def test_a_port_without_link_proves_nothing_while_the_draw_is_unknown() -> None:
    b = bench()
    b.world.reads_pdu = False
    b.view.outlet_w.value[:] = b.view.outlet_a.value[:] = float("nan")
    b.world.reply = Reach.SILENT
    b.world.link = b.world.talks = False
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "evidence_missing"


def test_an_outlet_somebody_switched_off_stays_off() -> None:
    b = bench()
    hung_board(b, 0.0)
    b.world.reads_pdu = False
    b.run(120.0)
    b.view.put_outlet(Outlet(PDU, 1), b.now + 1e6, OutletReading(OutletState.OFF, 0.0, 0.0))
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "outlet_off"


def test_a_switch_off_that_fails_is_undone_and_tried_once_more_before_a_person_is_asked() -> None:
    b = bench()
    hung_board(b, 40.0)
    b.world.answers = lambda action: Result.UNKNOWN if action.verb is Verb.POWER_OFF else Result.OK
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [*POWER_CYCLE, *POWER_CYCLE]
    assert b.incident.escalation_reason == "pdu_failed"
    assert b.state.duties == {}


def test_a_switch_on_that_fails_is_owed_until_it_works() -> None:
    b = bench()
    hung_board(b, 40.0)
    tries: list[Action] = []

    def answers(action: Action) -> Result:
        tries.append(action)
        ons = [t for t in tries if t.verb is Verb.POWER_ON]
        return Result.OK if action.verb is Verb.POWER_OFF or len(ons) == 6 else Result.FAILED

    b.world.answers = answers
    b.run(LONG_S, lambda: not b.state.duties and bool(tries))
    assert b.verbs == [Verb.POWER_OFF, *[Verb.POWER_ON] * 6]
    assert b.incident.phase is Phase.ESCALATED, "a person knows, and the agent still pays what it owes"
    late = [a.at for a in b.incident.attempts[3:]]
    assert all(later - earlier >= 60.0 for earlier, later in pairwise(late))


def test_a_miner_on_two_outlets_is_switched_as_one() -> None:
    b = Bench(site((miner(1, outlets=(1, 4)), miner(2))))
    hung_board(b, 40.0)
    seen: list[Action] = []
    b.world.on_action = seen.append
    b.run(LONG_S, lambda: b.verbs == POWER_CYCLE)
    assert all(action.outlets == (Outlet(PDU, 1), Outlet(PDU, 4)) for action in seen)


def test_observe_mode_says_what_it_would_do_and_does_nothing() -> None:
    b = bench(mode=Mode.OBSERVE)
    dead_process(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    (judged,) = [e for e in b.events if isinstance(e, Judged)]
    assert (judged.action.verb, judged.reason) == (Verb.RESTART, "observe_mode")
    (asked,) = [e for e in b.events if isinstance(e, Escalated)]
    assert asked.reason == "observe_mode"


def test_a_relapse_is_the_same_incident_and_takes_the_next_rung() -> None:
    b = bench()
    dead_process(b)
    b.world.on_action = lambda action: b.reset()
    b.run(LONG_S, lambda: closed(b))
    b.run(600.0)
    dead_process(b)
    b.run(200.0)
    b.run(LONG_S, lambda: closed(b))
    assert len(b.state.incidents) == 1
    assert b.incident.relapses == 1
    assert b.verbs == [Verb.RESTART, Verb.REBOOT]


def test_after_an_hour_it_is_a_new_incident() -> None:
    b = bench()
    dead_process(b)
    b.world.on_action = lambda action: b.reset()
    b.run(LONG_S, lambda: closed(b))
    b.run(3700.0)
    dead_process(b)
    b.run(LONG_S, lambda: len(b.state.incidents) == 2 and not b.state.open_incidents)
    assert b.verbs == [Verb.RESTART, Verb.RESTART]
