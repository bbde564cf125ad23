"""Act: what becomes of an action that meets a good driver, a bad one, a slow one and a buggy one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from msgspec.structs import replace as replaced

from agent.act import Actor, Outcome
from agent.model.action import Action, Result, Verb
from agent.model.errors import AgentError, CodecError, DeviceError, RefusedError, SilentError, TransportError
from agent.model.ids import CoolingUnitId, MinerId, PduId, PoolGroupId, PoolId
from agent.model.telemetry import PduReading, Telemetry
from agent.model.topology import Family, Miner, Outlet, Pool, PoolGroup, Site
from simulators import virtual_time
from tests.factory import PDU, SWITCH, miner, site

SPACING_S = 5.0


class Board:
    """A miner's control interface that does what it is told, or raises, or never answers."""

    family = Family.ANTMINER_STOCK
    port = 4028
    request = b""

    def __init__(self, fault: Exception | None = None, *, hangs: bool = False) -> None:
        self.restarted: list[MinerId] = []
        self.rebooted: list[MinerId] = []
        self.lists: dict[MinerId, tuple[list[PoolId], str]] = {}
        self.shares: dict[MinerId, float] = {}
        self.asleep: list[MinerId] = []
        self.stubborn: dict[MinerId, AgentError] = {}
        self._fault = fault
        self._hangs = hangs

    def decode(self, reply: bytes) -> Telemetry:
        raise CodecError("nothing is read here")

    async def restart(self, miner: Miner) -> None:
        await self._answer()
        self.restarted.append(miner.id)

    async def reboot(self, miner: Miner) -> None:
        await self._answer()
        self.rebooted.append(miner.id)

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        if miner.id in self.stubborn:
            raise self.stubborn[miner.id]
        await self._answer()
        self.lists[miner.id] = ([pool.id for pool in pools], worker)

    async def derate(self, miner: Miner, share: float) -> None:
        await self._told(miner)
        self.shares[miner.id] = share

    async def sleep(self, miner: Miner) -> None:
        await self._told(miner)
        self.asleep.append(miner.id)

    async def wake(self, miner: Miner) -> None:
        await self._told(miner)
        self.asleep.remove(miner.id)

    async def _told(self, miner: Miner) -> None:
        if miner.id in self.stubborn:
            raise self.stubborn[miner.id]
        await self._answer()

    async def _answer(self) -> None:
        if self._hangs:
            await asyncio.Event().wait()
        if self._fault is not None:
            raise self._fault


class Strip:
    """A PDU whose relays move at once; outlets that fail raise."""

    def __init__(self, fails: dict[int, Exception] | None = None) -> None:
        self.moves: list[tuple[float, int, bool]] = []
        self._fails = fails or {}

    async def read(self) -> PduReading:
        return PduReading({})

    async def identify(self) -> str:
        return "a strip"

    async def switch(self, outlet: int, on: bool) -> None:
        if outlet in self._fails:
            raise self._fails[outlet]
        self.moves.append((asyncio.get_running_loop().time(), outlet, on))


class Access:
    """A switch whose ports are bounced at once, or fail."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.bounced: list[int] = []
        self._fault = fault

    async def bounce(self, port: int) -> None:
        if self._fault is not None:
            raise self._fault
        self.bounced.append(port)


def actor(
    board: Board | None = None, strip: Strip | None = None, *, access: Access | None = None, at: Site | None = None
) -> Actor:
    pdus = {PDU: strip} if strip is not None else {}
    ports = {SWITCH: access} if access is not None else {}
    return Actor(at or site(), {Family.ANTMINER_STOCK: board or Board()}, pdus, ports, SPACING_S)


def perform(who: Actor, action: Action) -> Outcome:
    return within(lambda: who.perform(action))[0]


def within(work: Callable[[], Awaitable[Outcome]]) -> tuple[Outcome, float]:
    """Do it in virtual time; return what came of it and how long it took, in s."""

    async def main() -> tuple[Outcome, float]:
        outcome = await work()
        return outcome, asyncio.get_running_loop().time()

    return virtual_time.run(main(), timeout_wall_s=20.0)


def power(verb: Verb, *numbers: int, who: str = "m1") -> Action:
    return Action(verb=verb, miner=MinerId(who), outlets=tuple(Outlet(PDU, n) for n in numbers))


RESTART, REBOOT = Action(verb=Verb.RESTART, miner=MinerId("m2")), Action(verb=Verb.REBOOT, miner=MinerId("m3"))


def test_commands_go_to_the_miner_that_is_meant() -> None:
    board = Board()
    assert perform(actor(board), RESTART).result is Result.OK
    assert perform(actor(board), REBOOT).result is Result.OK
    assert (board.restarted, board.rebooted) == ([MinerId("m2")], [MinerId("m3")])


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (RefusedError("nothing listens"), Result.FAILED),
        (DeviceError("it said no"), Result.FAILED),
        (SilentError("no answer in time"), Result.UNKNOWN),
        (TransportError("the wire broke"), Result.UNKNOWN),
        (CodecError("garbage"), Result.UNKNOWN),
        (AgentError("something else"), Result.UNKNOWN),
    ],
)
def test_only_what_was_seen_not_to_happen_counts_as_failed(fault: Exception, result: Result) -> None:
    for outcome in (
        perform(actor(Board(fault)), RESTART),
        perform(actor(strip=Strip({1: fault})), power(Verb.POWER_OFF, 1)),
    ):
        assert (outcome.result, outcome.detail) == (result, str(fault))


def test_a_drivers_bug_leaves_no_intent_without_an_outcome() -> None:
    outcome = perform(actor(Board(ZeroDivisionError("oops"))), REBOOT)
    assert outcome == Outcome(Result.UNKNOWN, "driver bug: ZeroDivisionError")


def test_a_driver_that_never_answers_is_given_up_in_bounded_time() -> None:
    who = actor(Board(hangs=True))
    outcome, took_s = within(lambda: who.perform(REBOOT))
    assert outcome.result is Result.UNKNOWN
    assert took_s == pytest.approx(60.0)


def test_a_cancelled_action_is_not_reported_as_settled() -> None:
    async def main() -> bool:
        doing = asyncio.create_task(actor(Board(hangs=True)).perform(REBOOT))
        await asyncio.sleep(1.0)
        doing.cancel()
        await asyncio.wait([doing])
        return doing.cancelled()

    assert virtual_time.run(main(), timeout_wall_s=20.0)


def test_outlets_of_one_bank_are_switched_on_apart_and_off_together() -> None:
    strip = Strip()
    assert perform(actor(strip=strip), power(Verb.POWER_OFF, 1, 2, 4)).result is Result.OK
    assert strip.moves == [(0.0, 1, False), (0.0, 2, False), (0.0, 4, False)]
    strip = Strip()
    assert perform(actor(strip=strip), power(Verb.POWER_ON, 1, 4, 2)).result is Result.OK
    assert strip.moves == [(0.0, 1, True), (0.0, 4, True), (SPACING_S, 2, True)], "1 and 2 share a breaker"


def test_a_switch_off_that_fails_half_way_says_so() -> None:
    strip = Strip({2: DeviceError("pdu-1/2: it did not move")})
    outcome = perform(actor(strip=strip), power(Verb.POWER_OFF, 1, 2))
    assert outcome == Outcome(Result.FAILED, "pdu-1/2: it did not move")
    assert [number for _, number, _ in strip.moves] == [1], "what was switched off is owed by the intent"


def test_an_outlet_of_a_pdu_that_is_not_configured_names_the_remedy() -> None:
    outlet = Outlet(PduId("pdu-9"), 3)
    outcome = perform(actor(), Action(verb=Verb.POWER_ON, miner=MinerId("m1"), outlets=(outlet,)))
    assert outcome.result is Result.FAILED
    assert "pdu-9" in outcome.detail
    assert "add it under `pdus`" in outcome.detail


def test_an_outlet_is_switched_on_for_a_miner_that_left_the_inventory() -> None:
    strip = Strip()
    outcome = perform(actor(strip=strip, at=site((miner(2),))), power(Verb.POWER_ON, 1))
    assert outcome.result is Result.OK
    assert strip.moves == [(0.0, 1, True)]


# -- pools and ports ---------------------------------------------------------------------------------------------------

PRIMARY, BACKUP = Pool(PoolId("primary"), "one.example", 3333), Pool(PoolId("backup"), "two.example", 3333)
GROUP = PoolGroup(PoolGroupId("main"), (PRIMARY.id, BACKUP.id), "acme.{miner}")


def pooled(miners: int) -> Site:
    made = tuple(replace(miner(k), pool_group=GROUP.id) for k in range(1, miners + 1))
    return replace(site(made), pools=(PRIMARY, BACKUP), pool_groups=(GROUP,))


def to_backup(miners: int) -> Action:
    first, *others = (MinerId(f"m{k}") for k in range(1, miners + 1))
    return Action(Verb.SWITCH_POOL, first, others=tuple(others), pool=BACKUP.id)


def test_every_target_gets_the_chosen_pool_first_and_its_own_name_there() -> None:
    board = Board()
    outcome = perform(actor(board, at=pooled(3)), to_backup(3))
    assert outcome == Outcome(Result.OK, "3 of 3 work for backup")
    assert board.lists == {f"m{k}": (["backup", "primary"], f"acme.m{k}") for k in (1, 2, 3)}


def test_one_that_refuses_and_one_that_is_silent_do_not_hold_up_the_others() -> None:
    board = Board()
    board.stubborn = {MinerId("m2"): DeviceError("no"), MinerId("m4"): SilentError("nothing came")}
    outcome = perform(actor(board, at=pooled(5)), to_backup(5))
    assert outcome == Outcome(Result.OK, "3 of 5 work for backup; not m2: no; m4: nothing came")
    assert set(board.lists) == {"m1", "m3", "m5"}


def test_an_action_on_many_that_none_took_is_what_became_of_the_first() -> None:
    board = Board(DeviceError("API write disabled"))
    assert perform(actor(board, at=pooled(2)), to_backup(2)) == Outcome(Result.FAILED, "API write disabled")
    board = Board(SilentError("nothing came"))
    assert perform(actor(board, at=pooled(2)), to_backup(2)).result is Result.UNKNOWN


def test_a_crowd_is_told_in_batches_within_a_time_that_grows_with_it() -> None:
    board = Board(hangs=True)
    began = perform(actor(board, at=pooled(20)), to_backup(20))
    assert began.result is Result.UNKNOWN
    assert to_backup(24).limit_s == 130.0
    many = Action(Verb.SWITCH_POOL, MinerId("m1"), others=tuple(MinerId(f"x{k}") for k in range(2000)), pool=BACKUP.id)
    assert many.limit_s == 130.0 * 32


def test_a_pool_that_is_not_the_miners_is_refused_before_anything_is_sent() -> None:
    board = Board()
    outcome = perform(actor(board, at=pooled(1)), replaced(to_backup(1), pool=PoolId("thief")))
    assert outcome.result is Result.FAILED
    assert "thief" in outcome.detail
    assert board.lists == {}


def test_the_port_of_the_miner_is_bounced_and_a_miner_without_one_names_the_remedy() -> None:
    access = Access()
    assert perform(actor(access=access), Action(Verb.BOUNCE_PORT, MinerId("m3"))).result is Result.OK
    assert access.bounced == [3]
    outcome = perform(actor(), Action(Verb.BOUNCE_PORT, MinerId("m3")))
    assert outcome.result is Result.FAILED
    assert "inventory" in outcome.detail


# -- heat --------------------------------------------------------------------------------------------------------------


class Chiller:
    """A cooling unit that takes what it is told, or raises."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.told: list[tuple[str, float, float]] = []
        self._fault = fault

    async def set_supply(self, supply_c: float, was: float) -> None:
        await self._take("supply", supply_c, was)

    async def set_flow(self, flow_lpm: float, was: float) -> None:
        await self._take("flow", flow_lpm, was)

    async def _take(self, what: str, value: float, was: float) -> None:
        if self._fault is not None:
            raise self._fault
        self.told.append((what, value, was))


def cooled(chiller: Chiller | None = None, board: Board | None = None) -> Actor:
    units = {CoolingUnitId("cdu"): chiller} if chiller is not None else {}
    return Actor(site(), {Family.ANTMINER_STOCK: board or Board()}, {}, {}, SPACING_S, cooling_drivers=units)


def setting(verb: Verb, **what: float) -> Action:
    return Action(verb=verb, miner=MinerId("m1"), unit=CoolingUnitId("cdu"), **what)  # type: ignore[arg-type]


def test_miners_are_derated_put_to_sleep_and_woken_together() -> None:
    board = Board()
    board.stubborn[MinerId("m2")] = DeviceError("m2: it will not")
    miners = {"miner": MinerId("m1"), "others": (MinerId("m2"), MinerId("m3"))}
    done = perform(cooled(board=board), Action(verb=Verb.DERATE, share=0.8, **miners))  # type: ignore[arg-type]
    assert (done.result, done.detail) == (Result.OK, "2 of 3 run at 80%; not m2: m2: it will not")
    assert board.shares == {MinerId("m1"): 0.8, MinerId("m3"): 0.8}
    perform(cooled(board=board), Action(verb=Verb.SLEEP, **miners))  # type: ignore[arg-type]
    assert board.asleep == [MinerId("m1"), MinerId("m3")], "in the order in which they were named"
    perform(cooled(board=board), Action(verb=Verb.WAKE, **miners))  # type: ignore[arg-type]
    assert board.asleep == []


def test_where_none_took_it_and_one_may_have_the_outcome_is_open() -> None:
    board = Board()
    board.stubborn = {MinerId("m1"): DeviceError("m1: no"), MinerId("m2"): TransportError("m2: not so yet")}
    asked = Action(verb=Verb.DERATE, share=0.8, miner=MinerId("m1"), others=(MinerId("m2"),))
    done = perform(cooled(board=board), asked)
    assert (done.result, done.detail) == (Result.UNKNOWN, "m2: not so yet"), "or nobody would bring it back"


@pytest.mark.parametrize("share", [None, 0.0, 1.2])
def test_no_share_that_means_nothing_is_told(share: float | None) -> None:
    board = Board()
    assert (
        perform(cooled(board=board), Action(verb=Verb.DERATE, miner=MinerId("m1"), share=share)).result is Result.FAILED
    )
    assert board.shares == {}


def test_a_unit_is_told_what_it_aimed_at_before() -> None:
    chiller = Chiller()
    assert perform(cooled(chiller), setting(Verb.SET_SUPPLY, supply_c=33.0, was=35.0)).result is Result.OK
    assert perform(cooled(chiller), setting(Verb.SET_FLOW, flow_lpm=60.0, was=54.0)).result is Result.OK
    assert chiller.told == [("supply", 33.0, 35.0), ("flow", 60.0, 54.0)]


@pytest.mark.parametrize(
    "action",
    [
        setting(Verb.SET_SUPPLY, supply_c=33.0),
        setting(Verb.SET_SUPPLY, flow_lpm=33.0, was=35.0),
        Action(verb=Verb.SET_SUPPLY, miner=MinerId("m1"), supply_c=33.0, was=35.0),
    ],
)
def test_an_order_that_says_too_little_reaches_no_unit(action: Action) -> None:
    chiller = Chiller()
    assert perform(cooled(chiller), action).result is Result.FAILED
    assert chiller.told == []


def test_a_lost_reply_of_a_unit_is_unknown() -> None:
    lost = perform(cooled(Chiller(SilentError("gone"))), setting(Verb.SET_SUPPLY, supply_c=33.0, was=35.0))
    assert lost.result is Result.UNKNOWN
