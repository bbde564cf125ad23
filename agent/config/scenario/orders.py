"""Reads `orders`: what people tell the agent while a scenario runs."""

from dataclasses import dataclass

from agent.config.scenario.entry import Entry, written
from agent.config.scenario.targets import matching
from agent.config.wording import choice
from agent.model.errors import PolicyError
from agent.model.scope import WORDS, miners_in
from agent.model.topology import Site
from agent.model.windows import Purpose
from agent.triage.orders import LONGEST_S

BEGINS = {"curtail": Purpose.CURTAILED, "maintain": Purpose.MAINTENANCE}
RESUME = "resume"
VERBS = (*BEGINS, RESUME)


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """One thing that is told.

    Attributes:
        at_s: site time in s.
        purpose: of the window that begins; None where those within `scope` end.
        scope: selectors.
        for_s: how long it lasts, in s; 0 where windows end.
        share: of nominal power, that curtailed miners are to run at.
        line: of the scenario.
    """

    at_s: float
    purpose: Purpose | None
    scope: tuple[str, ...]
    for_s: float = 0.0
    share: float = 0.0
    why: str = ""
    line: int = 0


def read_orders(top: Entry, site: Site | None, duration_s: float) -> tuple[OrderPlan, ...]:
    """Return what is told, in the order of time; what was refused is left out and noted."""
    plans = [_read(item, site, duration_s) for item in top.items("orders")]
    return tuple(sorted((plan for plan in plans if plan is not None), key=lambda plan: plan.at_s))


def _read(entry: Entry, site: Site | None, duration_s: float) -> OrderPlan | None:
    verbs = [verb for verb in VERBS if verb in entry.keys]
    if len(verbs) != 1:
        got = " and ".join(verbs) or "none"
        entry.refuse(expected=f"one of {choice(VERBS)}", got=got, remedy="write curtail: rack:r1, or another of them")
        return None
    (verb,) = verbs
    purpose = BEGINS.get(verb)
    keys = {"curtail": ("for", "to_percent", "why"), "maintain": ("for", "why")}.get(verb, ())
    complete = entry.check_keys(("at", verb, *keys), required=("at", "for") if purpose else ("at",))
    longest_s = 0.0 if purpose is None else LONGEST_S[purpose]
    at_s = entry.duration("at", most_s=duration_s)
    for_s = entry.duration("for", least_s=1.0, most_s=longest_s) if purpose else 0.0
    scope = _scope(entry, verb, site)
    if not complete or at_s is None or for_s is None or not scope:
        return None
    percent = entry.whole("to_percent", 0, 99, default=0)
    why = entry.text("why", "why it is", default=f"scenario, at {written(at_s)}")
    return OrderPlan(at_s, purpose, scope, for_s, percent / 100.0, why, line=entry.place.line)


def _scope(entry: Entry, verb: str, site: Site | None) -> tuple[str, ...]:
    """Return the selector, a pattern as a person would say it; empty where it, or the site, was refused."""
    if site is None or not matching(entry, verb, site, WORDS):
        return ()
    word, _, pattern = str(entry.raw(verb)).partition(":")
    scope = (f"{word}:{pattern.strip()}",)
    try:
        miners_in(site, scope)
    except PolicyError as error:
        entry.refuse(verb, expected="a target that has miners", got=str(error), remedy="name another")
        return ()
    return scope
