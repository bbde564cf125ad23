"""What the families' fields mean, where replies of healthy miners do not show it."""

from typing import Any

import pytest

from agent.codecs.bitmain import chip_max_c, fans_rpm, rate_factor, work_mode_sleeps
from agent.codecs.telemetry import Pool, pool_facts
from agent.model.topology import Family
from tests.contract.miner_replies import DRIVERS, document, encode


def decoded(family: Family, section: str, **fields: object) -> Any:
    """The telemetry of a healthy reply with those fields of every row of a section replaced."""
    content = document(family)
    (payload,) = (value for key, value in content[section][0].items() if key not in ("STATUS", "id"))
    for row in payload:
        row.update({key.replace("_", " "): value for key, value in fields.items()})
    return DRIVERS[family].decode(encode(content))


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({"temp_chip1": "78-50-69-70", "temp_chip2": "81-55-70-71", "temp_chip4": "0-0-0-0"}, 81.0),
        ({"temp_chip1": "78-255-69-70"}, 78.0),
        ({"temp_chip1": "130-129-1-1"}, 129.0),
        ({"temp_chip1": "-40--273-0-61"}, 61.0),
        ({"temp_chip1": "nan-61-", "temp_chip2": ""}, 61.0),
        ({"temp_chip1": "0-0-0-0"}, None),
        ({"temp_chip1": 78}, None),
        ({"temp2_6": 92, "temp2_7": 255, "temp2_8": "94"}, 94.0),
        ({}, None),
    ],
)
def test_only_believable_chip_temperatures_count(stats: dict[str, object], expected: float | None) -> None:
    assert chip_max_c(stats) == expected


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({"fan_num": 4, "fan1": 6000, "fan2": 5880, "fan3": 5040, "fan4": 5040}, (6000, 5880, 5040, 5040)),
        ({"fan_num": 4, "fan1": 6000, "fan2": 0, "fan3": 5040, "fan4": 5040}, (6000, 0, 5040, 5040)),
        ({"fan_num": 2, "fan1": 0, "fan2": 0, "fan3": 5880, "fan4": 0, "fan5": 0, "fan6": 5760}, (5880, 5760)),
        ({"fan_num": 0, "fan1": 0, "fan2": 0}, ()),
        ({"fan1": 0, "fan2": 4000}, (4000,)),
        ({"fan_num": 2, "fan1": "x", "fan2": 99_999}, ()),
        ({}, ()),
    ],
)
def test_a_standing_fan_is_told_from_an_empty_connector(stats: dict[str, object], expected: tuple[float, ...]) -> None:
    assert fans_rpm(stats) == expected


@pytest.mark.parametrize(("unit", "factor"), [("GH", 1e-3), ("TH/s", 1.0), ("MH", 1e-6), (None, 1e-3), ("??", 1e-3)])
def test_the_targets_unit_is_read(unit: object, factor: float) -> None:
    assert rate_factor(unit) == factor


@pytest.mark.parametrize(
    ("row", "asleep"), [({"miner-mode": 1}, True), ({"bitmain-work-mode": "0"}, False), ({}, None)]
)
def test_sleep_of_a_stock_antminer(row: dict[str, object], asleep: bool | None) -> None:
    assert work_mode_sleeps(row) is asleep


def test_work_of_a_stock_antminer_stands_still_when_its_average_is_frozen() -> None:
    before = decoded(Family.ANTMINER_STOCK, "summary", Elapsed=1000, Total_MH=5e12, GHS_av=111_000.0)
    after = decoded(Family.ANTMINER_STOCK, "summary", Elapsed=9000, Total_MH=5e12, GHS_av=111_000.0)
    assert before.work_gh == after.work_gh == 5e9


def test_work_of_luxos_is_not_its_total() -> None:
    assert decoded(Family.LUXOS, "summary", Elapsed=100, Total_MH=60e6, GHS_av=60_000.0).work_gh == 6e6


@pytest.mark.parametrize(("mode", "asleep"), [("None", False), ("Sleep", True), (7, None)])
def test_curtailed_luxos_is_suspended(mode: object, asleep: bool | None) -> None:
    assert decoded(Family.LUXOS, "config", CurtailMode=mode).suspended is asleep


def test_luxos_power_is_read() -> None:
    assert decoded(Family.LUXOS, "power", Watts=2500).power_w == 2500.0


def test_a_whatsminer_is_tuned_when_every_board_is() -> None:
    assert decoded(Family.WHATSMINER, "devs", Upfreq_Complete=1).tuned is True
    assert decoded(Family.WHATSMINER, "devs", Upfreq_Complete=0).tuned is False
    content = document(Family.WHATSMINER)
    content["devs"][0]["DEVS"][1]["Upfreq Complete"] = 0
    assert DRIVERS[Family.WHATSMINER].decode(encode(content)).tuned is False


def test_a_whatsminer_without_target_is_measured_by_its_factory_rate() -> None:
    content = document(Family.WHATSMINER)
    content["summary"][0]["SUMMARY"][0]["Target MHS"] = 0
    assert DRIVERS[Family.WHATSMINER].decode(encode(content)).expected_th == pytest.approx(68.796)


def test_a_liquid_cooled_whatsminer_has_no_fans() -> None:
    assert decoded(Family.WHATSMINER, "summary", Liquid_Cooling=True, Fan_Speed_In=0, Fan_Speed_Out=0).fans_rpm == ()
    assert decoded(Family.WHATSMINER, "summary", Fan_Speed_In=0).fans_rpm == (0.0, 6480.0)


def test_a_whatsminer_switched_off_says_so_where_it_does() -> None:
    assert decoded(Family.WHATSMINER, "summary").suspended is None
    assert decoded(Family.WHATSMINER, "summary", btmineroff="true").suspended is True


@pytest.mark.parametrize("family", list(Family))
def test_a_hashrate_of_zero_is_a_measurement(family: Family) -> None:
    name = "MHS 5s" if family is Family.WHATSMINER else "GHS 5s"
    assert decoded(family, "summary", **{name: 0.0}).hashrate_th == 0.0


def pool(url: object, status: object, active: object, **more: object) -> Pool:
    return Pool(url=url, user="u", status=status, active=active, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pools", "alive", "url"),
    [
        ([pool("a", "Dead", False), pool("b", "Alive", True)], True, "b"),
        ([pool("a", "Alive", False), pool("b", "Dead", True)], False, "b"),
        ([pool("a", "Dead", False), pool("b", "Alive", False), pool("c", "Alive", False)], False, "b"),
        ([pool("a", "Dead", False, priority=1.0), pool("b", "Dead", False, priority=0.0)], False, "b"),
        ([pool("a", "Alive", None, priority=1.0), pool("b", "Alive", None, priority=0.0)], True, "b"),
        ([pool("a", "Dead", None), pool("b", "Alive", None)], True, "b"),
        ([pool("a", None, None)], None, "a"),
        ([pool("", "Alive", True)], True, None),
        ([pool(7, "Alive", True)], True, None),
        ([], None, None),
    ],
)
def test_which_pool_is_worked_for(pools: list[Pool], alive: bool | None, url: str | None) -> None:
    facts = pool_facts(pools)
    assert (facts.alive, facts.url) == (alive, url)


def test_lost_connections_are_those_of_the_pool_worked_for_and_of_all() -> None:
    active = pool("b", "Alive", True, drops=4.0)
    facts = pool_facts([pool("a", "Alive", False, drops=3.0), active])
    assert (facts.drops, facts.pool_drops) == (7.0, 4.0)
    facts = pool_facts([pool("a", "Alive", False), active])
    assert (facts.drops, facts.pool_drops) == (None, 4.0), "a sum of some would fall and rise"


@pytest.mark.parametrize("family", list(Family))
def test_a_pool_is_told_in_bounds(family: Family) -> None:
    t = decoded(family, "pools", URL="stratum+tcp://" + "a" * 1000, User="w" * 1000)
    assert (len(t.pool_url), len(t.pool_user)) == (256, 256)


def events_told(events: list[object], *, when: object = 1_775_700_000, **summary: object) -> tuple[str, ...]:
    """The codes of a LuxOS whose process is 1000 s old, at 2026-04-09 02:00 UTC by its own clock, with those events."""
    content = document(Family.LUXOS)
    content["summary"][0]["SUMMARY"][0] |= {"Elapsed": 1000} | summary
    content["events"][0]["EVENTS"] = events
    content["events"][0]["STATUS"][0]["When"] = when
    codes: tuple[str, ...] = DRIVERS[Family.LUXOS].decode(encode(content)).codes
    return codes


def event(code: object, at: object = "2026-04-09T01:59:00+00:00") -> dict[str, object]:
    return {"Code": code, "CreatedAt": at, "Description": "as it says", "Target": "MINER"}


def test_luxos_tells_by_an_event_that_it_stopped_for_its_heat() -> None:
    heat = event("OVERTEMP_PROTECTION")
    assert events_told([event("REBOOT_NOT_HASHING"), heat, heat]) == ("OVERTEMP_PROTECTION",)
    assert events_told([heat, "no event"]) == ("OVERTEMP_PROTECTION",), "read field by field"


@pytest.mark.parametrize(
    ("events", "other"),
    [
        ([event("OVERTEMP_PROTECTION", "2026-04-09T01:40:00+00:00")], {}),
        ([event("OVERTEMP_PROTECTION", "yesterday"), event("OVERTEMP_PROTECTION", None)], {}),
        ([event("OVERTEMP_PROTECTION", "2026-04-09T01:59:00")], {}),
        ([event("OVERTEMP_PROTECTION\n; reboot"), event(7), event(None), {}], {}),
        ([event("REBOOT_SYSINIT")], {}),
        ([event("OVERTEMP_PROTECTION")], {"when": "now"}),
        ([event("OVERTEMP_PROTECTION")], {"Elapsed": "nan"}),
        ([event("SLEEP")] * 64 + [event("OVERTEMP_PROTECTION")], {}),
    ],
    ids=[
        "of an older process",
        "at no time",
        "at nobody's time",
        "no such code",
        "not of heat",
        "no clock",
        "no age",
        "too many",
    ],
)
def test_no_other_event_of_luxos_counts(events: list[object], other: dict[str, object]) -> None:
    assert events_told(events, **other) == ()
