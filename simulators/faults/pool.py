"""Faults of pools, and of what a miner sends to them: lost, flapping and rejecting pools, bad shares, foreign work."""

from collections.abc import Callable

from agent.model.action import Verb
from agent.model.ids import MinerId, PoolId
from agent.model.incident import Category, Reason
from simulators.faults.kind import COVERAGE, COVERS, FaultKind, Knob, On, Values, miner_at, number, repair
from simulators.plant.pools import PoolLine, PoolPlant, Trouble
from simulators.plant.site import SitePlant

THIEF_URL = "stratum+tcp://eu.pool.example.net:3333"
THIEF = "bc1qforeign.1"
"""Where an intruder sends the work, and in whose name."""

_PERIOD_S = (10.0, 3600.0)
_LOST = frozenset({Reason.NO_POOL})
_UNSTEADY = frozenset({Reason.UNSTEADY_POOL})
_REJECTED = frozenset({Reason.REJECTS})
_FOREIGN = frozenset({Reason.FOREIGN_POOL})


def _pool_at(plant: SitePlant, target: str) -> PoolPlant:
    return plant.pools.pools[PoolId(target.partition(":")[2])]


def _has_another(plant: SitePlant, target: str, _: Values) -> bool:
    """Whether everybody who works for the pool has another one to go to."""
    name = PoolId(target.partition(":")[2])
    return all(len(group.pools) > 1 for group in plant.site.pool_groups if group.pools[:1] == (name,))


def _begin(trouble: Trouble, knob: str | None) -> Callable[[SitePlant, str, float, Values], None]:
    def start(plant: SitePlant, target: str, now: float, values: Values) -> None:
        _pool_at(plant, target).begin(trouble, now, number(values, knob) if knob is not None else 0.0)

    return start


def _end(trouble: Trouble) -> Callable[[SitePlant, str, float], None]:
    def stop(plant: SitePlant, target: str, now: float) -> None:
        _pool_at(plant, target).end(trouble, now)

    return stop


def _by_another_way(plant: SitePlant, target: str, miners: tuple[MinerId, ...], away: bool) -> None:
    elsewhere = _pool_at(plant, target).elsewhere
    (elsewhere.update if away else elsewhere.difference_update)(miners)


def _pool_fault(
    trouble: Trouble,
    *,
    does: str,
    signature: str,
    category: Category = Category.POOL,
    causes: frozenset[Reason] = _LOST,
    **knob: Knob,
) -> FaultKind:
    """Return the fault kind of one trouble; at most one parameter, which is the trouble's figure."""
    return FaultKind(
        name=f"pool.{trouble}",
        category=category,
        counts=True,
        remedy=Verb.SWITCH_POOL,
        causes=causes,
        does=does,
        signature=signature,
        on=frozenset({On.POOL}),
        curable=_has_another,
        start=_begin(trouble, next(iter(knob), None)),
        stop=_end(trouble),
        knobs={**knob, COVERAGE: COVERS},
        apart=_by_another_way,
    )


POOL_FAULTS = (
    _pool_fault(
        Trouble.DOWN,
        does="The pool is down: connections are reset and refused. Miners go to their next pool within seconds.",
        signature=(
            "The pool's status is Dead on every miner that has it, Get Failures up by one; TCP to it refused. Without "
            "another pool: shares stand still at once, nonces a minute later, watts fall then."
        ),
    ),
    _pool_fault(
        Trouble.HUNG,
        does="The pool takes connections and says nothing. Miners give it up after 90 s.",
        signature="Accepted and rejected stand still on all its miners at full watts; it is shown Alive for 90 s more.",
    ),
    _pool_fault(
        Trouble.LOGIN_REFUSED,
        does="The pool throws the workers out and lets none in again.",
        signature="As with one that is down, but TCP to it and a subscription work; the login is refused.",
    ),
    _pool_fault(
        Trouble.REJECTS,
        category=Category.REJECTS,
        causes=_REJECTED,
        does="The pool rejects a share of the shares; miners stay with it.",
        signature="Rejected shares grow on all its miners alike and on nobody else's, at full rate.",
        share=Knob(0.1, "share of the shares that are rejected, from 0 to 1", span=(0.0, 1.0)),
    ),
    _pool_fault(
        Trouble.TIMES_OUT,
        causes=_UNSTEADY,
        does="A proxy in front of the pool drops all connections at a fixed period; miners connect again at once.",
        signature="Get Failures goes up by one on all its miners in the same second, each period; few shares are lost.",
        period_s=Knob(120.0, "from one time-out to the next, in s", span=_PERIOD_S),
    ),
    _pool_fault(
        Trouble.FLAPS,
        does=(
            "The pool is down for half of every period. Miners leave within seconds and come back once it was well for "
            "120 s, so that below 240 s they stay away."
        ),
        signature="The active pool changes to and fro on all its miners together; each is well whenever it is tried.",
        period_s=Knob(400.0, "from one failure to the next, in s", span=_PERIOD_S),
    ),
    _pool_fault(
        Trouble.SHEDS,
        causes=_UNSTEADY,
        does=(
            "For half of every period the pool throws its miners out and lets none of them in; whoever else comes is "
            "served. They come back once it was well for 120 s."
        ),
        signature="As with one that flaps, but the gateway finds it good all the time.",
        period_s=Knob(400.0, "from one time to the next, in s", span=_PERIOD_S),
    ),
    _pool_fault(
        Trouble.DNS_BROKEN,
        does="The pool has moved, its connections are gone, and its name does not resolve.",
        signature="As with one that is down, but its name has no address.",
    ),
)


def _rejects(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner_at(plant, target).spoil_shares(now, number(values, "share"), until_restart=True)


def _client_hung(plant: SitePlant, target: str, now: float, _: Values) -> None:
    miner_at(plant, target).hang_client(now)


def _board_rejects(plant: SitePlant, target: str, now: float, values: Values) -> None:
    eased_at = EASED_AT if values["eases"] else None
    miner_at(plant, target).spoil_shares(now, number(values, "share"), until_restart=False, eased_at=eased_at)


def _intrude(plant: SitePlant, target: str, now: float, values: Values) -> None:
    miner = miner_at(plant, target)
    if values["what"] == "worker":
        lines = tuple(PoolLine(line.url, THIEF) for line in miner.client.lines)
    else:
        plant.pools.foreign(THIEF_URL)
        lines = (PoolLine(THIEF_URL, THIEF),)
    miner.hijack(now, lines)


def _restore(plant: SitePlant, target: str, now: float) -> None:
    miner = miner_at(plant, target)
    wanted = plant.pools.lines_for(miner.spec)
    if miner.client.lines != wanted:
        miner.hijack(now, wanted)


EASED_AT = 0.9
"""Marginal chips compute rightly at this share of the power or less. An estimate."""

_BAD_SHARE = Knob(0.08, "share of its shares that are bad, from 0 to 1", span=(0.0, 1.0))

WORK_FAULTS = (
    FaultKind(
        name="miner.pool_client_hung",
        category=Category.POOL,
        counts=True,
        remedy=Verb.SWITCH_POOL,
        causes=_LOST,
        does=(
            "The miner's pool client hangs on a connection that is gone, and tries neither that pool again nor "
            "another; being given pools, or a new process, makes it connect anew."
        ),
        signature="One miner without shares, its pool Alive, no stratum active; nonces and watts fall a minute later.",
        on=frozenset({On.MINER}),
        start=_client_hung,
        stop=repair,
    ),
    FaultKind(
        name="miner.rejects",
        category=Category.REJECTS,
        counts=True,
        remedy=Verb.RESTART,
        causes=_REJECTED,
        does="The mining process lost its settings for a hashboard and sends bad shares; a new process has them again.",
        signature="Rejected shares grow on this miner alone, whatever pool it works for, at full rate and watts.",
        on=frozenset({On.MINER}),
        start=_rejects,
        stop=repair,
        knobs={"share": _BAD_SHARE},
    ),
    FaultKind(
        name="miner.rejects_board",
        category=Category.REJECTS,
        counts=True,
        remedy=None,
        causes=_REJECTED,
        does=(
            "A hashboard's link garbles results, so that shares are bad until it is repaired; or marginal chips do, "
            "and only while it runs in full."
        ),
        signature="As with miner.rejects, and again after every restart.",
        on=frozenset({On.MINER}),
        start=_board_rejects,
        stop=repair,
        knobs={
            "share": _BAD_SHARE,
            "eases": Knob(
                False, "at less power its shares are good; it is to be repaired all the same", choices=(False, True)
            ),
        },
    ),
    FaultKind(
        name="miner.unauthorised_pool",
        category=Category.OTHER,
        counts=True,
        remedy=Verb.SWITCH_POOL,
        causes=_FOREIGN,
        does="Somebody who has no business there gave the miner another list of pools, or another worker's name.",
        signature="All is well, but its pool or its worker is not the site's; the site's pool sees nothing from it.",
        on=frozenset({On.MINER}),
        start=_intrude,
        stop=_restore,
        knobs={"what": Knob("pool", "what was replaced: the pools, or the worker alone", choices=("pool", "worker"))},
    ),
)
"""Their miners are the fault's targets, but what suffers is the work."""
