"""PDU profiles: what is shipped agrees with its source and cannot do harm; what is wrong is refused with its reason."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.pdus.profile import Profile, load_profile, parse_profile, profile_names
from agent.model.errors import PolicyError
from agent.model.telemetry import OutletState

FACTS = Path(__file__).parents[3] / "shared/facts/pdu_profiles.yaml"

every_profile = pytest.mark.parametrize("name", profile_names())


def test_the_families_of_the_first_sites_are_shipped() -> None:
    assert profile_names() == [
        "apc_rpdu",
        "apc_rpdu2",
        "cyberpower_epdu2",
        "eaton_epdu_g2_g3",
        "panduit_g5",
        "raritan_px2_px3",
        "servertech_sentry4",
        "vertiv_geist_v5",
    ]


# (on, off) to write and (on, off) to read, read again from the MIBs: the table nobody may copy from another one.
CODES = {
    "apc_rpdu2": ((1, 2), (2, 1)),
    "apc_rpdu": ((1, 2), (1, 2)),
    "raritan_px2_px3": ((1, 0), (7, 8)),
    "eaton_epdu_g2_g3": ((0, 0), (1, 0)),
    "vertiv_geist_v5": ((2, 4), (1, 2)),
    "servertech_sentry4": ((1, 2), (1, 2)),
    "cyberpower_epdu2": ((1, 2), (1, 2)),
    "panduit_g5": ((0, 0), (2, 1)),
}


@every_profile
def test_codes_are_the_familys_own(name: str) -> None:
    profile = load_profile(name)
    written, read = CODES[name]
    assert (profile.write(3, True)[1], profile.write(3, False)[1]) == written
    assert profile.outlet_state(read[0]) is OutletState.ON
    assert profile.outlet_state(read[1]) is OutletState.OFF


@given(outlet=st.integers(1, 96), on=st.booleans(), name=st.sampled_from(profile_names()))
def test_no_write_reaches_a_denied_object_or_a_code_that_does_more_than_switch(
    outlet: int, on: bool, name: str
) -> None:
    profile = load_profile(name)
    oid, value = profile.write(outlet, on)
    assert oid.endswith(f".{outlet}")
    assert value not in profile.command.never.values()
    assert not any(f"{oid}.".startswith(f"{denied.oid}.") for denied in profile.denied)


@given(outlet=st.integers(-5, 0), on=st.booleans(), name=st.sampled_from(profile_names()))
def test_outlet_zero_is_never_written(outlet: int, on: bool, name: str) -> None:
    with pytest.raises(PolicyError, match="numbered from 1"):
        load_profile(name).write(outlet, on)


@given(code=st.integers(-2, 40), name=st.sampled_from(profile_names()))
def test_a_code_nobody_listed_is_unknown_not_off(code: int, name: str) -> None:
    profile = load_profile(name)
    codes = profile.state.codes
    if code not in {*codes.on, *codes.off, *codes.pending}:
        assert profile.outlet_state(code) is OutletState.UNKNOWN


def test_a_value_is_scaled_once_and_nonsense_is_no_measurement() -> None:
    eaton, raritan, sentry = (
        load_profile(n).current for n in ("eaton_epdu_g2_g3", "raritan_px2_px3", "servertech_sentry4")
    )
    assert eaton is not None
    assert raritan is not None
    assert sentry is not None
    assert eaton.decode(14_829, None, 1000.0) == pytest.approx(14.829)
    assert raritan.decode(14_829, 3, 1000.0) == pytest.approx(14.829)
    assert raritan.decode(14_829, 0, 20_000.0) == 14_829.0
    assert raritan.decode(14_829, None, 1000.0) is None
    assert raritan.decode(14_829, 99, 1000.0) is None
    assert sentry.decode(-1, None, 1000.0) is None
    assert eaton.decode(10**9, None, 1000.0) is None
    assert eaton.decode(b"12", None, 1000.0) is None


# -- against the table of sources ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def facts() -> Any:
    if not FACTS.exists():
        pytest.skip("facts table not found beside the repository (../shared/facts/pdu_profiles.yaml)")
    with FACTS.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["profiles"]


def metric(known: dict[str, Any] | None) -> tuple[str, float | None] | None:
    return None if known is None else (known["oid"], known.get("scale"))


@every_profile
def test_state_and_commands_agree_with_the_source(name: str, facts: Any) -> None:
    profile, known = load_profile(name), facts[name]
    kind = known["detect"]["sysobjectid"]
    assert (profile.sysobjectid.exact, profile.sysobjectid.prefix) == (kind.get("value"), kind.get("prefix"))
    outlet = known["outlet"]
    assert profile.state.oid == outlet["state"]["oid"]
    assert outlet["state"]["object"].endswith(f"::{profile.state.object}")
    codes = outlet["state"]["canonical"]
    assert list(profile.state.codes.on) == codes["on"]
    assert list(profile.state.codes.off) == codes["off"]
    transitional = {code for key, values in codes.items() if key.startswith(("pending", "reboot")) for code in values}
    assert set(profile.state.codes.pending) == transitional
    writes = outlet["control"]["write"]
    for word, write in (("on", profile.command.on), ("off", profile.command.off)):
        assert (write.oid, write.value) == (writes[word]["oid"], writes[word]["value"])
    others = {key: w for key, w in writes.items() if key not in {"on", "off"}}
    if profile.command.style == "code":
        assert set(profile.command.never.values()) >= {w["value"] for w in others.values()}
    else:
        assert others["cycle"]["oid"] in {denied.oid for denied in profile.denied}
    everything = known.get("device", {}).get("all_outlets_command")
    assert everything is None or everything["oid"] in {denied.oid for denied in profile.denied}


@every_profile
def test_metering_agrees_with_the_source(name: str, facts: Any) -> None:
    profile, known = load_profile(name), facts[name]
    for ours, theirs in (
        (profile.current, known["outlet"].get("current")),
        (profile.power, known["outlet"].get("power")),
        (profile.bank.current if profile.bank else None, known["bank"]["current"]),
    ):
        assert (None if ours is None else (ours.oid, ours.scale)) == metric(theirs)
    if profile.bank and profile.bank.breaker:
        breaker = known["bank"]["breaker_state"]
        assert profile.bank.breaker.oid == breaker["oid"]
        tripped = breaker["canonical"].get("tripped", breaker["canonical"].get("tripped_or_off"))
        assert list(profile.bank.breaker.tripped) == tripped
    parts = len(known["index"]["outlet"])
    assert profile.outlet_index.count(".") == parts - 1
    example = known["index"]["example"].lstrip(".")
    assert profile.outlet_index.format(outlet=3) == example


# -- what is refused -------------------------------------------------------------------------------------------------

GOOD = """
name: test
vendor: v
models: m
mib: X-MIB
sysobjectid: {exact: 1.3.6.1.4.1.1}
outlet_index: "1.{outlet}"
state: {oid: 1.3.6.1.4.1.1.1, object: state, codes: {"on": [1], "off": [2], "pending": [3]}}
command:
  style: code
  "on": {oid: 1.3.6.1.4.1.1.2, object: cmd, value: 1}
  "off": {oid: 1.3.6.1.4.1.1.2, object: cmd, value: 2}
  never: {cycle: 3}
current: {oid: 1.3.6.1.4.1.1.3, object: amps, scale: 0.1}
denied: [{oid: 1.3.6.1.4.1.1.9, object: all}]
"""

BAD = [
    ('"off": [2]', '"off": [1]', "a code stands for two states"),
    ('"off": [2]', '"off": []', "at least one code each"),
    ('codes: {"on": [1]', "codes: {on: [1]", "quote it"),
    ("style: code\n", "style: code\n  style: code\n", "'style' stands twice"),
    ("object: cmd, value: 2", "object: cmd, value: 1", "the same write"),
    ("object: cmd, value: 2", "object: cmd, value: 3", "never to be written"),
    ("never: {cycle: 3}", "never: {}", "name the code that cycles"),
    ("oid: 1.3.6.1.4.1.1.9", "oid: 1.3.6.1.4.1.1.2", "is denied"),
    ("{oid: 1.3.6.1.4.1.1.2, object: cmd, value: 2}", "{oid: 1.3.6.1.4.1.1.9.1, object: cmd, value: 2}", "is denied"),
    ("style: code", "style: delay", "an OID each"),
    ("sysobjectid: {exact: 1.3.6.1.4.1.1}", "sysobjectid: {}", "either exact or prefix"),
    ('outlet_index: "1.{outlet}"', 'outlet_index: "{outlet}.1"', "no pattern"),
    ('outlet_index: "1.{outlet}"', 'outlet_index: "7"', "no pattern"),
    ("object: amps, scale: 0.1", "object: amps", "either scale or digits"),
    ("1.3.6.1.4.1.1.3, object: amps", "1.3.6.1.4.1.1.03, object: amps", "is no OID"),
    ("vendor: v", "vendor: v\ncycles: true", "unknown field `cycles`"),
    ("object: state, ", "", "missing required field `object`"),
    ("vendor: v", "vendor: [", "while parsing"),
]


def test_the_profile_the_bad_ones_are_made_from_is_good() -> None:
    assert isinstance(parse_profile(GOOD, "test.yaml"), Profile)


@pytest.mark.parametrize(("good", "bad", "reason"), BAD)
def test_a_dangerous_or_broken_profile_is_refused_with_its_reason(good: str, bad: str, reason: str) -> None:
    assert good in GOOD
    with pytest.raises(PolicyError, match=r"test\.yaml: ") as refusal:
        parse_profile(GOOD.replace(good, bad, 1), "test.yaml")
    assert reason in str(refusal.value)


def test_a_delay_of_one_second_is_not_now() -> None:
    delayed = (
        GOOD.replace("style: code", "style: delay")
        .replace("oid: 1.3.6.1.4.1.1.2, object: cmd, value: 1", "oid: 1.3.6.1.4.1.1.4, object: cmd, value: 1")
        .replace("object: cmd, value: 2", "object: cmd, value: 0")
    )
    with pytest.raises(PolicyError, match="only 0, at once"):
        parse_profile(delayed, "test.yaml")
