"""Every cooling profile against a unit of memory: read, set once, read back, refuse; whatever the wire does."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agent.drivers.cooling.profile import load_profile, parse_profile, profile_names
from agent.model.errors import AgentError, CodecError, DeviceError, PolicyError, RefusedError, TransportError
from simulators.memory_net import run_memory
from tests.contract.cooling_bench import Registers, driver_of, served

PROFILES = profile_names()

Step = Callable[[Registers], Coroutine[Any, Any, Any]]


def with_unit(registers: Registers, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        async with served(registers):
            return await work()

    return run_memory(main(), timeout_wall_s=20.0)


@pytest.mark.parametrize("name", PROFILES)
def test_a_unit_is_read_in_its_own_units(name: str) -> None:
    profile = load_profile(name)
    reading = with_unit(Registers().well(profile), driver_of(name).read)
    assert reading.setpoint_c == pytest.approx(35.0)
    assert reading.is_remote is True
    assert reading.alarms == ()
    for told, value in {"supply_c": 35.2, "return_c": 43.5, "flow_lpm": 50.0, "humidity": 0.6}.items():
        expected = value if told in profile.readings.points() else None
        assert getattr(reading, told) == (None if expected is None else pytest.approx(expected))
    assert reading.leak is (False if profile.leak else None)
    assert reading.pumps_ok is (True if profile.pumps else None)


@pytest.mark.parametrize("name", PROFILES)
def test_a_setpoint_is_written_once_and_read_back(name: str) -> None:
    profile = load_profile(name)
    registers = Registers().well(profile)
    driver = driver_of(name)
    with_unit(registers, lambda: driver.set_supply(33.0, was=35.0))
    assert registers.writes == [(profile.writes.supply_c.register, profile.writes.supply_c.encode(33.0))]
    assert with_unit(registers, driver.read).setpoint_c == pytest.approx(33.0)
    with_unit(registers, lambda: driver.set_supply(33.0, was=35.0))
    assert len(registers.writes) == 1, "it aims at that already: nothing is written"


@pytest.mark.parametrize("name", [n for n in PROFILES if load_profile(n).writes.flow_lpm is not None])
def test_a_flow_is_set_and_never_below_its_minimum(name: str) -> None:
    registers = Registers().well(load_profile(name))
    driver = driver_of(name)
    with_unit(registers, lambda: driver.set_flow(55.0, was=50.0))
    assert with_unit(registers, driver.read).flow_setpoint_lpm == pytest.approx(55.0)
    with pytest.raises(PolicyError, match="at least 42"):
        with_unit(registers, lambda: driver.set_flow(40.0, was=55.0))
    assert len(registers.writes) == 1


@pytest.mark.parametrize("name", PROFILES)
def test_nothing_is_written_where_the_unit_must_be_left_alone(name: str) -> None:
    profile = load_profile(name)
    cases = [((flag.function, flag.register), flag.mask) for flag in (*profile.leak, *profile.alarms.values())]
    cases += [
        ((flag.function, flag.register), 0 if flag.equals != 0 else flag.mask)
        for flag in (profile.write_enable, profile.mode)
        if flag is not None
    ]
    for where, word in cases:
        registers = Registers().well(profile)
        registers.words[where] = word
        with pytest.raises(PolicyError, match="nothing was written"):
            with_unit(registers, lambda: driver_of(name).set_supply(33.0, was=35.0))
        assert registers.writes == [], where


@pytest.mark.parametrize("name", PROFILES)
def test_a_setpoint_that_somebody_else_has_moved_is_left_alone(name: str) -> None:
    registers = Registers().well(load_profile(name), setpoint_c=37.0)
    with pytest.raises(PolicyError, match="somebody else has moved it"):
        with_unit(registers, lambda: driver_of(name).set_supply(33.0, was=35.0))
    assert registers.writes == []


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("wanted", [24.0, 41.0, 33.333])
def test_no_value_outside_the_unit_s_bounds_or_between_its_steps_is_written(name: str, wanted: float) -> None:
    registers = Registers().well(load_profile(name))
    with pytest.raises(PolicyError):
        with_unit(registers, lambda: driver_of(name).set_supply(wanted, was=35.0))
    assert registers.writes == []


@pytest.mark.parametrize("name", PROFILES)
def test_a_lost_reply_is_looked_after_and_never_repeated(name: str) -> None:
    taken = Registers(mute_after_write=True).well(load_profile(name))
    # The write's answer never comes: the one deadline of the whole call ends it.
    with pytest.raises(TransportError):
        with_unit(taken, lambda: driver_of(name).set_supply(33.0, was=35.0))
    assert len(taken.writes) == 1
    lost = Registers(deaf_to_writes=True).well(load_profile(name))
    with pytest.raises(TransportError):
        with_unit(lost, lambda: driver_of(name).set_supply(33.0, was=35.0))
    assert len(lost.writes) == 1


@pytest.mark.parametrize("name", PROFILES)
def test_a_unit_that_takes_a_write_and_keeps_its_value_is_seen(name: str) -> None:
    registers = Registers(stubborn=True).well(load_profile(name))
    with pytest.raises(DeviceError, match="after the write"):
        with_unit(registers, lambda: driver_of(name).set_supply(33.0, was=35.0))
    assert len(registers.writes) == 1


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad\r\n\r\n", b"\0" * 12, b"\0\1\0\0\0\3\7\x83", b"\0\1\0\0\xff\xff" * 3]
)
def test_garbage_and_silence_raise_errors_of_the_tree(name: str, garbage: bytes) -> None:
    with pytest.raises(AgentError):
        with_unit(Registers(answer=garbage), driver_of(name).read)
    with pytest.raises(TransportError):
        with_unit(Registers(answer=b""), driver_of(name).read)


def test_a_unit_that_is_not_there_refuses() -> None:
    with pytest.raises(RefusedError):
        run_memory(driver_of("ocp_rpu2").read(), timeout_wall_s=20.0)


def test_registers_that_a_unit_does_not_tell_cost_only_themselves() -> None:
    profile = load_profile("ocp_rpu2")
    registers = Registers(refused={37580, 240}).well(profile)
    reading = with_unit(registers, driver_of("ocp_rpu2").read)
    assert reading.ambient_c is None
    assert reading.supply_c == pytest.approx(35.2)
    registers.refused = {37519}
    with pytest.raises(PolicyError, match="does not tell whether it leaks"):
        with_unit(registers, lambda: driver_of("ocp_rpu2").set_supply(33.0, was=35.0))
    registers.refused = {37918}
    with pytest.raises(DeviceError, match="setpoint"):
        with_unit(registers, driver_of("ocp_rpu2").read)


def test_pumps_count_as_long_as_enough_of_them_run() -> None:
    profile = load_profile("ocp_rpu2")
    registers = Registers().well(profile)
    registers.words[(3, 36865)] = 0
    assert with_unit(registers, driver_of("ocp_rpu2").read).pumps_ok is True
    registers.words[(3, 36886)] = 4
    assert with_unit(registers, driver_of("ocp_rpu2").read).pumps_ok is False


def test_negative_and_offset_values_are_told_as_they_are() -> None:
    profile = load_profile("ocp_rpu2")
    registers = Registers().well(profile)
    registers.words[(3, 37580)] = 0x10000 - 105
    assert with_unit(registers, driver_of("ocp_rpu2").read).ambient_c == pytest.approx(-10.5)
    plc = load_profile("cdu_plc_3000")
    assert plc.writes.supply_c.encode(25.5) == [3255]
    assert plc.readings.setpoint_c.decode([3255]) == pytest.approx(25.5)
    assert plc.readings.setpoint_c.decode([0]) is None


GOOD = """\
name: x
vendor: v
models: m
source: s
readings: {setpoint_c: {register: 5, limits: [0, 60], scale: 0.1}}
writes: {supply_c: {function: 6, register: 5, limits: [15, 60], scale: 0.1}}
denied: [{register: 9, label: stop}]
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("denied: [{register: 9, label: stop}]", "denied: []", "denied"),
        ("register: 9", "register: 5", "is denied"),
        ("function: 6, register: 5", "function: 3, register: 5", "6 or 16 to write"),
        ("limits: [15, 60]", "limits: [60, 15]", "leave nothing"),
        ("limits: [15, 60], scale: 0.1", "limits: [15, 60], scale: 0", "decodes nothing"),
        ("limits: [15, 60], scale: 0.1", "limits: [15, 60], scale: 0.01", "cannot tell whether"),
        ("limits: [15, 60], scale: 0.1", "limits: [15, 60], scale: 0.1, type: int32", "function: 16"),
        ("register: 5, limits: [0, 60]", "register: 65536, limits: [0, 60]", "no register"),
        ("source: s", "source: s\nsource: t", "stands twice"),
        ("source: s", "source: s\npumps: {needed: 2, failed: [{register: 1}]}", "needed"),
        ("source: s", "source: s\nleak: [{register: 1, mask: 0}]", "can never be set"),
        ("source: s", "source: s\nspeed: 3", "speed"),
        ("setpoint_c:", "supply_c:", "setpoint_c"),
    ],
)
def test_a_profile_that_is_not_safe_is_refused_with_its_fault(old: str, new: str, says: str) -> None:
    assert parse_profile(GOOD, "x.yaml").name == "x"
    assert old in GOOD
    with pytest.raises(PolicyError, match=says):
        parse_profile(GOOD.replace(old, new), "x.yaml")


def test_a_long_frame_and_a_foreign_answer_are_garbage() -> None:
    for answer in (b"\0\1\0\0\0\5\7\4\2\0\0", b"\0\1\0\0\0\3\7\3\0"):
        with pytest.raises((CodecError, TransportError)):
            with_unit(Registers(answer=answer), driver_of("ocp_rpu2").read)
