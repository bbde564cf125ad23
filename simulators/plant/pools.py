"""The pools a site works for: their endpoints, what is wrong with them, and which shares they have seen from whom.

How a miner's client takes it, when it gives a pool up and which it tries next, is the client's. What a pool says on the
wire is not here; whoever speaks for one asks `resolves`, `accepts`, `answers` and `logs_in`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from agent.model.ids import MinerId, PoolGroupId, PoolId
from agent.model.topology import Miner, PoolGroup, Site
from simulators.plant.clockwork import Clockwork

DEFAULT_URL = "stratum+tcp://pool.example.com:3333"
DEFAULT_POOL = PoolId("pool")
DEFAULT_GROUP = PoolGroup(PoolGroupId("pools"), (DEFAULT_POOL,))
"""What a miner works for whose group is not configured: one pool that nothing ever happens to."""

HIGH_REJECTS = 0.015
"""A pool or miner with a larger share of rejected shares is not well: facts "failures", row 9."""


class Trouble(StrEnum):
    """What can be wrong with a pool. The figure that goes with it is in brackets."""

    DOWN = "down"
    """Connections are reset and refused."""
    HUNG = "hung"
    """Connections stay and are taken; nothing is ever said on them."""
    LOGIN_REFUSED = "login_refused"
    """Workers are thrown out, and not let in again."""
    REJECTS = "rejects"
    """Shares are rejected (share of them, 0 to 1)."""
    TIMES_OUT = "times_out"
    """A proxy in front of it drops all connections together, again and again (period in s)."""
    FLAPS = "flaps"
    """It is down for half of every period and back for the other half (period in s)."""
    SHEDS = "sheds"
    """For half of every period it throws its miners out, and takes anybody else (period in s)."""
    DNS_BROKEN = "dns_broken"
    """It has moved, connections are gone, and its name does not resolve."""


_PERIODIC = frozenset({Trouble.TIMES_OUT, Trouble.FLAPS, Trouble.SHEDS})
"""What comes and goes by itself."""


class Link(Enum):
    """What a worker's connection to a pool is worth."""

    OPEN = "open"
    SILENT = "silent"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class PoolLine:
    """One line of a miner's pool configuration; pools do not look at the password."""

    url: str
    user: str


class Customer(Protocol):
    """A miner's client, as a pool knows it."""

    def pool_changed(self, pool: "PoolPlant", now: float) -> None:
        """Take note that a connection to the pool is worth something else now."""

    def dropped(self, pool: "PoolPlant", now: float) -> None:
        """Lose the connection; the pool takes a new one at once."""

    def post(self, now: float) -> None:
        """Credit the pools with what was sent to them until now."""


@dataclass(slots=True)
class Credit:
    """What a pool has seen of one worker: accepted shares, and when the last share of any fate came, in site s."""

    shares: int = 0
    last_at: float | None = None


class PoolPlant:
    """One endpoint.

    Attributes:
        id: as the site's configuration has it; None for a pool that is not the site's.
        troubles: what is wrong now, with the figure of each.
        elsewhere: miners that reach it by another way, where nothing is wrong.
    """

    def __init__(self, pool_id: PoolId | None, url: str, clockwork: Clockwork) -> None:
        self.id = pool_id
        self.url = url
        self.troubles: dict[Trouble, float] = {}
        self.elsewhere: set[MinerId] = set()
        self._clock = clockwork
        self._customers: dict[MinerId, Customer] = {}
        self._credits: dict[MinerId, Credit] = {}
        self._away = self._sheds = False
        self._turns: dict[Trouble, int] = {}

    # -- what is wrong with it ---------------------------------------------------------------------------------------

    def begin(self, trouble: Trouble, now: float, figure: float = 0.0) -> None:
        """Let something go wrong from `now` on, with the figure that `Trouble` asks for."""
        self._clock.advance(now)
        self.troubles[trouble] = figure
        self._tell(now)
        if trouble in _PERIODIC:
            self._turns[trouble] = self._turns.get(trouble, 0) + 1
            self._turn(trouble, self._turns[trouble], now)

    def end(self, trouble: Trouble, now: float) -> None:
        """Put that right again."""
        self._clock.advance(now)
        self.troubles.pop(trouble, None)
        if trouble is Trouble.FLAPS:
            self._away = False
        elif trouble is Trouble.SHEDS:
            self._sheds = False
        self._tell(now)

    def _turn(self, trouble: Trouble, turn: int, now: float) -> None:
        """Do what a period brings, and plan the next; a later beginning or the end makes an end of it."""
        period_s = self.troubles[trouble]
        if trouble is Trouble.TIMES_OUT:
            for miner, customer in tuple(self._customers.items()):
                if miner not in self.elsewhere:
                    customer.dropped(self, now)
        else:
            if trouble is Trouble.FLAPS:
                self._away = not self._away
            else:
                self._sheds = not self._sheds
            period_s /= 2.0
            self._tell(now)

        def again(at: float) -> None:
            if trouble in self.troubles and turn == self._turns[trouble]:
                self._turn(trouble, turn, at)

        self._clock.plan(now + period_s, again)

    def _tell(self, now: float) -> None:
        for customer in tuple(self._customers.values()):
            customer.pool_changed(self, now)

    # -- what it is worth --------------------------------------------------------------------------------------------

    @property
    def resolves(self) -> bool:
        """Its name has an address."""
        return Trouble.DNS_BROKEN not in self.troubles

    @property
    def accepts(self) -> bool:
        """A TCP connection to its address is taken."""
        return Trouble.DOWN not in self.troubles and not self._away

    @property
    def answers(self) -> bool:
        """It says something on a connection."""
        return Trouble.HUNG not in self.troubles

    @property
    def logs_in(self) -> bool:
        """It lets the site's workers in."""
        return Trouble.LOGIN_REFUSED not in self.troubles

    @property
    def link(self) -> Link:
        """What a miner's connection is worth now."""
        if not (self.resolves and self.accepts and self.logs_in) or self._sheds:
            return Link.LOST
        return Link.OPEN if self.answers else Link.SILENT

    @property
    def reject_share(self) -> float:
        """The share of good shares that it rejects."""
        return self.troubles.get(Trouble.REJECTS, 0.0)

    @property
    def sound(self) -> bool:
        """Whether a miner is well off with it: it answers, stays, and takes the shares."""
        return self.link is Link.OPEN and _PERIODIC.isdisjoint(self.troubles) and self.reject_share < HIGH_REJECTS

    def link_of(self, miner: MinerId) -> Link:
        """What the connection of one miner is worth now."""
        return Link.OPEN if miner in self.elsewhere else self.link

    def reject_share_of(self, miner: MinerId) -> float:
        """The share of one miner's good shares that it rejects."""
        return 0.0 if miner in self.elsewhere else self.reject_share

    def is_sound_for(self, miner: MinerId) -> bool:
        """Whether one miner is well off with it."""
        return miner in self.elsewhere or self.sound

    # -- its side of the work ----------------------------------------------------------------------------------------

    def enlist(self, miner: MinerId, customer: Customer) -> None:
        """Tell a miner's client from now on what happens to the pool."""
        self._customers[miner] = customer

    def strike(self, miner: MinerId) -> None:
        """Tell that miner's client no more."""
        self._customers.pop(miner, None)

    def credit(self, miner: MinerId, shares: int, last_at: float | None) -> None:
        """Count accepted shares of the site's worker for that miner."""
        seen = self._credits.setdefault(miner, Credit())
        seen.shares += shares
        seen.last_at = last_at if last_at is not None else seen.last_at

    def shares_of(self, miner: MinerId) -> int:
        """Return how many shares of that miner's worker it has ever accepted."""
        return self._seen(miner).shares

    def last_share_at(self, miner: MinerId) -> float | None:
        """Return when that miner's worker last sent a share, in site s; None where it never did."""
        return self._seen(miner).last_at

    def _seen(self, miner: MinerId) -> Credit:
        customer = self._customers.get(miner)
        if customer is not None:
            customer.post(self._clock.now)
        return self._credits.get(miner, Credit())


class PoolsPlant:
    """Every pool that a miner of the site can reach.

    Attributes:
        pools: the site's own, by id; DEFAULT_POOL where a miner's group is not configured.
    """

    def __init__(self, site: Site, clockwork: Clockwork) -> None:
        self._site = site
        self._clock = clockwork
        self.pools: dict[PoolId, PoolPlant] = {p.id: PoolPlant(p.id, p.url, clockwork) for p in site.pools}
        if any(not site.pools_of(miner) for miner in site.miners):
            self.pools.setdefault(DEFAULT_POOL, PoolPlant(DEFAULT_POOL, DEFAULT_URL, clockwork))
        self._by_url = {pool.url: pool for pool in self.pools.values()}

    @property
    def by_url(self) -> Mapping[str, PoolPlant]:
        """All pools by address, foreign ones among them; nothing is at any other."""
        return self._by_url

    def lines_for(self, miner: Miner) -> tuple[PoolLine, ...]:
        """Return the pool configuration that the site wants a miner to have."""
        pools = self._site.pools_of(miner)
        if not pools:
            return (PoolLine(DEFAULT_URL, DEFAULT_GROUP.worker_of(miner.id)),)
        group = self._site.pool_group[miner.pool_group] if miner.pool_group is not None else DEFAULT_GROUP
        return tuple(PoolLine(pool.url, group.worker_of(miner.id)) for pool in pools)

    def foreign(self, url: str) -> PoolPlant:
        """Return the pool at that address; let there be one, somebody else's, where there was none."""
        return self._by_url.setdefault(url, PoolPlant(None, url, self._clock))
