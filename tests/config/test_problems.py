"""Every way to get a configuration wrong: the exact place, and a remedy that can be followed."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.config import ConfigError, load
from tests.config.sites import SITE, written


@dataclass(frozen=True)
class Slip:
    """What is written instead of what, where it shows (line:column), and words of the message."""

    name: str
    right: str
    wrong: str
    place: str
    words: tuple[str, ...]


AUTO = "site: {name: north}\nmode: auto"
SLIPS = [
    Slip(
        "unknown key", "site: {name: north}", "site: {name: north}\npool: {}", "2:1", ("unknown key 'pool'", "'pools'")
    ),
    Slip(
        "unit of the key",
        "site: {name: north}",
        "site: {name: north}\npoll: {interval_ms: 8000}",
        "2:8",
        ("'interval_s', in seconds", "Write interval_s: 8"),
    ),
    Slip(
        "no unit",
        "site: {name: north}",
        "site: {name: north}\npoll: {interval: 8}",
        "2:8",
        ("'interval_s', in seconds",),
    ),
    Slip(
        "unit in the value",
        "site: {name: north}",
        "site: {name: north}\npoll: {interval_s: 10 s}",
        "2:20",
        ("poll.interval_s: expected seconds as a number between 1 and 600, got '10 s'; write 10",),
    ),
    Slip(
        "minutes", "site: {name: north}", "site: {name: north}\nguard: {cooldown_s: 20 min}", "2:21", ("; write 1200",)
    ),
    Slip("volts", "voltage_v: 240", "voltage_v: 0.24 kV", "7:16", ("expected volts", "write 240")),
    Slip("per cent", "site: {name: north}", "site: {name: north}\nguard: {bank_share: 80}", "2:21", ("write 0.8 if",)),
    Slip("milliseconds", "site: {name: north}", "site: {name: north}\ntick_s: 2000", "2:9", ("write 2 if milli",)),
    Slip("too small", "voltage_v: 240", "voltage_v: 24", "7:16", ("between 80 and 600, got 24",)),
    Slip("not a number", "ports: 24", "ports: many", "14:40", ("a whole number between 1 and 4096", "number alone")),
    Slip("half a port", "ports: 24", "ports: 24.5", "14:40", ("a whole number",)),
    Slip("quoted number", "ports: 24", "ports: '24'", "14:40", ("got '24'; write 24",)),
    Slip(
        "mode",
        "site: {name: north}",
        "site: {name: north}\nmode: automatic",
        "2:7",
        ("observe, approve or auto", "'auto'?"),
    ),
    Slip("octal", "outlets: 8", "outlets: 010", "6:14", ("without leading zeros", "write 10 for the number")),
    Slip("base 60", "voltage_v: 240", "voltage_v: 22:00", "7:16", ("base 60", 'write "22:00" in quotes')),
    Slip("second key", "    voltage_v: 240", "    voltage_v: 240\n    outlets: 9", "8:5", ("each key once", "line 6")),
    Slip("missing key", "    voltage_v: 240\n", "", "3:5", ("pdus[pdu-a].voltage_v", "add voltage_v (Volts at its")),
    Slip(
        "secret in plain",
        "{credential: pdu-read}",
        "hunter2-public",
        "11:23",
        ("not repeated here", "{credential: NAME}"),
    ),
    Slip("secret as a name", "credential: pdu-read", "credential: Hunter2!", "11:36", ("not repeated here",)),
    Slip("missing community", "{community: {credential: pdu-read}}", "{}", "11:11", ("add community: {credential",)),
    Slip(
        "half of version 3",
        "{community: {credential: pdu-read}}",
        "{version: 3, user: x}",
        "11:11",
        ("auth and priv for SNMP version 3",),
    ),
    Slip(
        "both versions",
        "{community: {credential: pdu-read}}",
        "{community: {credential: c}, user: x}",
        "11:46",
        ("user, which belongs to version 3", "version: 3"),
    ),
    Slip("no such version", "{community:", "{version: 1, community:", "11:21", ("expected 2c or 3, got 1",)),
    Slip("profile", "apc_rpdu2", "apc_rpdu3", "5:12", ("raritan_px2_px3", "did you mean 'apc_rpdu'?")),
    Slip("host", "10.20.0.11", "10.20.0.311", "4:11", ("four numbers from 0 to 255",)),
    Slip("url as a host", "10.20.0.11", "http://10.20.0.11/", "4:11", ("without scheme",)),
    Slip("everybody's host", "10.20.0.11", "0.0.0.0", "4:11", ("one device",)),
    Slip("id", "id: pdu-a", "id: pdu a", "3:9", ("letters, digits",)),
    Slip("same id", "id: b", "id: a", "17:10", ("a name of its own", "site.yaml:16:10")),
    Slip("miner's and PDU's host", "10.20.1.2", "10.20.0.11", "17:19", ("an address of its own", "pdus[pdu-a]")),
    Slip("switch's host", "10.20.0.2", "10.20.0.11", "14:22", ("an address of its own",)),
    Slip("mac", "02:54:48:01:00:02", "02:54:48:01:00", "17:79", ("six pairs",)),
    Slip("group's mac", "02:54:48:01:00:02", "03:54:48:01:00:02", "17:79", ("one network card",)),
    Slip("same mac", "port: sw-1/1", "port: sw-1/1, mac: 0254.4801.0002", "17:79", ("a MAC address of its own",)),
    Slip(
        "outlet twice", "pdu-a/2", "pdu-a/1", "17:51", ("an outlet of its own", "feeds a", "shared_outlets: [pdu-a/1]")
    ),
    Slip("outlet beyond", "pdu-a/2", "pdu-a/9", "17:51", ("from 1 to 8", "got pdu-a/9")),
    Slip("outlet's form", "pdu-a/2", "pdu-a:2", "17:51", ("such as pdu-a/3",)),
    Slip("outlet zero", "pdu-a/2", "pdu-a/0", "17:51", ("such as pdu-a/3",)),
    Slip("one outlet said twice", "pdu-a/2", "pdu-a/2 pdu-a/2", "17:51", ("write pdu-a/2 once",)),
    Slip("unknown PDU", "pdu-a/2", "pdu-b/2", "17:51", ("a PDU of the configuration", "'pdu-a/2'?")),
    Slip("switch for a PDU", "pdu-a/2", "sw-1/2", "17:51", ("a PDU of the configuration (pdu-a)", "got sw-1/2")),
    Slip("PDU for a switch", "sw-1/2", "pdu-a/2", "17:66", ("a switch of the configuration", "got pdu-a/2")),
    Slip("protected outlet", "pdu-a/2", "pdu-a/8", "17:51", ("pdu-a/8, which is protected",)),
    Slip("no outlet", "outlets: pdu-a/2, ", "", "17:5", ("at least one outlet, got nothing",)),
    Slip("empty outlets", "outlets: pdu-a/2", "outlets: []", "17:51", ("at least one outlet, got nothing",)),
    Slip("unknown switch", "sw-1/2", "sw-2/2", "17:66", ("a switch of the configuration", "'sw-1/2'?")),
    Slip("port beyond", "sw-1/2", "sw-1/25", "17:66", ("from 1 to 24",)),
    Slip("port twice", "sw-1/2", "sw-1/1", "17:66", ("a port of its own", "where a is")),
    Slip("model", "S19 Pro", "S19 Prro", "16:37", ("did you mean 'S19 Pro'?", "models:")),
    Slip("family left open", ", family: antminer_stock", "", "16:5", ("add family: antminer_stock or luxos",)),
    Slip("family of another", "model: M50", "model: M50, family: luxos", "17:50", ("expected whatsminer",)),
    Slip("protected beyond", "protected: [8]", "protected: [9]", "12:16", ("outlets up to 8",)),
    Slip("protected's form", "protected: [8]", "protected: [eight]", "12:16", ("numbers and ranges",)),
    Slip("bank overlap", "outlets: 5-8", "outlets: 4-8", "10:30", ("each outlet in one bank", "4 also in bank 1")),
    Slip("bank gap", "outlets: 5-8", "outlets: 6-8", "9:7", ("all 8 outlets in a bank", "none for outlets 5")),
    Slip("bank beyond", "outlets: 5-8", "outlets: 5-10", "10:30", ("got 9-10",)),
    Slip("bank backwards", "outlets: 5-8", "outlets: 8-5", "10:30", ("the smaller one first",)),
    Slip("bank twice", "number: 2", "number: 1", "10:18", ("each bank once",)),
    Slip("bank too small", "1-4, rating_a: 60", "1-4, rating_a: 20", "9:45", ("27.3 A", "would trip")),
    Slip("rating and banks", "    voltage_v: 240", "    voltage_v: 240\n    rating_a: 60", "8:15", ("keep banks",)),
    Slip("no inventory", SITE[SITE.index("inventory:") :], "", "1:1", ("inventory: expected", "add inventory")),
    Slip("empty inventory", SITE[SITE.index("inventory:") :], "inventory: []", "15:12", ("at least one",)),
    Slip("inventory elsewhere", SITE[SITE.index("inventory:") :], "inventory: no.csv", "15:12", ("No such file",)),
    Slip("inventory's kind", SITE[SITE.index("inventory:") :], "inventory: miners.xlsx", "15:12", ("as CSV",)),
    Slip("auto needs logins", "site: {name: north}", AUTO, "1:1", ("a login for antminer_stock",)),
    Slip("auto needs to write", "site: {name: north}", AUTO, "12:11", ("write_community",)),
    Slip(
        "trust needs to write",
        "site: {name: north}",
        "site: {name: north}\ntrust: {stuck_miner: {power: auto}}",
        "12:11",
        ("write_community",),
    ),
    Slip(
        "playbook", "site: {name: north}", "site: {name: north}\ntrust: {stuk_miner: {}}", "2:21", ("'stuck_miner'?",)
    ),
    Slip(
        "risk", "site: {name: north}", "site: {name: north}\ntrust: {stuck_miner: {powr: auto}}", "2:23", ("'power'?",)
    ),
    Slip(
        "family of a login",
        "site: {name: north}",
        "site: {name: north}\nlogins: {antminer: {user: x, password: {credential: y}}}",
        "2:10",
        ("'antminer_stock'?",),
    ),
    Slip(
        "deadline beyond period",
        "site: {name: north}",
        "site: {name: north}\npoll: {interval_s: 4}",
        "2:7",
        ("poll.deadline_s: expected at most poll.interval_s, 4, got 5",),
    ),
    Slip(
        "window beyond history",
        "site: {name: north}",
        "site: {name: north}\nstuck: {clear_window_s: 3600}",
        "2:25",
        ("the history kept",),
    ),
    Slip("not a mapping", "site: {name: north}", "site: north", "1:7", ("a mapping with name",)),
    Slip("name lost to YAML", "id: c", "id: 1.10", "18:10", ("put it in quotes",)),
    Slip(
        "a shared outlet of no PDU",
        "site: {name: north}",
        "site: {name: north}\nshared_outlets: [x/1]",
        "2:17",
        ("pdu-a",),
    ),
    Slip(
        "too many outlets",
        "site: {name: north}",
        f"site: {{name: north}}\nshared_outlets: {[f'pdu-a/{n}' for n in range(1, 600)]}",
        "2:17",
        ("write at most 512",),
    ),
    Slip("ledger", "site: {name: north}", "site: {name: north}\nledger: 7", "2:9", ("the path of a file",)),
]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_a_slip_is_refused_with_its_place_and_remedy(slip: Slip, tmp_path: Path) -> None:
    assert slip.right in SITE
    path = written(tmp_path, SITE.replace(slip.right, slip.wrong, 1))

    with pytest.raises(ConfigError) as caught:
        load(path)

    lines = [str(problem) for problem in caught.value.problems]
    told = [line for line in lines if line.startswith(f"{path}:{slip.place}: ")]
    assert any(all(word in line for word in slip.words) for line in told), "\n".join(lines)
    assert not any("hunter2" in line.lower() for line in lines)


@pytest.mark.parametrize(
    "slip", [s for s in SLIPS if "auto" not in s.name and "trust" not in s.name], ids=lambda s: s.name
)
def test_one_slip_gives_one_problem(slip: Slip, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, SITE.replace(slip.right, slip.wrong, 1)))

    lines = [str(problem) for problem in caught.value.problems]
    several = {"no inventory": 1}
    assert len(lines) == several.get(slip.name, 1), "\n".join(lines)


def test_what_the_slips_start_from_is_good(tmp_path: Path) -> None:
    assert load(written(tmp_path, SITE)).warnings == ()


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = (
        SITE.replace("voltage_v: 240", "voltage_v: 240 V")
        .replace("id: b", "id: a")
        .replace("site: {name: north}", "site: {nam: north}\npoll: {interval: 8}\ntrust: {x: {}}")
        .replace("pdu-a/5", "pdu-z/5")
        .replace("ports: 24", "ports: '24'")
    )

    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))

    assert [problem.path for problem in caught.value.problems] == [
        "site.name",
        "site.nam",
        "poll.interval",
        "trust.x",
        "pdus[pdu-a].voltage_v",
        "switches[sw-1].ports",
        "inventory[a].id",
        "inventory[c].outlets",
    ]


def test_an_anchor_is_told_once_however_often_it_is_used(tmp_path: Path) -> None:
    text = SITE.replace("snmp: {community: {credential: pdu-read}}", "snmp: &access {comunity: {credential: x}}")
    text = text.replace("snmp: {community: {credential: switch-read}}", "snmp: *access")

    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))

    places = [(problem.place.line, problem.place.column) for problem in caught.value.problems]
    assert (11, 20) in places
    assert all(line in {11, 14} for line, _ in places)
