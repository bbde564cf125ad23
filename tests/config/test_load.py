"""What a good configuration becomes, and that the example is one."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import ConfigError, load, schema
from agent.config.example import example_path
from agent.config.topology import banks_of
from agent.detect.firmware import FirmwareThresholds
from agent.detect.foreign_pool import ForeignPoolThresholds
from agent.detect.pool import PoolThresholds
from agent.detect.rejects import RejectThresholds
from agent.detect.stuck import StuckThresholds
from agent.detect.unsteady_pool import UnsteadyPoolThresholds
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.snmp import AuthProtocol, PrivProtocol
from agent.guard.limits import GuardLimits
from agent.model.action import Risk
from agent.model.guard import Mode
from agent.model.ids import MinerId, PduId, SwitchId
from agent.model.topology import Family, Outlet, Port
from agent.observe.settings import PollSettings
from agent.triage.limits import TriageLimits
from playbooks import stuck_miner
from tests.config.sites import SITE, TEN_LINES, TEN_LINES_CSV, written

Thresholds = (
    PollSettings
    | StuckThresholds
    | PoolThresholds
    | UnsteadyPoolThresholds
    | RejectThresholds
    | ForeignPoolThresholds
    | GuardLimits
    | TriageLimits
)


def test_ten_lines_are_a_site_that_observes(tmp_path: Path) -> None:
    assert len(TEN_LINES.splitlines()) == 10

    settings = load(written(tmp_path, TEN_LINES, TEN_LINES_CSV), environ={})

    assert settings.mode is Mode.OBSERVE
    assert settings.warnings == ()
    assert settings.poll == PollSettings()
    assert settings.stuck == StuckThresholds()
    assert settings.guard == GuardLimits()
    assert settings.triage == TriageLimits()
    assert settings.ledger == Path("terrahash.sqlite3")
    first, second = settings.site.miners
    assert (first.family, first.hashrate_th, first.power_w) == (Family.ANTMINER_STOCK, 110.0, 3250.0)
    assert (second.family, second.outlets) == (
        Family.WHATSMINER,
        (Outlet(PduId("pdu-a"), 2), Outlet(PduId("pdu-a"), 3)),
    )
    (bank,) = settings.site.pdus[0].banks
    assert (bank.outlets, bank.rating_a) == (tuple(range(1, 25)), 400.0)


def test_the_example_is_the_demo_s_site() -> None:
    settings = load(example_path(), environ={})

    assert settings.warnings == ()
    assert settings.mode is Mode.OBSERVE
    families = [miner.family for miner in settings.site.miners]
    assert {family: families.count(family) for family in Family} == dict.fromkeys(Family, 16)
    assert {pdu.profile for pdu in settings.site.pdus} == {"apc_rpdu2", "raritan_px2_px3"}
    assert {access.version for access in settings.pdu_access.values()} == {"2c", "3"}
    assert sum(len(miner.outlets) == 2 for miner in settings.site.miners) >= 2
    assert {outlet.pdu for outlet in settings.site.protected} == {"pdu-a", "pdu-b"}
    assert all(miner.port is not None for miner in settings.site.miners)
    assert all(len(fed) == 1 for fed in settings.site.fed_by.values())
    assert settings.trust["stuck_miner"][Risk.POWER] is Mode.OBSERVE


def test_the_example_s_breakers_carry_the_full_load_below_eighty_per_cent() -> None:
    site = load(example_path(), environ={}).site
    load_a = dict.fromkeys(site.bank, 0.0)
    for miner in site.miners:
        for outlet in miner.outlets:
            load_a[outlet] += miner.power_w / len(miner.outlets) / site.pdu[outlet.pdu].voltage_v

    shares = {
        str(bank): sum(load_a[Outlet(bank.pdu, number)] for number in bank.outlets) / bank.rating_a
        for pdu in site.pdus
        for bank in pdu.banks
    }

    assert len(shares) == 18
    assert 0.6 < max(shares.values()) < 0.72


def test_every_key_of_the_example_states_what_the_default_is_or_needs_to_be_there() -> None:
    text = example_path().read_text(encoding="utf-8")

    for section in (
        "poll",
        "stuck",
        "pool_loss",
        "unsteady_pool",
        "rejects",
        "foreign_pool",
        "firmware",
        "guard",
        "triage",
    ):
        fields = type(getattr(schema.ConfigFile.model_construct(), section)).model_fields
        assert all(f"\n  {key}: " in text for key in fields), section
        assert (
            getattr(load(example_path()), section)
            == {
                "poll": PollSettings(),
                "stuck": StuckThresholds(),
                "pool_loss": PoolThresholds(),
                "unsteady_pool": UnsteadyPoolThresholds(),
                "rejects": RejectThresholds(),
                "foreign_pool": ForeignPoolThresholds(),
                "firmware": FirmwareThresholds(),
                "guard": GuardLimits(),
                "triage": TriageLimits(),
            }[section]
        )


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (schema.PollSection, PollSettings()),
        (schema.StuckSection, StuckThresholds()),
        (schema.PoolLossSection, PoolThresholds()),
        (schema.UnsteadyPoolSection, UnsteadyPoolThresholds()),
        (schema.RejectsSection, RejectThresholds()),
        (schema.ForeignPoolSection, ForeignPoolThresholds()),
        (schema.GuardSection, GuardLimits()),
        (schema.TriageSection, TriageLimits()),
    ],
)
def test_the_schema_has_every_figure_of_a_stage_with_its_default(
    section: type[schema.Section], values: Thresholds
) -> None:
    assert section().model_dump() == dataclasses.asdict(values)


def test_figures_logins_access_and_trust_arrive_where_they_are_used(tmp_path: Path) -> None:
    text = SITE.replace(
        "site: {name: north}",
        "site: {name: north}\n"
        "mode: auto\n"
        "trust: {stuck_miner: {power: observe, soft: auto}, hardware: {power: observe}}\n"
        "tick_s: 1.5\n"
        "poll: {interval_s: 10, concurrency: 64}\n"
        "stuck: {misses: 4}\n"
        "pool_loss: {dead_s: 45}\n"
        "rejects: {rejected_bad: 0.04}\n"
        "foreign_pool: {polls: 3}\n"
        "guard: {power_cycles_per_day: 1}\n"
        "triage: {min_healthy_s: 1800}\n"
        "ledger: data/site.sqlite3\n"
        "logins:\n"
        "  antminer_stock: {user: root, password: {credential: antminer}}\n",
    ).replace(
        "{community: {credential: switch-read}}",
        "{version: 3, user: u, port: 1161, auth: {protocol: sha256, credential: k1},"
        " priv: {protocol: aes256, credential: k2}}",
    )
    text = text.replace("model: M50", "model: S19 Pro, family: luxos")

    settings = load(written(tmp_path, text))

    assert settings.mode is Mode.AUTO
    stuck = {Risk.POWER: Mode.OBSERVE, Risk.SOFT: Mode.AUTO}
    assert settings.trust == {"stuck_miner": stuck, "hardware": {Risk.POWER: Mode.OBSERVE}}
    assert settings.tick_s == 1.5
    assert settings.poll == PollSettings(interval_s=10.0, concurrency=64)
    assert settings.stuck == StuckThresholds(misses=4)
    assert settings.pool_loss == PoolThresholds(dead_s=45.0)
    assert settings.rejects == RejectThresholds(rejected_bad=0.04)
    assert settings.foreign_pool == ForeignPoolThresholds(polls=3)
    assert settings.guard == GuardLimits(power_cycles_per_day=1)
    assert settings.triage == TriageLimits(min_healthy_s=1800.0)
    assert settings.ledger == tmp_path / "data/site.sqlite3"
    assert settings.logins == {Family.ANTMINER_STOCK: MinerLogin("root", "antminer")}
    access = settings.switch_access[SwitchId("sw-1")]
    assert (access.version, access.user, access.port) == ("3", "u", 1161)
    assert (access.auth, access.auth_credential) == (AuthProtocol.SHA256, "k1")
    assert (access.priv, access.priv_credential) == (PrivProtocol.AES256, "k2")
    assert settings.pdu_access[PduId("pdu-a")].community == "pdu-read"
    assert settings.site.protected == {Outlet(PduId("pdu-a"), 8)}


def test_a_miner_s_row_arrives_whole(tmp_path: Path) -> None:
    row = (
        "  - {id: d, host: Miner-7.Site, mac: 02-54-48-01-00-0A, model: Antminer S21, family: luxos, rack: 3,"
        " position: 12, outlets: [pdu-a/6, pdu-a/7], port: sw-1/4, loop: l1, pool_group: g, hashrate_th: 188,"
        " power_w: 3500.5}\n"
    )

    miner = load(written(tmp_path, SITE + row)).site.miner(MinerId("d"))

    assert miner.host == "miner-7.site"
    assert miner.mac == "02:54:48:01:00:0a"
    assert (miner.rack, miner.position, miner.loop, miner.pool_group) == ("3", "12", "l1", "g")
    assert miner.outlets == (Outlet(PduId("pdu-a"), 6), Outlet(PduId("pdu-a"), 7))
    assert miner.port == Port(SwitchId("sw-1"), 4)
    assert (miner.hashrate_th, miner.power_w) == (188.0, 3500.5)


def test_an_outlet_may_be_shared_when_that_is_declared(tmp_path: Path) -> None:
    text = SITE.replace("outlets: pdu-a/2", "outlets: pdu-a/1").replace(
        "site: {name: north}", "site: {name: north}\nshared_outlets: pdu-a/1"
    )

    site = load(written(tmp_path, text)).site

    assert site.fed_by[Outlet(PduId("pdu-a"), 1)] == ("a", "b")


def test_a_shared_outlet_that_nobody_shares_is_a_warning(tmp_path: Path) -> None:
    text = SITE.replace("site: {name: north}", "site: {name: north}\nshared_outlets: [pdu-a/1]")

    (warning,) = load(written(tmp_path, text)).warnings

    assert str(warning.place).endswith("site.yaml:2:17")


def test_a_bank_above_eighty_per_cent_is_a_warning(tmp_path: Path) -> None:
    (warning,) = load(written(tmp_path, SITE.replace("1-4, rating_a: 60", "1-4, rating_a: 30"))).warnings

    assert str(warning.place).endswith("site.yaml:9:45")
    assert "got 30 A for 27.3 A, 91% of it" in str(warning)
    assert "expected at least 34.1 A" in str(warning)


def test_own_model_figures_go_before_the_table_s(tmp_path: Path) -> None:
    text = SITE.replace(
        "site: {name: north}",
        "site: {name: north}\n"
        "models:\n"
        "  S19 Pro: {hashrate_th: 96, power_w: 2832}\n"
        "  Home Brew 1: {family: luxos, hashrate_th: 50, power_w: 1500}",
    )
    text += "  - {id: d, host: 10.20.1.9, model: home brew 1, outlets: pdu-a/6}\n"

    site = load(written(tmp_path, text)).site

    assert site.miner(MinerId("a")).hashrate_th == 96.0
    assert (site.miner(MinerId("d")).family, site.miner(MinerId("d")).power_w) == (Family.LUXOS, 1500.0)


def test_the_fingerprint_follows_the_contents_and_nothing_else(tmp_path: Path) -> None:
    def fingerprint(text: str, rows: str) -> str:
        return load(written(tmp_path, text, rows)).fingerprint

    first = fingerprint(TEN_LINES, TEN_LINES_CSV)

    assert len(first) == 64
    assert fingerprint("# a comment\n" + TEN_LINES.replace("name: north", "name:   north"), TEN_LINES_CSV) == first
    assert fingerprint(TEN_LINES, TEN_LINES_CSV.replace(",", ";")) == first
    assert fingerprint(TEN_LINES.replace("north", "south"), TEN_LINES_CSV) != first
    assert fingerprint(TEN_LINES, TEN_LINES_CSV.replace("10.20.1.1", "10.20.1.7")) != first


def test_the_inventory_may_be_yaml_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "miners.yaml").write_text(
        "- {id: a, host: 10.20.1.1, model: M50, outlets: pdu-a/1}\n- {id: b, host: 10.20.1.1, model: M50}\n"
    )

    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, TEN_LINES.replace("inventory.csv", "miners.yaml")))

    assert [str(problem.place) for problem in caught.value.problems] == [
        f"{tmp_path / 'miners.yaml'}:2:3",
        f"{tmp_path / 'miners.yaml'}:2:17",
    ]


def test_the_ledger_lies_in_the_state_directory(tmp_path: Path) -> None:
    path = written(tmp_path, TEN_LINES, TEN_LINES_CSV)

    ledger = load(path, environ={"STATE_DIRECTORY": "/var/lib/terrahash:/var/lib/other"}).ledger

    assert ledger == Path("/var/lib/terrahash/ledger.sqlite3")


def test_the_playbook_s_name_is_its_file_s() -> None:
    assert stuck_miner.PLAYBOOK.name == "stuck_miner"


def test_the_schema_describes_every_key() -> None:
    document = schema.json_schema()

    for name, section in {"the file": document, **document["$defs"]}.items():
        for key, field in section.get("properties", {}).items():
            described = {**document["$defs"].get(field.get("$ref", "").rpartition("/")[2], {}), **field}
            assert described.get("description"), f"{name}: {key}"
    assert document["additionalProperties"] is False
    assert {choice["type"] for choice in document["properties"]["inventory"]["anyOf"]} == {"string", "array"}


def test_a_pdu_without_banks_has_one(tmp_path: Path) -> None:
    section = schema.PduSection.model_validate(
        {"id": "p", "host": "10.0.0.1", "model": "x", "outlets": 3, "voltage_v": 230, "rating_a": 32, "snmp": {}}
    )

    assert [bank.outlets for bank in banks_of(section)] == [(1, 2, 3)]


def test_reading_a_configuration_loads_none_of_the_heavy_libraries() -> None:
    program = "import sys, agent.config; print(sorted({'pyasic', 'simulators', 'rich', 'asyncssh'} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"
