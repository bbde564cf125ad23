"""The site as fault domains: everything that several miners share and that can fail under them at once.

A domain is a node of the topology with the miners that hang on it: breaker and PDU for power, switch and subnet for the
network, pool endpoint, coolant loop, rack, the site. Ids read `kind:name`, as incidents and scenarios write them.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from agent.model.topology import Miner, Site

SUBNET_BITS = 24
"""Miners are addressed from pools of this size unless a site says otherwise: one DHCP scope, one broadcast domain."""


class Kind(StrEnum):
    """What a domain is."""

    BREAKER = "breaker"
    PDU = "pdu"
    RACK = "rack"
    SWITCH = "switch"
    SUBNET = "subnet"
    POOL = "pool"
    LOOP = "loop"
    SITE = "site"


_WIDER = {kind: place for place, kind in enumerate(Kind)}
"""Of two with the same miners the one named first above is the narrower."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One node with miners under it.

    Attributes:
        name: the node's own, without its kind.
        rows: places of its miners in the site view's columns, ascending.
    """

    kind: Kind
    name: str
    rows: NDArray[np.int64]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class Domains:
    """Every domain of a site, and which of them each miner is under.

    Attributes:
        all: the domains, smallest first, so that of two that explain the same the narrower one comes first.
        sizes: miners under each, shape (domains,).
        row, node: the memberships as pairs, shape (pairs,), sorted by row.
    """

    def __init__(self, site: Site) -> None:
        members: dict[tuple[Kind, str], list[int]] = {}
        for row, miner in enumerate(site.miners):
            for place in dict.fromkeys(_places(site, miner)):
                members.setdefault(place, []).append(row)
        found = [Domain(kind, name, np.array(rows, dtype=np.int64)) for (kind, name), rows in members.items()]
        self.all = tuple(sorted(found, key=lambda d: (len(d.rows), _WIDER[d.kind], d.name)))
        self.sizes: NDArray[np.int64] = np.array([len(d.rows) for d in self.all], dtype=np.int64)
        rows = np.concatenate([d.rows for d in self.all]) if self.all else np.zeros(0, dtype=np.int64)
        nodes = np.repeat(np.arange(len(self.all)), self.sizes)
        order = np.argsort(rows, kind="stable")
        self.row: NDArray[np.int64] = rows[order]
        self.node: NDArray[np.int64] = nodes[order]
        self._by_id: Mapping[str, int] = {str(domain): place for place, domain in enumerate(self.all)}
        self._miners = len(site.miners)

    def of(self, row: int) -> Iterator[Domain]:
        """Yield the domains a miner is under, the smallest first."""
        first, last = np.searchsorted(self.row, (row, row + 1)).tolist()
        for place in sorted(self.node[first:last].tolist()):
            yield self.all[place]

    def get(self, domain_id: str) -> Domain | None:
        """Return the domain of that id; None if the site has none such."""
        place = self._by_id.get(domain_id)
        return None if place is None else self.all[place]

    def place(self, domain: Domain) -> int:
        """Return where in `all` that domain of this site stands."""
        return self._by_id[str(domain)]

    def count(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many of these miners, shape (n,), are under each domain; shape (domains,)."""
        return np.bincount(self.node[rows[self.row]], minlength=len(self.all))

    def under(self, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the miners under any of these domains, shape (n,); the argument's is (domains,)."""
        under = np.zeros(self._miners, dtype=np.bool_)
        under[self.row[which[self.node]]] = True
        return under

    def of_kinds(self, kinds: Iterable[Kind]) -> NDArray[np.bool_]:
        """Return which domains are of these kinds, shape (domains,)."""
        wanted = frozenset(kinds)
        return np.array([d.kind in wanted for d in self.all], dtype=np.bool_)


def _places(site: Site, miner: Miner) -> list[tuple[Kind, str]]:
    """Return the domains a miner is under. Each feed of a miner with several is one: losing either stops it."""
    places = [(Kind.SITE, site.name)]
    for outlet in miner.outlets:
        places.append((Kind.PDU, outlet.pdu))
        if outlet in site.bank:
            places.append((Kind.BREAKER, str(site.bank[outlet])))
    if miner.rack is not None:
        places.append((Kind.RACK, miner.rack))
    if miner.port is not None:
        places.append((Kind.SWITCH, miner.port.switch))
    if (subnet := subnet_of(miner.host)) is not None:
        places.append((Kind.SUBNET, subnet))
    if miner.loop is not None:
        places.append((Kind.LOOP, miner.loop))
    if (group := site.pool_group.get(miner.pool_group) if miner.pool_group is not None else None) is not None:
        places.append((Kind.POOL, group.pools[0]))
    return places


def subnet_of(host: str) -> str | None:
    """Return the network a numeric address lies in; None for a name."""
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return None
    return str(ipaddress.IPv4Network((address, SUBNET_BITS), strict=False))
