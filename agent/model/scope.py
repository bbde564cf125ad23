"""Selectors: how people and integrations name many miners at once, in the words that scenarios use for targets."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from agent.model.errors import PolicyError
from agent.model.ids import MinerId
from agent.model.topology import Miner, Site

MOST = 64
"""Selectors of one scope."""

LONGEST = 128
"""Characters of a selector."""


WORDS: Mapping[str, Callable[[Site, Miner], Sequence[str | None]]] = {
    "miner": lambda _, miner: (miner.id,),
    "rack": lambda _, miner: (miner.rack,),
    "pdu": lambda _, miner: [outlet.pdu for outlet in miner.outlets],
    "switch": lambda _, miner: (None if miner.port is None else miner.port.switch,),
    "loop": lambda _, miner: (miner.loop,),
    "pool": lambda site, miner: [pool.id for pool in site.pools_of(miner)[:1]],
    "site": lambda site, _: (site.name,),
}
"""What a selector can begin with, and the names that a miner answers to under it."""


def miners_in(site: Site, scope: Sequence[str]) -> tuple[MinerId, ...]:
    """Return the miners that selectors mean, each once, in the site's order.

    A selector is a word, a colon and a name in which `*`, `?` and `[…]` stand for others: `rack:r3`, `pdu:c1-*`.

    Raises:
        PolicyError: there is no selector, or one is not of that form or means no miner. An empty selection is an error,
            never "all".
    """
    if not 0 < len(scope) <= MOST:
        raise PolicyError(f"expected 1 to {MOST} selectors such as rack:r3; got {len(scope)}")
    chosen: set[MinerId] = set()
    for selector in scope:
        word, colon, pattern = selector.partition(":")
        if not colon or word not in WORDS or not pattern or len(selector) > LONGEST:
            forms = ", ".join(f"{known}:NAME" for known in WORDS)
            raise PolicyError(f"expected one of {forms}; got {selector[:LONGEST]!r}")
        names = WORDS[word]
        found = {
            miner.id
            for miner in site.miners
            if any(name is not None and fnmatchcase(name, pattern) for name in names(site, miner))
        }
        if not found:
            raise PolicyError(f"{selector!r} means no miner: name a {word} of the inventory that has some")
        chosen |= found
    return tuple(miner.id for miner in site.miners if miner.id in chosen)
