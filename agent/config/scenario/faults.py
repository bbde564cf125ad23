"""Reads `faults`: what goes wrong, where, when or how often."""

import re
from collections.abc import Mapping, Sequence

from agent.config.scenario.entry import Entry
from agent.config.scenario.plan import MIX, Catalogue, FaultPlan, KindLike, KnobLike, Rated, Timed, Value
from agent.config.scenario.targets import matching
from agent.config.wording import choice, closest, converted, number_text, shown
from agent.model.topology import Site

COMMON = ("at", "rate", "kind", "target", "count", "for", "until")
"""Keys that mean the same for every kind; no parameter of a kind bears one of these names."""

MIX_KEYS = ("rate", "kind", "target", "for", "until", "unfixable")
PERIODS_S = {
    "hour": 3600.0,
    "day": 86_400.0,
    "week": 604_800.0,
    "month": 30 * 86_400.0,
    "year": 365 * 86_400.0,
}
SITE = "site"
MOST_FAULTS = 1_000_000
"""Faults by rate that one line may be expected to make: three a day on each of 10,000 miners for a month."""

MAX_SHOWN = 8
"""Items of a refused list that the message repeats."""

_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)\s*/\s*([a-z]+)\s*/\s*([a-z]+)")


def read_faults(entry: Entry, catalogue: Catalogue, site: Site | None, duration_s: float) -> tuple[FaultPlan, ...]:
    """Return what is to go wrong; what was refused is left out and noted."""
    plans = []
    for item in entry.items("faults"):
        before = len(item.problems)
        plan = _read(item, catalogue, site, duration_s)
        if plan is not None and len(item.problems) == before:
            plans.append(plan)
    return tuple(plans)


def _read(entry: Entry, catalogue: Catalogue, site: Site | None, duration_s: float) -> FaultPlan | None:
    rated = "rate" in entry.keys
    if rated and "at" in entry.keys:
        entry.refuse("at", expected="at or rate", got="both", remedy="keep one: a time, or how often")
        return None
    kind = entry.raw("kind")
    if kind == MIX and rated:
        return _read_mix(entry, catalogue, site, duration_s)
    known = catalogue.kinds.get(kind) if isinstance(kind, str) else None
    if known is None:
        _refuse_kind(entry, kind, catalogue, rated=rated)
        return None
    keys = ("rate", "kind", "target", "for", "until") if rated else ("at", "kind", "target", "count", "for")
    entry.check_keys((*keys, *known.knobs), required=("rate",) if rated else ("at", "target"))
    params = _params(entry, known)
    for_s = entry.duration("for", least_s=1.0)
    if rated:
        if not known.counts and "for" not in entry.keys:
            remedy = "add for: 10m, or another time it lasts"
            entry.refuse(expected="for, because a disturbance does not end by itself", got="none", remedy=remedy)
        per_s, targets = _rate(entry, site, tuple(known.on), duration_s) if "rate" in entry.keys else (0.0, ())
        _check_fit(entry, known, site, targets, params)
        return Rated(str(kind), per_s, targets, for_s, _until(entry, duration_s), params, None)
    at_s = entry.duration("at", most_s=duration_s)
    targets = matching(entry, "target", site, known.on) if "target" in entry.keys else ()
    count = _count(entry, len(targets))
    _check_fit(entry, known, site, targets, params)
    return Timed(str(kind), at_s or 0.0, targets, count, for_s, params)


def _read_mix(entry: Entry, catalogue: Catalogue, site: Site | None, duration_s: float) -> FaultPlan:
    entry.check_keys(MIX_KEYS)
    words = {word for kind in catalogue.kinds.values() if kind.counts for word in kind.on} & {"miner"}
    per_s, targets = _rate(entry, site, tuple(words), duration_s)
    unfixable = entry.number("unfixable", 0, 1, default=0.0) if "unfixable" in entry.keys else None
    for_s, until_s = entry.duration("for", least_s=1.0), _until(entry, duration_s)
    return Rated(MIX, per_s, targets, for_s, until_s, {}, unfixable)


def _until(entry: Entry, duration_s: float) -> float:
    """Return the site time in s from which on none of them begins: the end where the file does not say."""
    until_s = entry.duration("until", least_s=1.0, most_s=duration_s)
    return duration_s if until_s is None else until_s


def _refuse_kind(entry: Entry, kind: object, catalogue: Catalogue, *, rated: bool) -> None:
    names = [*catalogue.kinds, MIX] if rated else list(catalogue.kinds)
    if "kind" not in entry.keys:
        entry.refuse(expected="the key kind", got="none", remedy=f"add kind: {names[0]}, or another fault kind")
        return
    if kind == MIX:
        remedy = "write rate: 1.0/miner/month in place of at, or name one kind"
        entry.refuse("kind", expected="a rate for a mix", got="none", remedy=remedy)
        return
    close = closest(kind, names) if isinstance(kind, str) else None
    # The word after the dot is what people remember.
    close = close or next((name for name in names if isinstance(kind, str) and name.partition(".")[2] == kind), None)
    remedy = f"did you mean {close!r}?" if close else "`terrahash faults list` shows them all"
    entry.refuse("kind", expected=f"a fault kind ({choice(names)})", got=shown(kind), remedy=remedy)


def _count(entry: Entry, matches: int) -> int:
    """Return how many targets are hit: all that match where the file does not say."""
    if "count" not in entry.keys:
        return matches
    count = entry.whole("count", 1, 1_000_000, default=1)
    if matches and count > matches:
        got = f"{count}, and {shown(entry.raw('target'))} matches {matches}"
        entry.refuse("count", expected=f"at most {matches}", got=got, remedy="lower it, or widen the target")
    return count


def _rate(entry: Entry, site: Site | None, words: tuple[str, ...], duration_s: float) -> tuple[float, tuple[str, ...]]:
    """Return the rate in faults per second over all targets, and the targets."""
    units = (*sorted(words), SITE)
    text = entry.raw("rate")
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    example = f"1.0/{units[0]}/month"
    if match is None or match[2] not in units or match[3] not in PERIODS_S:
        want = f"a rate as NUMBER/{'|'.join(units)}/{'|'.join(PERIODS_S)}"
        entry.refuse("rate", expected=want, got=shown(text), remedy=f"write it as {example}")
        return 0.0, ()
    number, unit, period = float(match[1]), match[2], match[3]
    if number <= 0:
        entry.refuse("rate", expected="a rate above 0", got=shown(text), remedy="remove the fault, or raise its rate")
    aimed = words if unit == SITE else (unit,)
    if "target" in entry.keys:
        targets = matching(entry, "target", site, aimed)
    else:
        default = unit if unit != SITE else "miner" if "miner" in words else sorted(words)[0]
        targets = matching(_with_target(entry, f"{default}:*"), "target", site, (default,))
    per_s = number / PERIODS_S[period] * (1 if unit == SITE else len(targets))
    if per_s * duration_s > MOST_FAULTS:
        got = f"{shown(text)}, which makes {per_s * duration_s:.3g}"
        entry.refuse("rate", expected=f"at most {MOST_FAULTS} faults in the run", got=got, remedy="lower it")
    return per_s, targets


def _with_target(entry: Entry, target: str) -> Entry:
    """Return the entry as if it said that target, at the place of its rate."""
    node = entry.node
    at = node.child("rate") or node
    value = dict(node.value) if isinstance(node.value, dict) else {}
    value["target"] = type(node)(at.place, target)
    return Entry(type(node)(node.place, value, node.keys), (), entry.problems)


def _params(entry: Entry, kind: KindLike) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, knob in kind.knobs.items():
        if name not in entry.keys:
            continue
        raw = entry.raw(name)
        value = tuple(raw) if isinstance(raw, list) else raw
        want = wanted(knob)
        if isinstance(value, str | int | float | bool | tuple) and _fits(value, knob):
            params[name] = value
            continue
        number = converted(name, value) if isinstance(value, str) else None
        close = closest(value, [str(c) for c in knob.choices]) if isinstance(value, str) and knob.choices else None
        usual = "write a number in that range" if knob.span is not None else "write what is expected"
        remedy = f"write {number}" if number else f"did you mean {close!r}?" if close else usual
        if isinstance(knob.default, tuple):
            remedy = f"write it as {_shown(list(knob.default))}"
        entry.refuse(name, expected=want, got=_shown(raw), remedy=remedy)
    return params


def _check_fit(
    entry: Entry, kind: KindLike, site: Site | None, targets: Sequence[str], params: Mapping[str, Value]
) -> None:
    """Note what keeps parameters from fitting a target; the first such target is enough."""
    if site is None or any(name in entry.keys and name not in params for name in kind.knobs):
        return
    for target in targets:
        objection = kind.objection(site, target, params)
        if objection is not None:
            steps = (objection.knob,) if objection.knob in entry.keys else ()
            entry.refuse(*steps, expected=objection.expected, got=objection.got, remedy=objection.remedy)
            return


def _shown(value: object) -> str:
    if isinstance(value, list):
        more = ", …" if len(value) > MAX_SHOWN else ""
        return f"[{', '.join(shown(item) for item in value[:MAX_SHOWN])}{more}]"
    return shown(value)


def wanted(knob: KnobLike) -> str:
    """Return in words what a parameter takes."""
    if knob.choices:
        return choice("true" if c is True else "false" if c is False else str(c) for c in knob.choices)
    if knob.span is not None:
        least, most = knob.span
        number = "whole number" if knob.whole else "number"
        bounds = f"from {number_text(least)} to {number_text(most)}"
        return f"a {number} {bounds}" if knob.length is None else f"a list of {knob.length} {number}s {bounds}"
    return {bool: "true or false", int: "a number", float: "a number"}.get(type(knob.default), "a text")


def _fits(value: Value, knob: KnobLike) -> bool:
    if isinstance(value, tuple) or knob.length is not None:
        return isinstance(value, tuple) and len(value) == knob.length and all(_is_in(v, knob) for v in value)
    if knob.choices:
        return any(value == c and isinstance(value, bool) is isinstance(c, bool) for c in knob.choices)
    if knob.span is not None:
        return _is_in(value, knob)
    if isinstance(knob.default, bool):
        return isinstance(value, bool)
    if isinstance(knob.default, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) or knob.default is None


def _is_in(value: Value, knob: KnobLike) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool) or knob.span is None:
        return False
    least, most = knob.span
    # NaN is within no bounds, and a whole number may be of any size: compared, never converted.
    return least <= value <= most and not (knob.whole and isinstance(value, float) and not value.is_integer())
