"""What a scenario may not say: each refusal has its place, and says what would be right. All of them come at once."""

from pathlib import Path

import pytest

from agent.cli.scenario_run import catalogue
from agent.config.errors import ConfigError, Problem
from agent.config.scenario import load_scenario
from agent.config.scenario.entry import Entry
from agent.config.scenario.targets import matching
from agent.config.yaml_source import parse_yaml

HEAD = "duration: 1h\nsite: {generate: {miners: 12}}\n"


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    path = folder / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_scenario(path, catalogue())
    assert all(p.place.file == str(path) for p in refused.value.problems)
    return refused.value.problems


def told(problem: Problem, path: Path) -> str:
    return str(problem).removeprefix(f"{path / 'scenario.yaml'}:")


FAULTS = [
    ("{at: 1m, kind: miner.psu_ded, target: 'miner:*'}", "4:20: faults[0].kind", "did you mean 'miner.psu_dead'?"),
    ("{at: 1m, kind: psu_dead, target: 'miner:*'}", "4:20: faults[0].kind", "did you mean 'miner.psu_dead'?"),
    ("{at: 1m, target: 'miner:*'}", "4:5: faults[0]", "add kind"),
    ("{at: 1m, kind: miner.psu_dead}", "4:5: faults[0]", "add target"),
    ("{at: 1m, kind: miner.psu_dead, target: ''}", "4:44: faults[0].target", "miner:*"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:'}", "4:44: faults[0].target", "an empty selector"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:r9-*'}", "4:44: faults[0].target", "matches none"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:r1-012'}", "4:44: faults[0].target", "did you mean 'r1-12'?"),
    ("{at: 1m, kind: miner.psu_dead, target: 'pdu:c1-p1'}", "4:44: faults[0].target", "the form miner:…"),
    ("{at: 1m, kind: miner.psu_dead, target: 'pdu:c1-p1'}", "4:44: faults[0].target", "write it as miner:*"),
    ("{at: 1m, kind: miner.psu_dead, target: miner}", "4:44: faults[0].target", "write it as miner:*"),
    ("{at: 1m, kind: miner.psu_dead, target: 'mine:r1-01'}", "4:44: faults[0].target", "write it as miner:r1-01"),
    ("{at: 1m, kind: miner.psu_dead, target: r1-01}", "4:44: faults[0].target", "write it as miner:r1-01"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', count: 13}", "4:62: faults[0].count", "at most 12, got 13"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', count: 0}", "4:62: faults[0].count", "from 1"),
    ("{at: -1m, kind: miner.psu_dead, target: 'miner:*'}", "4:10: faults[0].at", "not negative"),
    ("{at: 90, kind: miner.psu_dead, target: 'miner:*'}", "4:10: faults[0].at", "90s for seconds"),
    ("{at: 2h, kind: miner.psu_dead, target: 'miner:*'}", "4:10: faults[0].at", "from 0s to 1h"),
    ("{at: 1m, for: 0s, kind: pdu.slow, target: 'pdu:*'}", "4:19: faults[0].for", "from 1s"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', watts: 3}", "4:55: faults[0].watts", "'watts'"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', standby_w: 3 W}", "4:66: faults[0].standby_w", "write 3"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', standby_w: 99}", "4:66: faults[0].standby_w", "from 0 to 15"),
    (
        "{at: 1m, kind: miner.control_board_hung, target: 'miner:*', draw: idel}",
        "4:71: faults[0].draw",
        "did you mean 'idle'?",
    ),
    (
        "{at: 1m, kind: miner.process_died, target: 'miner:*', watchdog: 1}",
        "4:69: faults[0].watchdog",
        "false or true",
    ),
    ("{at: 1m, kind: mix}", "4:20: faults[0].kind", "rate: 1.0/miner/month"),
    ("{at: 1m, rate: 1/miner/day, kind: mix}", "4:10: faults[0].at", "both"),
    ("{rate: often, kind: mix}", "4:12: faults[0].rate", "1.0/miner/month"),
    ("{rate: 1/pdu/day, kind: mix}", "4:12: faults[0].rate", "miner|site"),
    ("{rate: 0/miner/day, kind: mix}", "4:12: faults[0].rate", "above 0"),
    ("{rate: 1/miner/day, kind: wire.drop}", "4:5: faults[0]", "for: 10m"),
    ("{rate: 1/miner/day, kind: mix, unfixable: 3}", "4:47: faults[0].unfixable", "from 0 to 1"),
    ("{rate: 1/miner/day, kind: mix, until: 2h}", "4:43: faults[0].until", "from 1s to 1h"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', until: 2m}", "4:55: faults[0].until", "'until'"),
    ("nothing", "4:5: faults[0]", "a mapping"),
    ("{at: .nan, kind: miner.psu_dead, target: 'miner:*'}", "4:10: faults[0].at", "a duration such as 90s"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', count: .inf}", "4:62: faults[0].count", "a whole number"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', count: 1e30}", "4:62: faults[0].count", "a whole number"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', standby_w: .nan}", "4:66: faults[0].standby_w", "from 0 to 15"),
    ("{at: 1m, kind: miner.psu_dead, target: 'miner:*', standby_w: [3]}", "4:66: faults[0].standby_w", "got [3]"),
    ("{at: 1m, kind: miner.psu_dead, target: [miner]}", "4:44: faults[0].target", "the form miner:…"),
    ("{at: 99999999999d, kind: miner.psu_dead, target: 'miner:*'}", "4:10: faults[0].at", "a duration such as"),
    (
        "{at: 1m, kind: pdu.set_lies, target: 'pdu:*', sets: 1.5}",
        "4:57: faults[0].sets",
        "a whole number from 1 to 1000",
    ),
    ("{rate: 999999/miner/hour, kind: mix}", "4:12: faults[0].rate", "at most 1000000 faults"),
    ("{rate: nan/miner/hour, kind: mix}", "4:12: faults[0].rate", "1.0/miner/month"),
]

SWAPS = [
    ("[3, 3]", "two outlets, got [3, 3]; name a second one"),
    ("[3, 13]", "two outlets of c1-p1, which has 1 to 12, got [3, 13]"),
    ("[3]", "a list of 2 whole numbers from 1 to 512, got [3]"),
    ("[3, 4, 5]", "got [3, 4, 5]"),
    ("[]", "got []"),
    ("3", "a list of 2 whole numbers from 1 to 512, got 3; write it as [1, 2]"),
    ("[3, four]", "got [3, 'four']"),
    ("[3, 4.5]", "a list of 2 whole numbers"),
    ("[3, true]", "got [3, true]"),
    ("[0, 1]", "from 1 to 512"),
    ("[3, .nan]", "got [3, '.nan']"),
    ("[3, 1e300]", "from 1 to 512"),
    ("[[3, 4], 5]", "got [a list, 5]"),
    ("{3: 4}", "a list of 2"),
    ("[1,1,1,1,1,1,1,1,1,1,1,1]", "got [1, 1, 1, 1, 1, 1, 1, 1, …]"),
]


@pytest.mark.parametrize(("swap", "says"), SWAPS, ids=[swap for swap, _ in SWAPS])
def test_outlets_that_cannot_be_swapped_are_refused(tmp_path: Path, swap: str, says: str) -> None:
    line = f"{{at: 1m, kind: pdu.outlet_map_wrong, target: 'pdu:*', swap: {swap}}}"
    (problem,) = problems(tmp_path, f"{HEAD}faults:\n  - {line}\n")
    assert told(problem, tmp_path).startswith("4:65: faults[0].swap: expected ")
    assert says in str(problem)


def test_the_default_swap_is_held_to_the_site_too(tmp_path: Path) -> None:
    line = "{at: 1m, kind: pdu.outlet_map_wrong, target: 'pdu:*'}"
    (problem,) = problems(tmp_path, f"{HEAD.replace('12', '1')}faults:\n  - {line}\n")
    assert told(problem, tmp_path).startswith("4:5: faults[0]: expected two outlets of c1-p1, which has 1 to 1")


HISTORIES = [
    ("{blocks: 1}", "history.blocks", "true or false"),
    ("{lost_polls: 2}", "history.lost_polls", "from 0 to 1"),
    ("{lost_polls: -0.1}", "history.lost_polls", "from 0 to 1"),
    ("{lost_polls: .nan}", "history.lost_polls", "from 0 to 1"),
    ("{difficulty_changes: 2}", "history.difficulty_changes", "write it as 2/day"),
    ("{difficulty_changes: 2/month}", "history.difficulty_changes", "NUMBER/hour|day|week"),
    ("{difficulty_changes: 99999/hour}", "history.difficulty_changes", "at most 60/hour"),
    ("{shifts: {noon: 1}}", "history.shifts.noon", "night, day or evening"),
    ("{shifts: {day: 1000}}", "history.shifts.day", "from 0 to 100"),
    ("{shifts: [1, 1, 1]}", "history.shifts", "a mapping"),
    ("{block: true}", "history.block", "did you mean 'blocks'?"),
    ("often", "history", "a mapping"),
]


@pytest.mark.parametrize(("text", "path", "says"), HISTORIES, ids=[text for text, _, _ in HISTORIES])
def test_surroundings_that_cannot_be_are_refused(tmp_path: Path, text: str, path: str, says: str) -> None:
    (problem,) = problems(tmp_path, f"{HEAD}history: {text}\n")
    assert (problem.place.line, problem.path) == (3, path)
    assert says in str(problem)


ASKED = "incident: {escalation: flash_unproven}"
PEOPLE = [
    (f"{{{ASKED}, after: 4h}}", "people[0]", "add does"),
    (f"{{{ASKED}, does: repair}}", "people[0]", "add after"),
    ("{after: 4h, does: repair}", "people[0]", "add incident"),
    (f"{{{ASKED}, after: 4, does: repair}}", "people[0].after", "[1h, 8h]"),
    (f"{{{ASKED}, after: [8h, 1h], does: repair}}", "people[0].after", "the least and the most"),
    (f"{{{ASKED}, after: [1h, 2h, 3h], does: repair}}", "people[0].after", "the least and the most"),
    (f"{{{ASKED}, after: 4h, does: repare}}", "people[0].does", "did you mean 'repair'?"),
    (f"{{{ASKED}, after: 4h, does: []}}", "people[0].does", "repair, release_image, trust_outlets, approve or deny"),
    (f"{{{ASKED}, after: 4h, does: [repair, approve]}}", "people[0].does", "approve or deny alone"),
    (f"{{{ASKED}, after: 4h, does: [repair, [repair]]}}", "people[0].does", "got a list"),
    ("{incident: {category: firm}, after: 4h, does: repair}", "people[0].incident.category", "'firmware'"),
    (f"{{{ASKED}, after: 4h, does: repair, at: 3h}}", "people[0].at", "incident, after or does"),
    ("somebody", "people[0]", "a mapping"),
]


@pytest.mark.parametrize(("text", "path", "says"), PEOPLE, ids=[text for text, _, _ in PEOPLE])
def test_people_who_could_not_answer_are_refused(tmp_path: Path, text: str, path: str, says: str) -> None:
    (problem,) = problems(tmp_path, f"{HEAD}people:\n  - {text}\n")
    assert (problem.place.line, problem.path) == (4, path)
    assert says in str(problem)


def test_everything_that_is_wrong_with_one_fault_is_told_at_once(tmp_path: Path) -> None:
    line = "{at: 2h, kind: pdu.outlet_map_wrong, target: 'pdu:x', count: 99999999, for: 0s, swap: [1], swop: [1, 2]}"
    found = problems(tmp_path, f"{HEAD}faults:\n  - {line}\n  - {{kind: miner.psu_dead, standby_w: -1}}\n")
    assert [p.path.removeprefix("faults") for p in found] == [
        *("[0].at", "[0].target", "[0].count", "[0].for", "[0].swap", "[0].swop"),
        *("[1]", "[1]", "[1].standby_w"),
    ]


@pytest.mark.parametrize(("line", "place", "says"), FAULTS, ids=[line for line, _, _ in FAULTS])
def test_a_fault_that_cannot_be_is_refused(tmp_path: Path, line: str, place: str, says: str) -> None:
    (problem,) = problems(tmp_path, f"{HEAD}faults:\n  - {line}\n")
    assert told(problem, tmp_path).startswith(place)
    assert says in str(problem)


EXPECTATIONS = [
    ("{by: 2h, incident: {category: stuck}}", "expect[0].by", "from 0s to 1h"),
    ("{by: 2m, incident: {category: stuk}}", "expect[0].incident.category", "did you mean 'stuck'?"),
    ("{by: 2m, incident: {outcomes: open}}", "expect[0].incident.outcomes", "did you mean 'outcome'?"),
    ("{by: 2m, incident: {miner: r7-01}}", "expect[0].incident.miner", "matches none"),
    ("{by: 2m, incident: {severity: 5}}", "expect[0].incident.severity", "1, 2, 3 or 4"),
    ("{by: 2m}", "expect[0]", "incident or action"),
    ("{by: 2m, action: explode}", "expect[0].action", "power_off"),
    ("{by: 2m, never: {action: any}}", "expect[0]", "by and never"),
    ("{incident: {}}", "expect[0]", "by, never or at_end"),
    ("{never: {action: any, while: pdu.slo}}", "expect[0].never.while", "did you mean 'pdu.slow'?"),
    ("{never: {}}", "expect[0].never", "incident or action"),
    ("{at_end: {outlet_off: 0}}", "expect[0].at_end.outlet_off", "did you mean 'outlets_off'?"),
    ("{at_end: {detection.recal: 1}}", "expect[0].at_end.detection.recal", "did you mean 'detection.recall'?"),
    ("{at_end: {incidents: few}}", "expect[0].at_end.incidents", "a number"),
    ("{at_end: {incidents: {at_least: 2, at_most: 1}}}", "expect[0].at_end.incidents", "smaller one first"),
    ("{at_end: {}}", "expect[0].at_end", "a figure"),
]


@pytest.mark.parametrize(("line", "path", "says"), EXPECTATIONS, ids=[line for line, _, _ in EXPECTATIONS])
def test_an_expectation_that_nothing_could_meet_is_refused(tmp_path: Path, line: str, path: str, says: str) -> None:
    (problem,) = problems(tmp_path, f"{HEAD}expect:\n  - {line}\n")
    assert (problem.place.line, problem.path) == (4, path)
    assert says in str(problem)


SITES = [
    ("site: {}", "site", "neither"),
    ("site: {generate: {miners: 3}, inventory: config.yaml}", "site", "both"),
    ("site: {generate: }", "site.generate", "generate: {miners: 24}"),
    ("site: {generate: {}}", "site.generate", "miners"),
    ("site: {generate: {miners: 0}}", "site.generate.miners", "from 1"),
    ("site: {generate: {miners: 3, racks_per_container: 4}}", "site.generate.miners", "3 miners in 4 racks"),
    ("site: {generate: {miners: 3, pdus: apc_rpdu3}}", "site.generate.pdus", "did you mean 'apc_rpdu"),
    ("site: {generate: {miners: 3, cooling: water}}", "site.generate.cooling", "air, hydro or immersion"),
    ("site: {generate: {miners: 3, cooling: {air: 0.5}}}", "site.generate.cooling", "add up to 1"),
    ("site: {generate: {miners: 3, cooling: {water: 1}}}", "site.generate.cooling.water", "air, hydro or immersion"),
    ("site: {generate: {miners: 3, families: {luxos: 0.5}}}", "site.generate.families", "add up to 1"),
    ("site: {generate: {miners: 3, families: {antminer: 1}}}", "site.generate.families.antminer", "antminer_stock"),
    ("site: {generate: {miners: 3, network: 10.0.0.0/30}}", "site.generate.network", "room for 3 miners"),
    ("site: {inventory: nowhere.yaml}", "", "No such file"),
]


@pytest.mark.parametrize(("line", "path", "says"), SITES, ids=[line for line, _, _ in SITES])
def test_a_site_that_cannot_be_made_is_refused(tmp_path: Path, line: str, path: str, says: str) -> None:
    (problem,) = problems(tmp_path, f"duration: 1h\n{line}\n")
    assert (problem.place.line, problem.path) == (2, path)
    assert says in str(problem)


def test_an_override_is_held_to_the_configurations_own_schema(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{HEAD}agent:\n  guard: {{cooldown_s: 3}}\n  pol: {{interval_s: 3}}\n")
    assert [(p.place.line, p.path) for p in found] == [(4, "agent.guard.cooldown_s"), (5, "agent.pol")]
    assert "between 300 and 86400" in str(found[0])
    assert "did you mean 'poll'?" in str(found[1])


def test_a_slip_in_the_site_does_not_hide_the_others(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
seed: -1
duration: -2h
tier: fastforward
site: {generate: {miner: 12}}
faults:
  - {at: 1m, kind: miner.psu_ded, target: "miner:*"}
expect:
  - {by: 1m, incident: {category: stuk}}
expects: []
""",
    )
    assert [p.place.line for p in found] == [1, 2, 3, 4, 4, 6, 8, 9]


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "", "name: [\n", "a: 1\na: 2\n"])
def test_what_is_no_mapping_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)[0].place.line >= 1


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("pool:primery", "did you mean 'primary'?"),
        ("pool:third", "the site has primary or backup"),
        ("pools:primary", "write it as pool:primary"),
        ("pool:", "an empty selector; name it, or write pool:* for every pool"),
        ("primary", "write it as pool:primary"),
    ],
)
def test_a_pool_that_the_site_lacks_is_refused(tmp_path: Path, target: str, says: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("duration: 1h\nsite: {generate: {miners: 12, pools: 2}}\n")
    site = load_scenario(path, catalogue()).settings.site
    tree, _ = parse_yaml(f"target: '{target}'", "x.yaml")
    entry = Entry(tree, (), [])
    assert matching(entry, "target", site, ("pool",)) == ()
    (problem,) = entry.problems
    assert says in str(problem)


def test_a_pattern_means_pools_switches_and_ports_too(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("duration: 1h\nsite: {generate: {miners: 12, containers: 2, pools: 3}}\n")
    site = load_scenario(path, catalogue()).settings.site
    found = {}
    for target in ("pool:*", "pool:p*", "switch:c?-sw", "port:c1-sw/[1-3]"):
        tree, _ = parse_yaml(f"target: '{target}'", "x.yaml")
        found[target] = matching(Entry(tree, (), []), "target", site, (target.partition(":")[0],))
    assert found == {
        "pool:*": ("pool:primary", "pool:backup", "pool:pool-3"),
        "pool:p*": ("pool:primary", "pool:pool-3"),
        "switch:c?-sw": ("switch:c1-sw", "switch:c2-sw"),
        "port:c1-sw/[1-3]": ("port:c1-sw/1", "port:c1-sw/2", "port:c1-sw/3"),
    }
