"""Lists of pools: what counts as the same, whose password is kept, and the fewest moves to an order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.drivers.miners.pools_list import PoolLine, agree, endpoint, promotions, wanted_lines, with_passwords
from agent.model.errors import PolicyError
from agent.model.ids import MinerId, PoolId
from agent.model.topology import Pool

NAMES = [f"p{n}" for n in range(8)]


def lines(names: list[str]) -> list[PoolLine]:
    return [PoolLine(f"stratum+tcp://{name}:3333", "w") for name in names]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("stratum+tcp://a.example:3333", "stratum+tcp://A.Example:3333", True),
        ("stratum+tcp://a:3333", "tcp://a:3333", True),
        ("stratum+tcp://a:3333", "a:3333", True),
        ("stratum+tcp://a:3333", " Stratum+TCP://a:3333/ ", True),
        ("stratum+ssl://a:3334", "stratum+tls://a:3334", True),
        ("stratum+ssl://a:3334", "ssl://a:3334", True),
        ("stratum+ssl://a:3334", "stratum+tcp://a:3334", False),
        ("stratum+tcp://a:3333", "stratum+tcp://a:3334", False),
        ("stratum+tcp://a:3333", "stratum+tcp://b:3333", False),
        ("", "stratum+tcp://a:3333", False),
    ],
)
def test_an_endpoint_is_the_same_however_it_is_written(one: str, other: str, same: bool) -> None:
    assert (endpoint(one) == endpoint(other)) is same
    assert PoolLine(one, "w").agrees(PoolLine(other, "w")) is same
    assert not PoolLine(one, "w").agrees(PoolLine(other, "v"))


@given(names=st.lists(st.sampled_from(NAMES), unique=True, min_size=1), data=st.data())
def test_promotions_put_the_wanted_in_order_and_the_first_in_front(names: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.permutations(names))[: data.draw(st.integers(1, len(names)))]
    now, steps = lines(names), 0
    while places := promotions(now, lines(wanted)):
        now.insert(0, now.pop(places[0]))
        steps += 1
    chosen = [line for line in now if line in lines(wanted)]
    assert agree(chosen, lines(wanted))
    assert now[0] == chosen[0]
    assert steps <= len(wanted)
    assert steps > 0 or names[0] == wanted[0]


def test_one_move_is_enough_for_a_swap() -> None:
    for wanted in (["p2", "p1", "p3"], ["p3", "p1", "p2"]):
        assert len(promotions(lines(["p1", "p2", "p3"]), lines(wanted))) == 1
    assert promotions(lines(["p1", "p2", "p3"]), lines(["p1", "p2", "p3"])) == []


def test_the_password_of_the_same_line_comes_before_the_workers_and_the_pools() -> None:
    known = [
        PoolLine("tcp://a:1", "other", "of the pool"),
        PoolLine("tcp://b:1", "w", "of the worker"),
        PoolLine("tcp://a:1", "w", "of both"),
    ]
    assert [line.password for line in with_passwords([PoolLine("stratum+tcp://A:1", "w")], known)] == ["of both"]
    assert [line.password for line in with_passwords([PoolLine("tcp://a:1", "w")], known[:2])] == ["of the worker"]
    assert [line.password for line in with_passwords([PoolLine("tcp://a:1", "w")], known[:1])] == ["of the pool"]
    assert [line.password for line in with_passwords([PoolLine("tcp://a:1", "w")], [])] == ["x"]
    assert "of both" not in repr(known)


def test_a_list_holds_each_pool_once_and_no_more_than_there_are_slots() -> None:
    pools = [Pool(PoolId(name), name, 3333) for name in NAMES[:4]]
    assert [line.url for line in wanted_lines(MinerId("m"), pools, "w", 3)] == [pool.url for pool in pools[:3]]
    same = Pool(PoolId("again"), "P0", 3333)
    for bad, worker in (([], "w"), ([pools[0], same], "w"), (pools, "")):
        with pytest.raises(PolicyError, match="pool_group"):
            wanted_lines(MinerId("m"), bad, worker, 3)
