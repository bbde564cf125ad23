"""The agent dies at every interesting point and comes back on the same ledger: the outlet is on, the run goes on."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from agent.app import Agent
from agent.model.action import Result, Verb
from agent.model.events import AgentStarted, Settled
from agent.model.incident import Outcome
from agent.model.playbook import Playbook, Transition
from agent.model.topology import Family
from agent.remediate.tables import Tables
from agent.report.kpis import kpis
from playbooks.stuck_miner import PLAYBOOK
from simulators.plant.journal import What
from simulators.plant.state import Process
from tests.scenarios.site_bench import EPOCH_S, Bench, Story, configuration, play
from tests.scenarios.test_stuck import CYCLE, closed, in_state, settled

STOCK, LUXOS = Family.ANTMINER_STOCK, Family.LUXOS
DOWN_S = 15.0
"""What systemd takes to start it again, and a little more."""

HUNG, DEAD = "miner.control_board_hung", "miner.process_died"


async def begin(bench: Bench, kind: str) -> None:
    await bench.start()
    await bench.run(30.0)
    bench.break_(kind, "m1")


async def die(bench: Bench, at: Verb | What | str) -> None:
    """Die with an intent of that verb committed, at the instant of that deed, or in that state of the playbook."""
    if isinstance(at, Verb):
        await bench.until_intent(at, 1800.0)
    elif isinstance(at, What):
        await bench.until_entry(at, 1800.0)
    else:
        await bench.until(lambda: in_state(at)(bench), 1800.0, look_s=0.5)
    assert bool(bench.agent.memory.flying) == isinstance(at, Verb | What)
    await bench.kill()


def dying(kind: str, at: Verb | What | str, *, down_s: float = DOWN_S, behind_s: float = 0.0) -> Story:
    async def story(bench: Bench) -> None:
        await begin(bench, kind)
        await die(bench, at)
        await bench.sleep(down_s)
        await bench.start(behind_s=behind_s)
        await bench.until(lambda: closed(bench), 3000.0)

    return story


def check_counted_once(bench: Bench) -> None:
    report = kpis(bench.memory.incidents.values(), now=EPOCH_S + bench.simulated.plant.now)
    assert (report.fleet.counted, report.fleet.auto_resolved) == (1, 1)
    assert len(bench.events(AgentStarted)) == 2


# -- a power cycle -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at",
    ["hold", Verb.POWER_OFF, What.RELAY_OFF, "dwell", Verb.POWER_ON, What.RELAY_ON, "after_power"],
    ids=lambda at: getattr(at, "name", at),
)
def test_a_power_cycle_survives_a_crash_anywhere(tmp_path: Path, at: Verb | What | str) -> None:
    """The miner has two cords, so the first relay that moves is in the middle of the call."""
    bench = play(tmp_path, configuration([(STOCK, 2), (LUXOS, 1)]), dying(HUNG, at))
    bench.check(touched=["m1"])
    check_counted_once(bench)
    assert bench.verbs("m1") == CYCLE
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED
    assert Counter(bench.done_to("m1")) == {What.RELAY_OFF: 2, What.RELAY_ON: 2}
    assert bench.plant("m1").healthy


def test_a_long_way_down_ends_with_the_outlet_on(tmp_path: Path) -> None:
    bench = play(tmp_path, configuration([(STOCK, 1)]), dying(HUNG, "dwell", down_s=7200.0))
    bench.check(touched=["m1"])
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED


def dying_at(*points: Verb | What | str) -> Story:
    async def story(bench: Bench) -> None:
        await begin(bench, HUNG)
        for at in points:
            await die(bench, at)
            await bench.sleep(DOWN_S)
            await bench.start()
        await bench.until(lambda: settled(bench), 3000.0)

    return story


def test_dying_again_and_again_changes_nothing(tmp_path: Path) -> None:
    story = dying_at(Verb.POWER_OFF, "dwell", What.RELAY_ON)
    bench = play(tmp_path, configuration([(STOCK, 2)]), story)
    bench.check(touched=["m1"])
    assert bench.verbs("m1") == CYCLE
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED


def test_a_run_that_the_agent_does_not_survive_four_times_is_a_person_s_and_the_outlet_is_on(tmp_path: Path) -> None:
    story = dying_at("gather", Verb.POWER_OFF, What.RELAY_OFF, "dwell")
    bench = play(tmp_path, configuration([(STOCK, 1)]), story)
    bench.check(touched=["m1"])
    incident = bench.incident("m1")
    assert incident.escalation_reason == "resumed_too_often"
    assert Counter(bench.done_to("m1")) == {What.RELAY_OFF: 1, What.RELAY_ON: 1}


def test_what_somebody_put_right_in_the_meantime_is_not_switched_off(tmp_path: Path) -> None:
    """The agent dies with a switch-off committed and not yet done; a person cycles the miner by hand."""

    async def story(bench: Bench) -> None:
        await begin(bench, HUNG)
        await die(bench, Verb.POWER_OFF)
        bench.switch_by_hand("pdu-a/1", False)
        await bench.sleep(30.0)
        bench.switch_by_hand("pdu-a/1", True)
        await bench.sleep(900.0)
        assert bench.plant("m1").healthy
        await bench.start()
        await bench.until(lambda: closed(bench), 3000.0)

    bench = play(tmp_path, configuration([(STOCK, 1)]), story)
    assert bench.done_to("m1") == [What.RELAY_OFF, What.RELAY_ON], "the hand's, and nothing more"
    assert bench.simulated.truth.harm().actions_on_healthy == 0
    assert bench.memory.duties == {}


# -- restart and reboot ------------------------------------------------------------------------------------------------


def relapsing(at: Verb | What | str) -> Story:
    """The process dies again after the restart, so that a reboot is wanted; the agent dies at that reboot."""

    async def story(bench: Bench) -> None:
        await begin(bench, DEAD)
        await bench.until(lambda: What.RESTART in bench.done_to("m1"), 600.0)
        await bench.until(lambda: bench.plant("m1").process is Process.RUNNING, 300.0)
        bench.plant("m1").kill_process(bench.now, watchdog=False)
        await die(bench, at)
        await bench.sleep(DOWN_S)
        await bench.start()
        await bench.until(lambda: not bench.agent.memory.open_incidents, 4000.0)

    return story


@pytest.mark.parametrize("family", list(Family))
def test_a_restart_that_happened_is_not_repeated(tmp_path: Path, family: Family) -> None:
    bench = play(tmp_path, configuration([(family, 1)]), dying(DEAD, What.RESTART))
    bench.check(touched=["m1"])
    check_counted_once(bench)
    assert bench.done_to("m1") == [What.RESTART]
    (outcome,) = bench.events(Settled)
    assert outcome.result is Result.OK, "seen in the age of the process"


@pytest.mark.parametrize("family", [STOCK, LUXOS])
@pytest.mark.parametrize("at", [What.REBOOT, "after_reboot"])
def test_a_reboot_that_happened_is_given_its_time(tmp_path: Path, family: Family, at: What | str) -> None:
    """The miner is still booting when the agent is back, and says nothing."""
    bench = play(tmp_path, configuration([(family, 1)]), relapsing(at))
    bench.check(touched=["m1"])
    check_counted_once(bench)
    assert bench.done_to("m1") == [What.RESTART, What.REBOOT]
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED


def test_a_restart_that_never_happened_leads_on_to_what_helps(tmp_path: Path) -> None:
    bench = play(tmp_path, configuration([(LUXOS, 1)]), dying(DEAD, Verb.RESTART))
    bench.check(touched=["m1"])
    check_counted_once(bench)
    assert bench.verbs("m1") == [Verb.RESTART, Verb.REBOOT]
    assert bench.done_to("m1") == [What.REBOOT]


# -- another program ---------------------------------------------------------------------------------------------------


LONGER = replace(PLAYBOOK, steps=PLAYBOOK.steps | {"dwell": replace(PLAYBOOK.steps["dwell"], duration_s=61.0)})  # type: ignore[type-var]


def renamed(state: str, name: str) -> Playbook:
    def new(old: str) -> str:
        return name if old == state else old

    steps = {new(old): step for old, step in PLAYBOOK.steps.items()}
    rows = tuple(Transition(t.trigger, new(t.source), new(t.dest)) for t in PLAYBOOK.transitions)
    return replace(PLAYBOOK, steps=steps, transitions=rows)


@pytest.mark.parametrize("playbook", [LONGER, renamed("power_off", "cut")], ids=["another time", "another state"])
@pytest.mark.parametrize("at", [Verb.POWER_OFF, What.RELAY_OFF, "dwell"], ids=lambda at: getattr(at, "name", at))
def test_a_changed_playbook_ends_the_run_with_a_person_and_the_outlet_on(
    tmp_path: Path, at: Verb | What | str, playbook: Playbook
) -> None:
    def change(agent: Agent) -> None:
        agent.tables = agent._stages._tables = Tables([playbook])

    async def story(bench: Bench) -> None:
        await begin(bench, HUNG)
        await die(bench, at)
        bench.prepare = change
        await bench.sleep(DOWN_S)
        await bench.start()
        await bench.until(lambda: settled(bench), 600.0)

    bench = play(tmp_path, configuration([(STOCK, 2)]), story)
    bench.check(touched=["m1"])
    assert bench.incident("m1").escalation_reason == "playbook_changed"
    assert bench.incident("m1").tried(Verb.POWER_OFF) == 1
    moved = Counter(bench.done_to("m1"))
    assert moved[What.RELAY_OFF] == moved[What.RELAY_ON], "nothing was begun that the new table would not end"


@pytest.mark.parametrize(
    "at", [Verb.RESTART, Verb.POWER_OFF, What.RELAY_OFF, "dwell"], ids=lambda at: getattr(at, "name", at)
)
def test_a_miner_that_left_the_inventory_still_gets_its_outlet_back(tmp_path: Path, at: Verb | What | str) -> None:
    tree = configuration([(STOCK, 2), (LUXOS, 1)])

    async def story(bench: Bench) -> None:
        await begin(bench, DEAD if at is Verb.RESTART else HUNG)
        await die(bench, at)
        site = bench.settings.site
        bench.settings = replace(bench.settings, site=replace(site, miners=site.miners[1:]))
        await bench.sleep(DOWN_S)
        await bench.start()
        await bench.until(lambda: not bench.agent.memory.duties, 300.0)
        await bench.run(10.0)

    bench = play(tmp_path, tree, story)
    bench.check(touched=["m1"])
    assert bench.incident("m1").escalation_reason == "not_in_inventory"


def test_a_site_put_back_on_observe_still_pays_what_it_owes(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await begin(bench, HUNG)
        await die(bench, "dwell")
        await bench.sleep(DOWN_S)
        bench.observe()
        await bench.start()
        await bench.until(lambda: closed(bench), 3000.0)

    bench = play(tmp_path, configuration([(STOCK, 2)], mode="observe"), story)
    bench.check(touched=["m1"])
    assert bench.verbs("m1") == CYCLE
