"""Targets of faults: what a site has of each sort, and which of it a pattern means."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from agent.config.scenario.entry import Entry
from agent.config.wording import choice, closest, shown
from agent.model.domains import subnet_of
from agent.model.ids import MinerId
from agent.model.topology import Site


def _distinct(names: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name is not None))


NAMES: Mapping[str, Callable[[Site], list[str]]] = {
    "miner": lambda site: [miner.id for miner in site.miners],
    "pdu": lambda site: [pdu.id for pdu in site.pdus],
    "outlet": lambda site: [f"{pdu.id}/{k}" for pdu in site.pdus for k in range(1, pdu.outlet_count + 1)],
    "switch": lambda site: [switch.id for switch in site.switches],
    "port": lambda site: [f"{switch.id}/{k}" for switch in site.switches for k in range(1, switch.port_count + 1)],
    "subnet": lambda site: _distinct(subnet_of(miner.host) for miner in site.miners),
    "rack": lambda site: _distinct(miner.rack for miner in site.miners),
    "loop": lambda site: _distinct(miner.loop for miner in site.miners),
    "cdu": lambda site: [unit.id for unit in site.cooling_units],
    "site": lambda site: [site.name],
    "pool": lambda site: [pool.id for pool in site.pools],
    "image": lambda site: [image.sha256 for image in site.images],
    "host": lambda _: ["agent"],
}
"""What there is of each word that a target can begin with, by name, in the site's order."""


def matching(entry: Entry, key: str, site: Site | None, words: Iterable[str], *, default: str = "") -> tuple[str, ...]:
    """Return every target that the pattern under `key` means; empty where it, or the site, was refused.

    A pattern is a word, a colon and a name in which `*`, `?` and `[…]` stand for others. With a default word it may be
    the name alone.
    """
    allowed = sorted(words)
    text = entry.raw(key)
    if default and isinstance(text, str) and text and ":" not in text:
        text = f"{default}:{text}"
    forms = choice(f"{word}:…" for word in allowed)
    word, colon, pattern = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not colon or word not in allowed:
        close = closest(word, allowed) if word and colon else None
        name = (pattern if close else "") if colon else word if word not in allowed else ""
        example = f"{close or allowed[0]}:{name or '*'}"
        entry.refuse(key, expected=f"a target of the form {forms}", got=shown(text), remedy=f"write it as {example}")
        return ()
    if not pattern.strip():
        remedy = f"name it, or write {word}:* for every {word}"
        entry.refuse(key, expected=f"a name after {word}:", got="an empty selector", remedy=remedy)
        return ()
    if site is None:
        return ()
    names = NAMES[word](site)
    found = [name for name in names if fnmatchcase(name, pattern.strip())]
    if not found:
        entry.refuse(
            key,
            expected=f"a {word} of the site",
            got=f"{shown(text)}, which matches none",
            remedy=_hint(pattern, names),
        )
    return tuple(f"{word}:{name}" for name in found)


def miners_matching(entry: Entry, key: str, site: Site | None) -> frozenset[MinerId] | None:
    """Return the miners that the pattern under `key` means; None where there is no such key.

    Nothing but a miner can be meant, so the word before the colon may be left out.
    """
    if key not in entry.keys:
        return None
    return frozenset(
        MinerId(target.partition(":")[2]) for target in matching(entry, key, site, ("miner",), default="miner")
    )


def _hint(pattern: str, names: list[str]) -> str:
    close = closest(pattern, names)
    if close:
        return f"did you mean {close!r}?"
    return f"the site has {choice(names[:4])}{' and so on' if len(names) > 4 else ''}" if names else "the site has none"
