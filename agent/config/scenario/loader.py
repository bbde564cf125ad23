"""From a scenario file to a Scenario: read, make or load the site, override, check; every problem at once."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from agent.config.errors import ConfigError, Place, Problem
from agent.config.example import example_path
from agent.config.loader import read_tree, settings_of
from agent.config.scenario.entry import LONGEST_S, Entry
from agent.config.scenario.expect import read_expectations
from agent.config.scenario.faults import read_faults
from agent.config.scenario.generate import as_node, configuration, read_generated
from agent.config.scenario.history import read_history
from agent.config.scenario.orders import read_orders
from agent.config.scenario.people import read_people
from agent.config.scenario.plan import Catalogue, Scenario, TierName
from agent.config.settings import Settings
from agent.config.source import Node, read_text
from agent.config.wording import shown
from agent.config.yaml_source import parse_yaml
from agent.model.errors import PolicyError
from agent.model.guard import Mode

KEYS = (
    "name",
    "seed",
    "duration",
    "tier",
    "site",
    "inventory",
    "agent",
    "history",
    "faults",
    "people",
    "orders",
    "expect",
)
SITE_KEYS = ("generate", "inventory")
MAX_SEED = 2**63 - 1
SHORTEST_S = 10.0
LONG_S = 6 * 3600.0
LONG_CADENCE = {"tick_s": 30.0, "poll": {"interval_s": 30.0, "pdu_interval_s": 30.0, "switch_interval_s": 60.0}}
"""How often the agent decides and looks in a scenario longer than LONG_S that says nothing of it. The rule knows the
duration alone, so that all tiers do the same."""

EXAMPLE = "example"
"""In place of a path to a configuration: the example that is shipped."""


def load_scenario(
    path: Path, catalogue: Catalogue, *, seed: int | None = None, tier: TierName | None = None
) -> Scenario:
    """Return the scenario in a file, with all it refers to.

    Args:
        path: the YAML file. Paths inside it are relative to its folder.
        catalogue: the fault kinds and figures it may name.
        seed: in place of the file's own.
        tier: in place of the file's own.

    Raises:
        ConfigError: with every problem found, each with its place and remedy.
    """
    tree, problems = parse_yaml(read_text(path, Place(str(path), 1, 1)), str(path))
    top = Entry(tree, (), problems)
    if not isinstance(tree.value, dict):
        top.refuse(expected="a mapping of keys", got=shown(tree.plain()), remedy="start with  name: my-scenario")
        raise ConfigError(problems)
    top.check_keys(KEYS, required=("duration",))
    name = top.text("name", "the scenario's name", default=path.stem)
    own_seed = top.whole("seed", 0, MAX_SEED, default=0)
    duration_s = top.duration("duration", least_s=SHORTEST_S)
    own_tier = top.choice("tier", [str(t) for t in TierName]) or TierName.WIRE
    settings = _site(top, path.parent, duration_s or 0.0)
    # Where site or duration was refused, the rest is checked as far as it can be.
    site = settings.site if settings is not None else None
    span_s = LONGEST_S if duration_s is None else duration_s
    history = read_history(top)
    faults = read_faults(top, catalogue, site, span_s)
    people = read_people(top, site)
    orders = read_orders(top, site, span_s)
    expect = read_expectations(top, catalogue, site, span_s)
    if problems or settings is None or duration_s is None:
        raise ConfigError(problems)
    return Scenario(
        name=name,
        path=path,
        seed=own_seed if seed is None else seed,
        duration_s=duration_s,
        tier=tier or TierName(own_tier),
        settings=settings,
        faults=faults,
        expect=expect,
        history=history,
        people=people,
        orders=orders,
    )


def _site(top: Entry, folder: Path, duration_s: float) -> Settings | None:
    """Return the settings of the scenario's site; None where it was refused."""
    section = top.mapping("site")
    if section is not None:
        section.check_keys(SITE_KEYS)
    sources = [(e, key) for e in (section, top) if e is not None for key in SITE_KEYS if key in e.keys]
    sources = [(e, key) for e, key in sources if key == "inventory" or e is section]
    if len(sources) != 1:
        got = "both" if sources else "neither"
        remedy = "write site: {generate: {miners: 24}}, or site: {inventory: config.yaml}"
        where = ("site",) if "site" in top.keys else ()
        top.refuse(*where, expected="generate or inventory", got=got, remedy=remedy)
        return None
    (source, key) = sources[0]
    agent = top.mapping("agent")
    if key == "inventory":
        return _configured(source, agent, folder, duration_s)
    generate = source.mapping("generate")
    if generate is None:
        if source.raw("generate") is None:
            source.refuse("generate", expected="a mapping", got="nothing", remedy="write generate: {miners: 24}")
        return None
    made = read_generated(generate)
    if made is None:
        return None
    return _settings(as_node(configuration(made), generate.node), [], top, agent, folder=folder, duration_s=duration_s)


def _configured(source: Entry, agent: Entry | None, folder: Path, duration_s: float) -> Settings | None:
    named = source.text("inventory", "the path of a configuration")
    if not named:
        return None
    try:
        path = example_path() if named == EXAMPLE else folder / named
        place = source.root.at(*source.steps, "inventory")
        read_text(path, place)
        tree, problems = read_tree(path)
    except ConfigError as error:
        source.problems.extend(error.problems)
        return None
    except PolicyError as error:
        source.refuse("inventory", expected="the example configuration", got="nothing", remedy=str(error))
        return None
    return _settings(tree, problems, source, agent, folder=path.parent, duration_s=duration_s)


def _settings(
    tree: Node, problems: list[Problem], top: Entry, agent: Entry | None, *, folder: Path, duration_s: float
) -> Settings | None:
    """Return what configuration and overrides amount to; None where they were refused."""
    overridden = set(agent.keys) if agent is not None else set()
    # Taken down before anything is checked: what is refused is cut out of the tree on the way.
    own = set(_places(agent.node)) if agent is not None else set()
    if agent is not None:
        if "trust" in overridden and isinstance(tree.value, dict):
            tree.value.pop("trust", None)
        _override(tree, agent.node)
    if duration_s > LONG_S:
        _pace(tree)
    try:
        settings = settings_of(tree, problems, folder)
    except ConfigError as error:
        top.problems.extend(
            dataclasses.replace(p, path=f"agent.{p.path}") if p.place in own else p for p in error.problems
        )
        return None
    # A simulation is on auto whatever the configuration says of the real site, unless the scenario says otherwise.
    if "mode" not in overridden:
        settings = dataclasses.replace(settings, mode=Mode.AUTO)
        if "trust" not in overridden:
            settings = dataclasses.replace(settings, trust={})
    return settings


def _pace(tree: Node) -> None:
    """Have the agent look and decide at the cadence of long scenarios, where nothing is said of either."""
    if isinstance(tree.value, dict) and "tick_s" not in tree.value and "poll" not in tree.value:
        for key, value in LONG_CADENCE.items():
            tree.value[key] = as_node(value, tree)


def _override(tree: Node, by: Node) -> None:
    """Put the overriding values in place: mappings key by key, lists and everything else as a whole."""
    if not isinstance(tree.value, dict) or not isinstance(by.value, dict):
        return
    for key, value in by.value.items():
        old = tree.value.get(key)
        if old is not None and isinstance(old.value, dict) and isinstance(value.value, dict):
            merged = Node(value.place, dict(old.value), {**old.keys, **value.keys})
            _override(merged, value)
            tree.value[key] = merged
        else:
            tree.value[key] = value
        if key in by.keys:
            tree.keys[key] = by.keys[key]


def _places(node: Node) -> Iterator[Place]:
    yield node.place
    yield from node.keys.values()
    children = node.value.values() if isinstance(node.value, dict) else node.value
    if not isinstance(children, str | int | float | bool | None):
        for child in children:
            yield from _places(child)
