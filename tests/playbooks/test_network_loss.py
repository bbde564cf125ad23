"""The network playbook, decided on the bench: which evidence leads to which end, and that no miner is ever touched."""

from dataclasses import replace

import pytest

from agent.detect.network import NetworkDetector, NetworkThresholds
from agent.guard.limits import GuardLimits
from agent.model.action import Action, Result, Risk, Verb
from agent.model.events import Escalated, Intended
from agent.model.guard import Mode
from agent.model.incident import Category, Outcome, Phase
from agent.model.telemetry import OutletReading, OutletState, PortReading, Reach
from agent.model.topology import Family, Outlet, Site
from agent.remediate.machine import Table
from agent.remediate.settle import settled
from agent.remediate.tables import Tables
from agent.stages import Stages
from agent.triage.limits import TriageLimits
from playbooks import foreign_pool
from playbooks.network_loss import PLAYBOOK, PROOF_S, STOCK_GIVES_UP_S
from tests.bench import Bench
from tests.factory import NOMINAL_W, PDU, miner, site

LONG_S = 3 * 3600.0
TABLES = Tables([PLAYBOOK])
VLAN = 20


class NetworkBench(Bench):
    """A bench with the network's detector and playbook, and ports that tell everything. The first miner is the one."""

    def __init__(self, site: Site, *, mode: Mode = Mode.AUTO) -> None:
        self.admin: bool | None = True
        self.pvid = VLAN
        self.errors = 0
        self.errors_each_poll = 0
        super().__init__(site)
        self.stages = Stages(
            self.view,
            self.state,
            [NetworkDetector(len(site.miners))],
            TABLES,
            modes={PLAYBOOK.name: dict.fromkeys(Risk, mode)},
            guard=GuardLimits(),
            limits=TriageLimits(),
        )

    def _observe(self) -> None:
        super()._observe()
        self.errors += self.errors_each_poll
        if not self.world.reads_port:
            return
        for row, member in enumerate(self.view.site.miners):
            if member.port is not None and row == 0:
                reading = PortReading(self.world.link, None, self.admin, self.errors, self.pvid)
                self.view.put_port(member.port, self.now, reading)
            elif member.port is not None:
                self.view.put_port(member.port, self.now, PortReading(True, self.octets, True, 0, VLAN))

    def _settle(self, intent: Intended) -> None:
        self.world.on_action(intent.action)
        result = self.world.answers(intent.action)
        self._commit([settled(intent, result, "", self.state.incidents[intent.incident], TABLES)])


def bench(*, mode: Mode = Mode.AUTO, family: Family = Family.LUXOS) -> NetworkBench:
    return NetworkBench(site(tuple(miner(k, family=family) for k in range(1, 6))), mode=mode)


def closed(b: Bench) -> bool:
    return bool(b.state.incidents) and b.incident.phase in (Phase.CLOSED, Phase.ESCALATED)


def cut(b: NetworkBench) -> None:
    """Silent, with a link, received by its port, at full draw; its work runs out 150 s later."""
    b.world.reply = Reach.SILENT


def run_dry(b: NetworkBench) -> None:
    b.run(150.0)
    b.world.power_w = 0.55 * NOMINAL_W


def test_the_table_is_sound_bounded_and_does_each_thing_once_at_most() -> None:
    table = Table(PLAYBOOK)
    for path in table.paths():
        verbs = [getattr(PLAYBOOK.steps[state], "verb", None) for state, _ in path]
        assert max(verbs.count(Verb.BOUNCE_PORT), verbs.count(Verb.REBIND)) <= 1
        assert set(verbs) <= {None, Verb.BOUNCE_PORT, Verb.REBIND}


@pytest.mark.parametrize("family", list(Family))
def test_a_hung_port_is_bounced_once_it_is_sure_and_that_cures_it(family: Family) -> None:
    b = bench(family=family)
    cut(b)
    run_dry(b)
    assert b.verbs == []
    b.world.on_action = lambda _: b.reset()
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.BOUNCE_PORT]
    assert b.incident.outcome is Outcome.AUTO_RESOLVED
    assert b.incident.category is Category.NETWORK


def test_the_action_names_the_miner_and_no_outlet() -> None:
    b = bench()
    seen: list[Action] = []
    b.world.on_action = seen.append
    cut(b)
    run_dry(b)
    b.run(LONG_S, lambda: bool(seen))
    assert seen == [Action(verb=Verb.BOUNCE_PORT, miner=b.view.site.miners[0].id)]


def test_a_bounce_that_does_not_help_is_not_repeated() -> None:
    b = bench()
    cut(b)
    run_dry(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.BOUNCE_PORT]
    assert b.incident.escalation_reason == "exhausted"


@pytest.mark.parametrize(
    ("result", "reason"),
    [(Result.FAILED, "bounce_failed"), (Result.UNKNOWN, "bounce_failed"), (Result.OK, "exhausted")],
)
def test_however_the_bounce_settles_it_is_done_once(result: Result, reason: str) -> None:
    b = bench()
    b.world.answers = lambda _: result
    cut(b)
    run_dry(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.BOUNCE_PORT]
    assert b.incident.escalation_reason == reason


@pytest.mark.parametrize(("found", "verbs"), [(True, [Verb.REBIND]), (False, [Verb.REBIND, Verb.BOUNCE_PORT])])
def test_a_derated_miner_is_looked_for_before_its_port_is_bounced(found: bool, verbs: list[Verb]) -> None:
    """From `month`: it had moved, drew too little to be seen at work, and was taken for one behind a hung port."""
    b = bench()
    cut(b)
    b.run(LONG_S, lambda: bool(b.state.incidents))
    b.state.derated[b.incident.members[0]] = (0.55, b.incident.id, b.now)
    b.world.power_w = 0.55 * NOMINAL_W
    b.world.answers = lambda action: Result.FAILED if action.verb is Verb.REBIND and not found else Result.OK
    b.world.on_action = lambda action: b.reset() if action.verb is verbs[-1] else None
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == verbs
    assert b.incident.outcome is Outcome.AUTO_RESOLVED


def test_a_bounce_whose_outcome_nobody_saw_may_still_have_cured_it() -> None:
    b = bench()
    b.world.answers = lambda _: Result.UNKNOWN
    b.world.on_action = lambda _: b.reset()
    cut(b)
    run_dry(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.BOUNCE_PORT]
    assert b.incident.phase is Phase.CLOSED


@pytest.mark.parametrize("result", list(Result))
def test_a_port_that_the_bounce_left_down_is_told_at_once(result: Result) -> None:
    b = bench()
    b.world.answers = lambda _: result

    def left_down(_: Action) -> None:
        b.admin = b.world.link = False

    b.world.on_action = left_down
    cut(b)
    run_dry(b)
    b.run(60.0, lambda: closed(b))
    assert b.incident.escalation_reason == "port_left_down"


def test_a_port_without_a_link_is_a_persons() -> None:
    b = bench()
    cut(b)
    b.world.link = b.world.talks = False
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "no_link"
    assert b.incident.evidence["port_up"] is False
    assert b.incident.evidence["port_admin_up"] is True


def test_a_port_that_somebody_took_down_stays_down() -> None:
    b = bench()
    cut(b)
    b.admin = b.world.link = b.world.talks = False
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "port_admin_down"


def test_another_vlan_than_its_peers_is_a_persons() -> None:
    b = bench()
    cut(b)
    b.pvid = 999
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "wrong_vlan"
    assert (b.incident.evidence["port_pvid"], b.incident.evidence["usual_pvid"]) == (999, VLAN)


def test_peers_that_are_too_few_say_nothing_of_vlans() -> None:
    b = NetworkBench(site(tuple(miner(k, family=Family.LUXOS) for k in (1, 2, 3))))
    cut(b)
    b.pvid = 999
    run_dry(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.BOUNCE_PORT]


def test_damaged_frames_are_a_persons() -> None:
    b = bench()
    cut(b)
    b.errors_each_poll = 4
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "cable_errors"
    (asked,) = [event for event in b.events if isinstance(event, Escalated)]
    told = asked.evidence
    assert (told["port"], told["port_up"], told["port_pvid"], told["draw_w"]) == ("sw-1/1", True, VLAN, NOMINAL_W)
    assert told["port_errors"] == b.errors
    assert told["port_errors_per_s"] == 0.5


def test_errors_of_long_ago_are_none() -> None:
    b = bench()
    b.errors_each_poll = 40
    b.run(200.0)
    b.errors_each_poll = 0
    b.run(200.0)
    cut(b)
    run_dry(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.BOUNCE_PORT]


@pytest.mark.parametrize("family", list(Family))
def test_a_miner_that_goes_on_drawing_in_full_is_looked_for_once_and_else_left_alone(family: Family) -> None:
    b = bench(family=family)
    b.world.answers = lambda _: Result.FAILED
    cut(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.REBIND]
    assert b.incident.escalation_reason == "works_unreached"
    asked_at = b.incident.escalated_at
    assert asked_at is not None
    assert asked_at - b.incident.detected_at <= STOCK_GIVES_UP_S


def test_a_miner_that_was_found_elsewhere_is_well_when_it_answers_there() -> None:
    b = bench()
    cut(b)
    b.world.on_action = lambda _: b.reset()
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.REBIND]
    assert b.incident.outcome is Outcome.AUTO_RESOLVED


def test_a_miner_that_was_found_and_does_not_answer_polls_there_is_a_persons() -> None:
    b = bench()
    cut(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == [Verb.REBIND]
    assert b.incident.escalation_reason == "works_unreached"


def test_a_switch_that_tells_nothing_any_more_is_a_persons() -> None:
    b = bench()
    cut(b)
    b.run(56.0, lambda: bool(b.state.incidents))
    b.world.reads_port = False
    b.view.port_up.at[:] = b.incident.detected_at - 1.0
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "switch_silent"


def test_a_draw_that_nobody_can_read_any_more_is_no_evidence() -> None:
    b = bench()
    cut(b)
    b.run(100.0, lambda: bool(b.state.incidents))
    b.world.reads_pdu = False
    for outlet in b.view.site.miners[0].outlets:
        b.view.put_outlet(outlet, b.now, OutletReading(OutletState.ON))
    b.view.outlet_w.value[0] = b.view.outlet_a.value[0] = float("nan")
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "evidence_missing"


def test_an_outlet_that_somebody_switched_off_ends_it() -> None:
    b = bench()
    cut(b)
    b.run(100.0, lambda: bool(b.state.incidents))
    b.world.reads_pdu = False
    b.view.put_outlet(Outlet(PDU, 1), b.now + 1e6, OutletReading(OutletState.OFF, 0.0, 0.0))
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "outlet_off"


def test_a_network_that_comes_back_by_itself_is_no_success_of_ours() -> None:
    b = bench()
    cut(b)
    b.run(120.0)
    b.reset()
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.outcome is Outcome.SELF_RECOVERED


def test_a_stock_antminer_that_takes_its_hashing_off_stays_the_same_incident() -> None:
    b = bench(family=Family.ANTMINER_STOCK)
    b.world.answers = lambda _: Result.FAILED
    cut(b)
    run_dry(b)
    b.run(300.0)
    b.world.power_w = 15.0
    b.run(3600.0)
    assert len(b.state.incidents) == 1
    assert b.incident.category is Category.NETWORK
    assert b.verbs == [Verb.BOUNCE_PORT]


def test_observe_mode_bounces_nothing() -> None:
    b = bench(mode=Mode.OBSERVE)
    cut(b)
    run_dry(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.verbs == []
    assert b.incident.escalation_reason == "observe_mode"


def test_two_outlets_count_together() -> None:
    first = replace(miner(1, outlets=(1, 7), family=Family.LUXOS))
    b = NetworkBench(site((first, *(miner(k, family=Family.LUXOS) for k in range(2, 6)))))
    cut(b)
    b.run(LONG_S, lambda: closed(b))
    assert b.incident.escalation_reason == "works_unreached"


@pytest.mark.parametrize("proof_s", [PROOF_S, foreign_pool.PROOF_S], ids=["network", "foreign pool"])
def test_where_one_poll_in_fifty_is_lost_a_miner_that_is_well_is_proved_in_time(proof_s: float) -> None:
    """The odds that so many answers in a row do not come within the proof, counted out poll by poll."""
    lost, wanted = 0.02, NetworkThresholds().clear_polls
    in_a_row = [1.0] + [0.0] * (wanted - 1)
    for _ in range(int(proof_s / 30.0)):
        in_a_row = [lost * sum(in_a_row), *((1.0 - lost) * odds for odds in in_a_row[:-1])]
    assert sum(in_a_row) < 1e-3
