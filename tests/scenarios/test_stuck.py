"""Stuck miners on a small site: what is done to the plant, what the ledger says, and what is left alone.

Every fault on every family with one cord and with two; PDUs that lie, dawdle and vanish; events that hit the whole site
and ask for nothing; a whole bank that hangs at once.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.model.action import Action, Result, Verb
from agent.model.incident import Outcome, Phase
from agent.model.telemetry import Reach
from agent.model.topology import Family
from simulators.plant.journal import What
from simulators.plant.state import Board
from tests.bench import Bench as DecidingBench
from tests.factory import site
from tests.scenarios.site_bench import FAMILIES, Bench, Story, configuration, play

STOCK, WHATSMINER, LUXOS = Family.ANTMINER_STOCK, Family.WHATSMINER, Family.LUXOS
EVERY_KIND = [(family, cords) for family in FAMILIES for cords in (1, 2)]
HEALTHY_S = 30.0
"""A story begins with a site that is well."""

CYCLE = [Verb.POWER_OFF, Verb.POWER_ON]


def settled(bench: Bench) -> bool:
    """Every miner that was broken has had its incident, none of which wants anything more, and nothing is owed."""
    memory = bench.agent.memory
    broken = {miner for fault in bench.simulated.truth.faults() if fault.counts for miner in fault.miners}
    known = {miner for incident in memory.incidents.values() for miner in incident.members}
    return broken <= known and not memory.duties and all(i.phase is Phase.ESCALATED for i in memory.open_incidents)


def closed(bench: Bench) -> bool:
    return settled(bench) and not bench.agent.memory.open_incidents


# -- every fault -------------------------------------------------------------------------------------------------------


def breaking(kind: str, *, apart_s: float = 0.0, **params: Any) -> Story:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(HEALTHY_S)
        for miner in bench.settings.site.miners:
            bench.break_(kind, miner.id, **params)
            await bench.run(apart_s)
        await bench.until(lambda: settled(bench), 4500.0)

    return story


@pytest.mark.parametrize(
    ("kind", "params", "remedy"),
    [
        ("miner.process_died", {}, [Verb.RESTART]),
        ("miner.hashing_stopped", {}, [Verb.RESTART]),
        ("miner.control_board_hung", {"draw": "idle"}, CYCLE),
        ("miner.control_board_hung", {"draw": "full"}, CYCLE),
        ("miner.psu_latched", {}, CYCLE),
    ],
)
def test_the_mildest_step_that_can_mends_every_family_on_one_cord_and_on_two(
    tmp_path: Path, kind: str, params: dict[str, Any], remedy: list[Verb]
) -> None:
    bench = play(tmp_path, configuration(EVERY_KIND), breaking(kind, **params))
    miners = [m.id for m in bench.settings.site.miners]
    bench.check(touched=miners)
    for miner in miners:
        assert bench.verbs(miner) == remedy
        assert bench.incident(miner).outcome is Outcome.AUTO_RESOLVED
        assert bench.plant(miner).healthy
    assert bench.simulated.truth.harm().useless_power_cycles == 0


def test_a_supply_that_draws_nothing_is_a_ticket_and_no_cycle(tmp_path: Path) -> None:
    # Together they would be a breaker that tripped: nothing outside them tells the two apart.
    bench = play(tmp_path, configuration(EVERY_KIND), breaking("miner.psu_dead", apart_s=200.0, standby_w=0.0))
    bench.check()
    for miner in bench.settings.site.miners:
        assert bench.incident(miner.id).escalation_reason == "no_power_draw"


def test_a_dead_supply_that_still_draws_a_little_is_cycled_once_and_then_a_ticket(tmp_path: Path) -> None:
    """From outside it looks like a latched one: the cold cycle is what tells the two apart, and once is enough."""
    tree = configuration([(STOCK, 1), (LUXOS, 2)])
    bench = play(tmp_path, tree, breaking("miner.psu_dead", standby_w=12.0))
    bench.check(touched=["m1", "m2"])
    for miner in ("m1", "m2"):
        assert bench.verbs(miner) == CYCLE
        assert bench.incident(miner).escalation_reason == "supply_did_not_start"
    moves = [e for e in bench.actions if e.miner == "m2"]
    assert [e.what for e in moves] == [What.RELAY_OFF, What.RELAY_OFF, What.RELAY_ON, What.RELAY_ON]
    assert 60.0 <= moves[2].asked_at - moves[1].at < 75.0, "all off, then the dwell, then on"


def test_a_command_whose_reply_is_lost_is_given_its_time_before_anything_harsher(tmp_path: Path) -> None:
    """A board that reboots often takes its own reply with it: nobody knows whether the command was heard."""
    bench = DecidingBench(site(2))
    rebooting: list[float] = []

    def lose(action: Action) -> Result:
        if action.verb is Verb.RESTART:
            return Result.FAILED
        rebooting.append(bench.now)
        bench.world.reply = Reach.REFUSED
        return Result.UNKNOWN

    bench.run(60.0)
    bench.world.reply, bench.world.power_w, bench.world.answers = Reach.ERRORED, 15.0, lose
    bench.run(3000.0, lambda: bool(rebooting))
    bench.run(120.0)
    bench.reset()
    bench.run(3000.0, lambda: not bench.state.open_incidents)
    assert bench.verbs == [Verb.RESTART, Verb.REBOOT]
    assert bench.incident.outcome is Outcome.AUTO_RESOLVED


# -- PDUs --------------------------------------------------------------------------------------------------------------


def hung_behind(kind: str, for_s: float, **params: Any) -> Story:
    """A miner on one cord and one on two hang behind a PDU with that fault; the PDU is well again after `for_s`."""

    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(HEALTHY_S)
        bench.break_(kind, "pdu:pdu-a", for_s=for_s, **params)
        for miner in ("m1", "m2"):
            bench.break_("miner.control_board_hung", miner)
        await bench.until(lambda: closed(bench), for_s + 3000.0)

    return story


@pytest.mark.parametrize(
    ("profile", "kind", "params", "tries"),
    [
        ("apc_rpdu2", "pdu.set_lies", {"mode": "accept"}, 2),
        ("raritan_px2_px3", "pdu.set_lies", {"mode": "refuse"}, 1),
        ("eaton_epdu_g2_g3", "pdu.slow", {"reply_delay_s": 1.0, "relay_delay_s": 12.0}, 1),
        ("apc_rpdu2", "pdu.slow", {"reply_delay_s": 8.0, "relay_delay_s": 30.0}, 1),
    ],
    ids=["accepts and stays", "refuses and moves", "slow", "too slow to be read"],
)
def test_a_pdu_that_lies_or_dawdles_costs_time_and_no_more(
    tmp_path: Path, profile: str, kind: str, params: dict[str, Any], tries: int
) -> None:
    tree = configuration([(STOCK, 1), (LUXOS, 2), (STOCK, 1)], profile=profile)
    bench = play(tmp_path, tree, hung_behind(kind, 600.0, **params))
    bench.check(touched=["m1", "m2"])
    for miner, cords in (("m1", 1), ("m2", 2)):
        assert bench.incident(miner).outcome is Outcome.AUTO_RESOLVED
        assert bench.incident(miner).tried(Verb.POWER_OFF) == tries
        assert Counter(bench.done_to(miner)) == {What.RELAY_OFF: cords, What.RELAY_ON: cords}


@pytest.mark.parametrize("relay_delay_s", [24.0, 110.0])
def test_an_off_that_comes_late_is_undone_all_the_same(tmp_path: Path, relay_delay_s: float) -> None:
    """This model does not tell that a command is pending: it reads on until, long after, the relay opens."""
    tree = configuration([(STOCK, 1), (LUXOS, 2)], profile="raritan_px2_px3")
    bench = play(tmp_path, tree, hung_behind("pdu.slow", 900.0, reply_delay_s=0.1, relay_delay_s=relay_delay_s))
    bench.check(touched=["m1", "m2"])
    assert all(bench.incident(miner).tried(Verb.POWER_OFF) <= 2 for miner in ("m1", "m2"))


def vanishing(at: Callable[[Bench], bool], away_s: float = 420.0) -> Story:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(HEALTHY_S)
        bench.break_("miner.control_board_hung", "m1")
        await bench.until(lambda: at(bench), 600.0, look_s=0.1)
        bench.cut_off("pdu-a")
        await bench.run(away_s)
        assert bench.agent.memory.duties, "what was begun is owed until it is seen done"
        bench.reconnect("pdu-a")
        await bench.until(lambda: settled(bench), 2400.0)
        await bench.run(900.0)

    return story


def in_state(state: str) -> Callable[[Bench], bool]:
    return lambda bench: any(i.run is not None and i.run.state == state for i in bench.agent.memory.open_incidents)


def off_is_under_way(bench: Bench) -> bool:
    (first, _) = bench.settings.site.miners[0].outlets
    return bench.simulated.plant.power.pending(first)


def is_between_offs(bench: Bench) -> bool:
    return bench.done_to("m1") == [What.RELAY_OFF]


def on_is_under_way(bench: Bench) -> bool:
    return in_state("power_on")(bench) and off_is_under_way(bench)


def is_between_ons(bench: Bench) -> bool:
    return bench.done_to("m1") == [What.RELAY_OFF, What.RELAY_OFF, What.RELAY_ON]


@pytest.mark.parametrize(
    ("at", "heals"),
    [
        (in_state("power_off"), False),
        (off_is_under_way, True),
        (is_between_offs, True),
        (in_state("dwell"), True),
        (on_is_under_way, True),
        (is_between_ons, True),
    ],
    ids=["before the off", "during the off", "between two offs", "in the dwell", "during the on", "between two ons"],
)
def test_a_pdu_that_vanishes_leaves_no_outlet_off_once_it_is_back(
    tmp_path: Path, at: Callable[[Bench], bool], heals: bool
) -> None:
    bench = play(tmp_path, configuration([(STOCK, 2), (LUXOS, 1)]), vanishing(at))
    bench.check(touched=["m1"])
    incident = bench.incident("m1")
    assert incident.escalation_reason == "pdu_failed", "a person knows"
    assert incident.tried(Verb.POWER_OFF) == 1
    assert (incident.outcome is Outcome.HUMAN_RESOLVED) == heals
    assert bench.plant("m1").healthy == heals


# -- the whole site ----------------------------------------------------------------------------------------------------


def miners_of(bench: Bench) -> list[str]:
    return [miner.id for miner in bench.settings.site.miners]


async def blind_switch_and_silence(bench: Bench) -> None:
    bench.cut_off("sw-1")
    for miner in miners_of(bench):
        bench.break_("wire.silent", miner)
    await bench.run(1000.0)


async def a_pdu_is_away(bench: Bench) -> None:
    bench.cut_off("pdu-a")
    await bench.run(600.0)
    bench.reconnect("pdu-a")
    await bench.run(120.0)


async def ten_silent_minutes(bench: Bench) -> None:
    for miner in miners_of(bench):
        bench.break_("wire.silent", miner, for_s=600.0)
    await bench.run(1200.0)


async def everything_is_cut_off(bench: Bench) -> None:
    for device in ("sw-1", "pdu-a"):
        bench.cut_off(device)
    await ten_silent_minutes(bench)


async def cables_are_out(bench: Bench) -> None:
    for miner in bench.settings.site.miners:
        if miner.port is not None:
            bench.simulated.plant.network.plug(miner.port, False, bench.now)
    await bench.run(900.0)


async def power_blinks(bench: Bench) -> None:
    for miner in miners_of(bench):
        bench.plant(miner).set_energised(False, bench.now)
        bench.plant(miner).set_energised(True, bench.now)
    await bench.run(1200.0)
    assert all(bench.plant(miner).healthy for miner in miners_of(bench))


async def boots_are_slow(bench: Bench) -> None:
    for miner in miners_of(bench):
        plant = bench.plant(miner)
        plant.profile = dataclasses.replace(plant.profile, boot_s=(150.0, 150.0))
    await power_blinks(bench)


@pytest.mark.parametrize(
    "event",
    [
        blind_switch_and_silence,
        a_pdu_is_away,
        ten_silent_minutes,
        everything_is_cut_off,
        cables_are_out,
        power_blinks,
        boots_are_slow,
    ],
)
def test_what_hits_the_whole_site_makes_nobody_touch_a_miner(tmp_path: Path, event: Story) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(HEALTHY_S)
        await event(bench)

    bench = play(tmp_path, configuration([(family, 1) for family in FAMILIES]), story)
    bench.check()
    assert all(i.attempts == () for i in bench.memory.incidents.values())


def test_an_agent_that_starts_while_power_returns_lets_the_miners_boot(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        for miner in miners_of(bench):
            bench.plant(miner).set_energised(False, bench.now)
            bench.plant(miner).set_energised(True, bench.now)
        await bench.start()
        await bench.run(1200.0)

    bench = play(tmp_path, configuration([(family, 1) for family in FAMILIES]), story)
    bench.check()
    assert all(bench.plant(miner).healthy for miner in miners_of(bench))


def test_half_a_site_that_was_off_before_the_agent_came_stays_off(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.switch_by_hand("pdu-a/1", False)
        bench.switch_by_hand("pdu-a/2", False)
        await bench.start()
        await bench.run(600.0)

    bench = play(tmp_path, configuration([(STOCK, 1), (LUXOS, 2), (WHATSMINER, 1)]), story)
    assert [(e.what, e.miner) for e in bench.actions] == [(What.RELAY_OFF, "m1"), (What.RELAY_OFF, "m2")], "the hand's"
    (asked,) = [i for i in bench.memory.incidents.values() if i.outcome is not Outcome.SUPPRESSED]
    assert asked.escalation_reason == "outlets_off"
    assert bench.memory.duties == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_miner_told_to_sleep_is_left_asleep(tmp_path: Path, family: Family) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(HEALTHY_S)
        bench.plant("m1").suspend(bench.now)
        await bench.run(600.0)

    bench = play(tmp_path, configuration([(family, 1)]), story)
    bench.check(by_hand=[bench.entry(What.SUSPEND, "m1")])
    assert bench.plant("m1").suspended


def test_a_board_that_refuses_may_be_booting_and_is_not_power_cycled_within_its_grace() -> None:
    bench = DecidingBench(site(2))
    bench.run(60.0)
    bench.world.reply, bench.world.power_w = Reach.REFUSED, 15.0
    bench.world.answers = lambda _: Result.FAILED
    bench.run(300.0)
    bench.reset()
    bench.run(1200.0, lambda: not bench.state.open_incidents)
    assert Verb.POWER_OFF not in bench.verbs


# -- guards ------------------------------------------------------------------------------------------------------------


def test_a_bank_that_hangs_at_once_comes_back_one_by_one(tmp_path: Path) -> None:
    """Six of 13.5 A behind one breaker of 110 A: 74 % when all run."""
    bench = play(tmp_path, configuration([(STOCK, 1)] * 6, rating_a=110.0), breaking("miner.control_board_hung"))
    bench.check(touched=miners_of(bench))
    ons = [e for e in bench.actions if e.what is What.RELAY_ON]
    assert len(ons) == 6
    assert all(later.at - earlier.at >= 5.0 for earlier, later in pairwise(ons))
    assert all(e.bank_load <= 0.8 for e in ons)
    assert all(bench.plant(m).board is Board.UP for m in miners_of(bench))


def test_a_bank_that_could_not_be_switched_on_again_is_not_switched_off(tmp_path: Path) -> None:
    """Six of 13.5 A behind 96 A would be 84 %: the last one is left to a person, the others come back."""
    bench = play(tmp_path, configuration([(STOCK, 1)] * 6, rating_a=96.0), breaking("miner.control_board_hung"))
    bench.check(touched=miners_of(bench))
    assert Counter(i.escalation_reason for i in bench.memory.incidents.values()) == {"": 5, "bank_load": 1}
    assert all(e.bank_load <= 0.8 for e in bench.actions if e.what is What.RELAY_ON)
