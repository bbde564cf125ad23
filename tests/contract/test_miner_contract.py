"""What every miner family must withstand: garbage, silence, partial fields, replies without end."""

import asyncio
import copy
import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.drivers.miners.connection import request
from agent.model.errors import CodecError, DeviceError, PolicyError, RefusedError, SilentError
from agent.model.telemetry import Telemetry
from agent.model.topology import Family
from tests.contract.miner_replies import DRIVERS, command, document, encode, reply
from tests.drivers.wire import Wire, serving
from tests.factory import miner

EVERY_FAMILY = pytest.mark.parametrize("family", list(Family))
REPLIES = {family: reply(family) for family in Family}
HEALTHY = {family: DRIVERS[family].decode(REPLIES[family]) for family in Family}
SENSIBLE = {"pool_alive", "hashrate_th", "expected_th", "work_gh", "elapsed_s", "accepted", "rejected", "stale"}
SENSIBLE |= {"accepted_diff", "share_diff", "hw_errors", "chip_max_c", "fans_rpm", "boards", "pool_url", "pool_user"}
SENSIBLE |= {"drops", "pool_drops"}


def tells(telemetry: Telemetry) -> dict[str, object]:
    return {name: getattr(telemetry, name) for name in Telemetry.__struct_fields__}


def rows(content: Any, section: str) -> list[dict[str, Any]]:
    (payload,) = (value for key, value in content[section][0].items() if key not in ("STATUS", "id"))
    return list(payload)


@EVERY_FAMILY
def test_a_healthy_reply_tells_everything(family: Family) -> None:
    missing = {name for name in SENSIBLE if tells(HEALTHY[family])[name] in (None, ())}
    assert not missing


@EVERY_FAMILY
def test_the_work_is_what_the_age_and_the_rate_make_of_it(family: Family) -> None:
    t = HEALTHY[family]
    assert t.hashrate_th is not None
    assert t.elapsed_s is not None
    assert t.work_gh == pytest.approx(t.hashrate_th * 1e3 * t.elapsed_s, rel=0.05)


@EVERY_FAMILY
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xfe" * 100,
        b"{",
        b"[]",
        b'{"id":1}',
        b'{"summary":[{}]}',
        b'{"STATUS":7}',
    ],
)
def test_garbage_is_a_codec_error(family: Family, garbage: bytes) -> None:
    with pytest.raises(CodecError):
        DRIVERS[family].decode(garbage)


@EVERY_FAMILY
@given(data=st.data())
@settings(max_examples=150)
def test_mutated_replies_raise_nothing_but_what_a_driver_may(family: Family, data: st.DataObject) -> None:
    raw = bytearray(REPLIES[family])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        length = data.draw(st.integers(0, 40))
        raw[at : at + length] = data.draw(st.binary(max_size=12))
        if not raw:
            break
    try:
        telemetry = DRIVERS[family].decode(bytes(raw))
    except (CodecError, DeviceError):
        return
    for value in tells(telemetry).values():
        assert not isinstance(value, float) or math.isfinite(value)


JUNK = st.sampled_from(
    [None, "", "nan", "x", True, [], {}, [1], {"a": 1}, -1, -273, 1e30, 10**40, "-5", "∞", "9" * 400]
)


@EVERY_FAMILY
@given(data=st.data())
@settings(max_examples=150)
def test_one_bad_field_costs_that_field_only(family: Family, data: st.DataObject) -> None:
    content = document(family)
    section = data.draw(st.sampled_from([name for name in content if name != "id"]))
    row = data.draw(st.sampled_from(rows(content, section)))
    key = data.draw(st.sampled_from(sorted(row)))
    row[key] = data.draw(JUNK)
    after, before = tells(DRIVERS[family].decode(encode(content))), tells(HEALTHY[family])
    changed = {name for name in before if after[name] != before[name]}
    # An age in doubt takes the work that is computed from it along; a doubtful pool, what else is told of it.
    pool = {"pool_alive", "share_diff", "pool_url", "pool_user", "drops", "pool_drops"}
    assert changed <= {"work_gh", "elapsed_s"} or changed <= pool or len(changed) <= 1
    for name in changed:
        assert after[name] in (None, (), False) or isinstance(after[name], tuple | float | bool | str)


@EVERY_FAMILY
def test_every_field_may_be_missing(family: Family) -> None:
    whole = document(family)
    for section in whole:
        if section == "id":
            continue
        for index, row in enumerate(rows(whole, section)):
            for key in row:
                content = copy.deepcopy(whole)
                del rows(content, section)[index][key]
                assert DRIVERS[family].decode(encode(content)).accepted in (HEALTHY[family].accepted, None)


@EVERY_FAMILY
def test_any_section_but_the_first_may_be_missing(family: Family) -> None:
    whole = document(family)
    for section in command(family).split("+")[1:]:
        content = {key: value for key, value in whole.items() if key != section}
        assert DRIVERS[family].decode(encode(content)).hashrate_th == HEALTHY[family].hashrate_th


@EVERY_FAMILY
def test_an_error_in_place_of_telemetry_is_the_devices_no(family: Family) -> None:
    refusal = {
        "STATUS": [{"STATUS": "E", "When": 1, "Code": 14, "Msg": "miner is not running", "Description": "x"}],
        "id": 1,
    }
    joined = {name: [refusal] for name in command(family).split("+")}
    for content in (refusal, joined, {"STATUS": "E", "Code": 132, "Msg": "btminer is down"}):
        with pytest.raises(DeviceError, match=r"running|down"):
            DRIVERS[family].decode(encode(content))


@EVERY_FAMILY
def test_what_a_failed_command_still_shows_is_not_telemetry(family: Family) -> None:
    content = document(family)
    for name in command(family).split("+"):
        content[name][0]["STATUS"] = [{"STATUS": "E", "Msg": "stale"}]
    with pytest.raises(DeviceError, match="stale"):
        DRIVERS[family].decode(encode(content))


@EVERY_FAMILY
def test_a_reply_cut_in_half_is_partial_or_garbage(family: Family) -> None:
    raw = REPLIES[family]
    for length in range(0, len(raw), 97):
        try:
            telemetry = DRIVERS[family].decode(raw[:length])
        except CodecError:
            continue
        assert telemetry.accepted == HEALTHY[family].accepted


@EVERY_FAMILY
def test_a_pool_is_alive_only_by_that_very_word(family: Family) -> None:
    for status, alive in (("Alive", True), ("Dead", False), ("Deed", False), ("alive", False), ("Disabled", False)):
        content = document(family)
        for pool in rows(content, "pools"):
            pool["Status"] = status
        assert DRIVERS[family].decode(encode(content)).pool_alive is alive


@EVERY_FAMILY
def test_without_an_active_pool_none_is_alive(family: Family) -> None:
    content = document(family)
    for pool in rows(content, "pools"):
        pool["Stratum Active"] = False
    assert DRIVERS[family].decode(encode(content)).pool_alive is False


@EVERY_FAMILY
def test_half_hour_averages_are_never_read(family: Family) -> None:
    content = document(family)
    for section in (name for name in content if name != "id"):
        for row in rows(content, section):
            for key in ("GHS 30m", "rate_30m", "MHS 15m", "GHS 24h", "GHS 15m", "MHS 30m"):
                if key in row:
                    row[key] = 1.0
    assert DRIVERS[family].decode(encode(content)) == HEALTHY[family]


# -- on the wire -------------------------------------------------------------------------------------------------------


@EVERY_FAMILY
async def test_silence_ends_at_the_deadline(family: Family) -> None:
    async with serving(Wire.SILENT) as endpoint:
        with pytest.raises(SilentError, match=r"within 0\.05 s"):
            await request(endpoint, DRIVERS[family].request, deadline_s=0.05, limit_bytes=10_000)


@EVERY_FAMILY
async def test_a_reply_without_end_stops_at_the_limit(family: Family) -> None:
    async with serving(Wire.ENDLESS) as endpoint:
        with pytest.raises(CodecError, match="at most 10000 bytes"):
            await request(endpoint, DRIVERS[family].request, deadline_s=5.0, limit_bytes=10_000)


@EVERY_FAMILY
async def test_a_healthy_reply_survives_being_dripped(family: Family) -> None:
    async with serving(Wire.DRIPPED, REPLIES[family] + b"\0") as endpoint:
        answer = await request(endpoint, DRIVERS[family].request, deadline_s=5.0, limit_bytes=10_000)
    assert DRIVERS[family].decode(answer) == HEALTHY[family]


@EVERY_FAMILY
def test_the_request_is_one_joined_command(family: Family) -> None:
    asked = json.loads(DRIVERS[family].request)
    assert list(asked) == ["command"]
    assert asked["command"].startswith("summary+pools+")
    assert DRIVERS[family].port == 4028
    assert DRIVERS[family].family is family


# -- control -----------------------------------------------------------------------------------------------------------


@EVERY_FAMILY
@pytest.mark.parametrize("verb", ["restart", "reboot"])
async def test_control_without_its_secret_or_its_device_is_never_a_success(family: Family, verb: str) -> None:
    absent = dataclasses.replace(miner(1, family=family), host="127.78.0.1")
    with pytest.raises((PolicyError, RefusedError)):
        async with asyncio.timeout(5):
            await getattr(DRIVERS[family], verb)(absent)
