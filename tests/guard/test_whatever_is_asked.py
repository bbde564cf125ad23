"""Whatever is asked of the gates, with outcomes, holds and restarts in between: no limit is passed."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.guard.limits import GuardLimits
from agent.guard.order import judge
from agent.model.action import Action, Result, Verb
from agent.model.events import HoldChanged
from agent.model.guard import Allow, GuardReason, Refuse
from agent.model.ids import MinerId
from agent.model.topology import Outlet
from tests.factory import EPOCH, PDU
from tests.guard.test_limits_of_many import AT_ONCE, HOURLY, MINERS, World

DAY_S = 86_400.0
DAILY = 48
LIMITS = GuardLimits()
VERBS = (Verb.RESTART, Verb.REBOOT, Verb.POWER_OFF, Verb.POWER_ON, Verb.SWITCH_POOL, Verb.DERATE, Verb.SLEEP)
NUMBERS = st.integers(1, MINERS)
BANK = 3
"""Outlets behind one breaker."""


class Asked(RuleBasedStateMachine):
    """One PDU of 24 miners. Everything that is allowed is done, sooner or later."""

    @initialize()
    def begin(self) -> None:
        self.world, self.now = World(), EPOCH
        self.flying: dict[int, Verb] = {}
        self.off: set[int] = set()
        self.done: list[tuple[float, Verb, int]] = []
        self.held = False

    @rule(gap_s=st.one_of(st.floats(0.1, 10.0), st.floats(10.0, 4000.0), st.just(DAY_S / 2)))
    def time_passes(self, gap_s: float) -> None:
        self.now += gap_s

    @rule()
    def the_agent_restarts(self) -> None:
        before = self.verdicts()
        self.world.restart()
        assert self.verdicts() == before, "what was forgotten was never in the ledger"

    @rule(held=st.booleans())
    def a_person_holds_it_or_lets_go(self, held: bool) -> None:
        self.held = held
        self.world.tell(HoldChanged(why="electrician" if held else None), self.now)

    @rule(verb=st.sampled_from(VERBS), number=NUMBERS)
    def something_is_wanted(self, verb: Verb, number: int) -> None:
        owed = verb is Verb.POWER_ON and number in self.off
        gate, verdict = judge(self.world.ask(verb, number, self.now))
        if not isinstance(verdict, Allow):
            assert not owed or gate in ("bank", "in_flight", *(["hold"] if self.held else [])), f"{gate} held up a duty"
            return
        assert number not in self.flying, "a second action on the same miner"
        assert not self.held, "begun while a person held it"
        self.world.intend(verb, number, self.now)
        self.flying[number] = verb
        self.done.append((self.now, verb, number))
        if verb is Verb.POWER_OFF:
            self.off.add(number)

    @rule(number=NUMBERS, result=st.sampled_from(Result))
    def something_settles(self, number: int, result: Result) -> None:
        verb = self.flying.pop(number, None)
        if verb is None:
            return
        self.world.settle(verb, number, self.now, result)
        if verb is Verb.POWER_ON and result is Result.OK:
            self.off.discard(number)

    @invariant()
    def no_limit_is_passed(self) -> None:
        stops = [at for at, verb, _ in self.done if verb in (Verb.REBOOT, Verb.POWER_OFF)]
        assert sum(self.now - 3600.0 < at for at in stops) <= HOURLY
        assert sum(self.now - DAY_S < at for at in stops) <= DAILY
        out = {number for number, verb in self.flying.items() if verb in (Verb.REBOOT, Verb.POWER_OFF)}
        assert len(out) <= AT_ONCE
        cycles = Counter(n for at, verb, n in self.done if verb is Verb.POWER_OFF and self.now - at < DAY_S)
        assert max(cycles.values(), default=0) <= LIMITS.power_cycles_per_day
        banks = Counter((n - 1) // BANK for n, verb in self.flying.items() if verb in (Verb.POWER_OFF, Verb.POWER_ON))
        assert max(banks.values(), default=0) <= 1, "two switchings behind one breaker"

    @invariant()
    def what_is_off_is_owed(self) -> None:
        assert set(self.world.state.duties) == {Outlet(PDU, number) for number in self.off}

    def verdicts(self) -> list[Any]:
        return [
            judge(self.world.ask(verb, number, self.now))
            for verb in (Verb.REBOOT, Verb.POWER_OFF)
            for number in (1, MINERS)
        ]


TestWhateverIsAsked = Asked.TestCase
TestWhateverIsAsked.settings = settings(max_examples=12, stateful_step_count=40)


def test_a_power_action_without_outlets_is_an_error_and_never_all() -> None:
    world = World()
    for verb in (Verb.POWER_OFF, Verb.POWER_ON):
        bare = replace(world.ask(verb, 1, EPOCH), action=Action(verb=verb, miner=MinerId("m1")))
        assert judge(bare) == ("target", Refuse(GuardReason.NO_TARGET))
