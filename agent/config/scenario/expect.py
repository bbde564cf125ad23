"""Reads `expect`: what must have happened by a time, what must never happen, how things stand at the end.

`by`      at that site time at least `count` incidents are, as they then stand, of that description; or at least `count`
          such actions have been begun.
`never`   at no time is there such an incident, or was such an action begun; with `while`, not while a fault of that
          kind lasts anywhere on the site.
`at_end`  a figure of the scoreboard, or one of SHORT, is what is written: a number, or {at_least, at_most}.
"""

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from agent.config.scenario.entry import Entry, written
from agent.config.scenario.plan import ActionFilter, AtEnd, By, Catalogue, Expectation, IncidentFilter, Never, What
from agent.config.scenario.targets import miners_matching
from agent.config.wording import choice, closest, number_text, shown
from agent.model.action import Verb
from agent.model.incident import Category, Outcome, Phase, Reason, Severity
from agent.model.topology import Site

SHORT: Mapping[str, str] = {
    "outlets_off": "outlets that were on at the beginning and are off",
    "incidents": "incidents opened, not counting suppressed ones",
    "open_incidents": "incidents that are not closed, those handed to a person included",
    "unattended_incidents": "incidents that are not closed and of which no person was told",
    "escalated_incidents": "incidents that were handed to a person",
    "unhealthy_miners": "miners that hash at less than 95 % of their target",
    "actions": "actions begun that can change something",
    "faults": "faults injected that count as incidents",
}
"""Figures of `at_end` that have a short name."""

ANY = "any"
_VERBS = [ANY, *Verb]
_INCIDENT_KEYS = ("category", "outcome", "cause", "severity", "phase", "escalation", "miner")
_FORMS = ("by", "never", "at_end")


def read_expectations(
    entry: Entry, catalogue: Catalogue, site: Site | None, duration_s: float
) -> tuple[Expectation, ...]:
    """Return the expectations; what was refused is left out and noted."""
    found: list[Expectation] = []
    for item in entry.items("expect"):
        before = len(item.problems)
        forms = [form for form in _FORMS if form in item.keys]
        if len(forms) != 1:
            got = " and ".join(forms) if forms else "none"
            item.refuse(expected=f"one of {choice(_FORMS)}", got=got, remedy="write one expectation an item")
            continue
        read = {"by": _by, "never": _never, "at_end": _at_end}[forms[0]](item, catalogue, site, duration_s)
        if len(item.problems) == before:
            found += read
    return tuple(found)


def _by(entry: Entry, _: Catalogue, site: Site | None, duration_s: float) -> list[Expectation]:
    entry.check_keys(("by", "incident", "action", "target", "count"))
    at_s = entry.duration("by", most_s=duration_s)
    count = entry.whole("count", 1, 1_000_000, default=1)
    what, words = _what(entry, site)
    if what is None or at_s is None:
        return []
    return [By(f"by {written(at_s)} at least {count} {words}", entry.place, at_s, what, count)]


def _never(entry: Entry, catalogue: Catalogue, site: Site | None, _: float) -> list[Expectation]:
    entry.check_keys(("never",))
    inner = entry.mapping("never")
    if inner is None:
        return []
    inner.check_keys(("incident", "action", "target", "while"))
    what, words = _what(inner, site)
    during: frozenset[str] | None = None
    if "while" in inner.keys:
        pattern = inner.text("while", "a fault kind")
        during = frozenset(name for name in catalogue.kinds if fnmatchcase(name, pattern))
        if pattern and not during:
            close = closest(pattern, catalogue.kinds)
            remedy = f"did you mean {close!r}?" if close else "`terrahash faults list` shows them all"
            inner.refuse("while", expected="a fault kind", got=shown(pattern), remedy=remedy)
        words += f" while {pattern}"
    return [] if what is None else [Never(f"never {words}", entry.place, what, during)]


def _at_end(entry: Entry, catalogue: Catalogue, _: Site | None, __: float) -> list[Expectation]:
    entry.check_keys(("at_end",))
    inner = entry.mapping("at_end")
    if inner is None or not inner.keys:
        if inner is not None:
            entry.refuse("at_end", expected="a figure", got="an empty mapping", remedy="write outlets_off: 0, say")
        return []
    names = (*SHORT, *sorted(catalogue.figures))
    found: list[Expectation] = []
    for name in inner.keys:
        if name not in names:
            close = closest(name, names)
            remedy = f"did you mean {close!r}?" if close else "use a dotted name of the scoreboard, detection.recall"
            inner.refuse(name, expected=choice(SHORT), got=f"{name[:60]!r}", remedy=remedy)
            continue
        least, most = _bounds(inner, name)
        place = inner.root.key_at(*inner.steps, name)
        found.append(AtEnd(f"at the end {name} {_range(least, most)}", place, name, least, most))
    return found


def _bounds(entry: Entry, name: str) -> tuple[float, float]:
    value = entry.raw(name)
    if isinstance(value, dict):
        bounds = entry.mapping(name)
        if bounds is not None:
            bounds.check_keys(("at_least", "at_most"))
            least = bounds.number("at_least", -1e12, 1e12, default=-math.inf)
            most = bounds.number("at_most", -1e12, 1e12, default=math.inf)
            if not bounds.keys or least > most:
                remedy = "write {at_least: 1} or {at_most: 3}, or both with the smaller one first"
                entry.refuse(name, expected="bounds that something can meet", got=shown(value), remedy=remedy)
            return least, most
    number = entry.number(name, -1e12, 1e12, default=math.nan)
    return number, number


def _range(least: float, most: float) -> str:
    if least == most:
        return f"is {number_text(least)}"
    parts = [f"at least {number_text(least)}"] if math.isfinite(least) else []
    parts += [f"at most {number_text(most)}"] if math.isfinite(most) else []
    return f"is {' and '.join(parts)}"


def _what(entry: Entry, site: Site | None) -> tuple[What | None, str]:
    """Return which incidents or actions are meant, also in words; None where it was refused."""
    named = [key for key in ("incident", "action") if key in entry.keys]
    if len(named) != 1:
        got = "both" if named else "neither"
        entry.refuse(expected="incident or action", got=got, remedy="write incident: {category: stuck}, say")
        return None, ""
    if named == ["action"]:
        verb = entry.choice("action", _VERBS)
        miners = miners_matching(entry, "target", site)
        where = f" on {entry.raw('target')}" if miners is not None else ""
        name = "actions" if verb == ANY else f"actions {verb}"
        return (None if verb is None else ActionFilter(None if verb == ANY else Verb(verb), miners)), name + where
    if "target" in entry.keys:
        entry.refuse("target", expected="miner within incident", got="target", remedy="write incident: {miner: …}")
    return read_incidents(entry, site)


def read_incidents(entry: Entry, site: Site | None) -> tuple[IncidentFilter | None, str]:
    """Return which incidents are meant under `incident`, also in words; None where it was refused."""
    inner = entry.mapping("incident")
    if inner is None:
        if entry.raw("incident") is None:
            return IncidentFilter(), "incidents"
        return None, ""
    inner.check_keys(_INCIDENT_KEYS)
    category = inner.choice("category", _values(Category))
    outcome = inner.choice("outcome", _values(Outcome))
    cause = inner.choice("cause", _values(Reason))
    severity = inner.choice("severity", [str(int(s)) for s in Severity])
    phase = inner.choice("phase", _values(Phase))
    chosen = IncidentFilter(
        category=Category(category) if category else None,
        outcome=Outcome(outcome) if outcome else None,
        cause=Reason(cause) if cause else None,
        severity=Severity(int(severity)) if severity else None,
        phase=Phase(phase) if phase else None,
        escalation=inner.text("escalation", "the reason of an escalation") or None,
        miners=miners_matching(inner, "miner", site),
    )
    told = ", ".join(f"{key} {inner.raw(key)}" for key in inner.keys)
    return chosen, f"incidents with {told}" if told else "incidents"


def _values(names: Iterable[str]) -> list[str]:
    return [str(name) for name in names]
