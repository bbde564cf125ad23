"""Pools and their groups: what they become, and every way to get them wrong."""

from pathlib import Path

import pytest

from agent.config import ConfigError, load
from agent.config.example import example_path
from agent.model.ids import MinerId, PoolGroupId, PoolId
from agent.model.topology import Pool, PoolGroup
from tests.config.sites import SITE, written

POOLS = """\
pools:
  - {id: primary, host: Primary.Pool.Example, port: 3333}
  - {id: backup, host: 203.0.113.7, port: 443, tls: true}
pool_groups:
  - {id: main, pools: [primary, backup]}
  - {id: odd, pools: [backup, primary], worker: "acct.{miner}-x"}
"""
GROUPED = SITE.replace("port: sw-1/1}", "port: sw-1/1, pool_group: main}").replace(
    "port: sw-1/3}", "port: sw-1/3, pool_group: odd}"
)
FIRST = SITE.count("\n") + 1
"""Line of `pools:` in a site that they are appended to."""


def test_pools_and_groups_arrive_where_they_are_used(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GROUPED + POOLS))
    site = settings.site
    (warning,) = settings.warnings
    assert (warning.path, warning.got) == ("inventory[b].pool_group", "none")
    assert site.pools == (
        Pool(PoolId("primary"), "primary.pool.example", 3333),
        Pool(PoolId("backup"), "203.0.113.7", 443, tls=True),
    )
    main, odd = site.pool_groups
    assert main == PoolGroup(PoolGroupId("main"), (PoolId("primary"), PoolId("backup")), "site.{miner}")
    assert odd.worker_of(MinerId("c")) == "acct.c-x"
    pools = {miner.id: [pool.id for pool in site.pools_of(miner)] for miner in site.miners}
    assert pools == {"a": ["primary", "backup"], "b": [], "c": ["backup", "primary"]}
    assert site.pools[1].url == "stratum+ssl://203.0.113.7:443"


def test_the_example_has_two_pools_and_everybody_works_for_the_first() -> None:
    site = load(example_path(), environ={}).site
    assert [pool.id for pool in site.pools] == ["primary", "backup"]
    assert {site.pools_of(miner)[0].id for miner in site.miners} == {"primary"}


def test_without_pools_a_group_is_a_mere_label(tmp_path: Path) -> None:
    site = load(written(tmp_path, GROUPED)).site
    assert site.pools == ()
    assert [miner.pool_group for miner in site.miners] == ["main", None, "odd"]
    assert site.pools_of(site.miners[0]) == ()


def test_the_only_group_is_everybodys(tmp_path: Path) -> None:
    pools = POOLS[: POOLS.index("  - {id: odd")]
    settings = load(written(tmp_path, SITE + pools))
    assert settings.warnings == ()
    assert {miner.pool_group for miner in settings.site.miners} == {"main"}


def test_the_fingerprint_covers_pools(tmp_path: Path) -> None:
    prints = {
        load(written(tmp_path, GROUPED + text)).fingerprint
        for text in ("", POOLS, POOLS.replace("443", "444"), POOLS.replace("[primary, backup]", "[primary]"))
    }
    assert len(prints) == 4


def test_a_pool_that_no_group_has_is_a_warning(tmp_path: Path) -> None:
    text = GROUPED + POOLS.replace("[primary, backup]", "[backup]").replace("[backup, primary]", "[backup]")
    (warning,) = (each for each in load(written(tmp_path, text)).warnings if each.path != "inventory[b].pool_group")
    assert (warning.place.line, warning.path) == (FIRST + 1, "pools[primary]")


SLIPS = [
    ("unknown pool", "[primary, backup]", "[primery, backup]", 4, "pool_groups[main].pools[0]", "'primary'?"),
    ("nobody's pool", "[primary, backup]", "[third]", 4, "pool_groups[main].pools[0]", "add it under pools"),
    (
        "pool twice in a group",
        "[primary, backup]",
        "[backup, backup]",
        4,
        "pool_groups[main].pools[1]",
        "each pool once",
    ),
    ("empty group", "[primary, backup]", "[]", 4, "pool_groups[main].pools", "at least one"),
    ("group without pools", ", pools: [primary, backup]", "", 4, "pool_groups[main].pools", "add pools"),
    ("same pool id", "id: backup", "id: primary", 2, "pools[primary].id", "a name of its own"),
    ("same group id", "id: odd", "id: main", 5, "pool_groups[main].id", "a name of its own"),
    ("same endpoint", "203.0.113.7, port: 443", "primary.pool.example, port: 3333", 2, "pools[backup].host", "primary"),
    ("url for a host", "Primary.Pool.Example", "stratum+tcp://a.example", 1, "pools[primary].host", "without scheme"),
    ("host with port", "Primary.Pool.Example", '"a.example:3333"', 1, "pools[primary].host", "without scheme, port"),
    ("no port", ", port: 3333", "", 1, "pools[primary].port", "add port"),
    ("port beyond", "port: 3333", "port: 70000", 1, "pools[primary].port", "between 1 and 65535"),
    ("tls as a word", "tls: true", "tls: ssl", 2, "pools[backup].tls", "true or false"),
    ("worker's braces", "{miner}-x", "{mac}-x", 5, "pool_groups[odd].worker", "site.{miner}"),
    ("worker's space", "acct.{miner}", "acct {miner}", 5, "pool_groups[odd].worker", "without spaces"),
    ("unknown key", "tls: true", "ssl: true", 2, "pools[backup].ssl", "tls"),
]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip[0])
def test_a_slip_is_refused_once_with_its_place_and_remedy(
    slip: tuple[str, str, str, int, str, str], tmp_path: Path
) -> None:
    name, right, wrong, line, path, says = slip
    assert right in POOLS
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, GROUPED + POOLS.replace(right, wrong, 1)))
    found = {problem.path: problem for problem in caught.value.problems}
    assert found[path].place.line == FIRST + line
    assert says in str(found[path])
    # A name that is gone is also missed where it was used.
    assert len(found) == 1 or name in {"same pool id", "same group id"}


def test_a_miner_s_group_must_be_there_once_there_are_pools(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, GROUPED.replace("pool_group: main", "pool_group: mane") + POOLS))
    (problem,) = caught.value.problems
    assert problem.path == "inventory[a].pool_group"
    assert "did you mean 'main'?" in str(problem)


def test_groups_without_pools_and_miners_without_groups_are_told_at_once(tmp_path: Path) -> None:
    text = GROUPED.replace("pool_group: odd", "pool_group: nobody") + POOLS[POOLS.index("pool_groups:") :]
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    paths = [problem.path for problem in caught.value.problems]
    assert paths == [
        *("inventory[c].pool_group", "pool_groups[main].pools[0]", "pool_groups[main].pools[1]"),
        *("pool_groups[odd].pools[0]", "pool_groups[odd].pools[1]"),
    ]
