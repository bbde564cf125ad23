"""Cross checks of pools: names used once, groups that name pools there are, miners in groups there are."""

from agent.config.findings import Findings
from agent.config.wording import choice, closest

NO_GROUP = "a miner in none is brought back to no pool, and at a pool that is not listed it counts as hijacked"
"""What comes of it."""


def check_pools(f: Findings) -> None:
    """Check pools, their groups, and the miners' places in them."""
    _check_names(f)
    _check_addresses(f)
    pools = [pool.id for pool in f.config.pools]
    used: set[str] = set()
    for index, group in enumerate(f.config.pool_groups):
        _check_group(f, index, group.pools, pools)
        used.update(group.pools)
    for index, name in enumerate(pools):
        if name not in used and not f.problems:
            remedy = "add it to a group under pool_groups, or remove it"
            f.warn("pools", index, expected="a group that has it", got="none", remedy=remedy)
    if f.config.pools or f.config.pool_groups:
        _check_miners(f)


def _check_names(f: Findings) -> None:
    named = {"pools": [pool.id for pool in f.config.pools], "pool_groups": [group.id for group in f.config.pool_groups]}
    for section, names in named.items():
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            before = first.setdefault(name, index)
            if before != index:
                got = f"{name!r} again, after {f.place(section, before, 'id')}"
                f.refuse(section, index, "id", expected="a name of its own", got=got, remedy="correct one of the two")


def _check_addresses(f: Findings) -> None:
    first: dict[tuple[str, int], int] = {}
    for index, pool in enumerate(f.config.pools):
        before = first.setdefault((pool.host, pool.port), index)
        if before != index:
            other = f.config.pools[before].id
            got = f"{pool.host}:{pool.port}, which is {other} ({f.place('pools', before, 'host')})"
            remedy = "correct one of the two: failing over to the same endpoint helps nobody"
            f.refuse("pools", index, "host", expected="an endpoint of its own", got=got, remedy=remedy)


def _check_group(f: Findings, index: int, named: list[str], pools: list[str]) -> None:
    for place, name in enumerate(named):
        at = ("pool_groups", index, "pools", place)
        if name not in pools and not f.may_exist("pools", name):
            close = closest(name, pools)
            remedy = f"did you mean {close!r}?" if close else "add it under pools: {id: …, host: …, port: …}"
            want = f"a pool of the configuration ({choice(pools[:8])})" if pools else "a pool of the configuration"
            f.refuse(*at, expected=want, got=f"{name!r}", remedy=remedy)
        elif name in named[:place]:
            f.refuse(*at, expected="each pool once", got=f"{name!r} again", remedy="remove it")


def _check_miners(f: Findings) -> None:
    groups = [group.id for group in f.config.pool_groups]
    apart = [index for index, miner in enumerate(f.config.inventory) if miner.pool_group is None]
    if apart and len(groups) > 1 and not f.problems:
        who = f"none, as {len(apart)} miners" if len(apart) > 1 else "none"
        remedy = f"name one of {choice(groups[:8])}; {NO_GROUP}"
        f.warn("inventory", apart[0], "pool_group", expected="a pool group", got=who, remedy=remedy)
    for index, miner in enumerate(f.config.inventory):
        name = miner.pool_group
        if name is None or name in groups or f.may_exist("pool_groups", name):
            continue
        close = closest(name, groups)
        remedy = f"did you mean {close!r}?" if close else "add it under pool_groups: {id: …, pools: [primary, backup]}"
        want = f"a group of pool_groups ({choice(groups[:8])})" if groups else "a group of pool_groups"
        f.refuse("inventory", index, "pool_group", expected=want, got=f"{name!r}", remedy=remedy)
