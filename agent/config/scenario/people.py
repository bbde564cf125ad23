"""Reads `people`: who answers when the agent asks a person, after how long, and what they do then."""

from agent.config.scenario.entry import LONGEST_S, Entry, seconds
from agent.config.scenario.expect import read_incidents
from agent.config.scenario.plan import AnswerPlan
from agent.config.wording import choice, closest, shown
from agent.model.topology import Site

CONFIRMING = ("approve", "deny")
DEEDS = ("repair", "release_image", "trust_outlets", *CONFIRMING)
"""What a person can do about what he was asked; `simulators.people` does it."""


def read_people(top: Entry, site: Site | None) -> tuple[AnswerPlan, ...]:
    """Return how escalations are answered; what was refused is left out and noted."""
    plans = []
    for item in top.items("people"):
        before = len(item.problems)
        item.check_keys(("incident", "after", "does"), required=("incident", "after", "does"))
        asked, _ = read_incidents(item, site)
        after_s, does = _span_s(item), _deeds(item)
        if asked is not None and len(item.problems) == before:
            plans.append(AnswerPlan(asked, after_s, does))
    return tuple(plans)


def _span_s(entry: Entry) -> tuple[float, float]:
    """Return least and most time in s."""
    if "after" not in entry.keys:
        return 0.0, 0.0
    raw = entry.raw("after")
    least_s, most_s = (seconds(value) for value in (raw if isinstance(raw, list) and len(raw) == 2 else (raw, raw)))
    if least_s is None or most_s is None or not least_s <= most_s <= LONGEST_S:
        want = "a duration such as 4h, or the least and the most of it, [1h, 8h]"
        entry.refuse("after", expected=want, got=shown(raw), remedy="write it so, each number with its unit")
        return 0.0, 0.0
    return least_s, most_s


def _deeds(entry: Entry) -> tuple[str, ...]:
    if "does" not in entry.keys:
        return ()
    raw = entry.raw("does")
    deeds = raw if isinstance(raw, list) else [raw]
    for deed in deeds or [raw]:
        if deed not in DEEDS:
            close = closest(deed, DEEDS) if isinstance(deed, str) else None
            remedy = f"did you mean {close!r}?" if close else "write one of them, or several as a list"
            entry.refuse("does", expected=choice(DEEDS), got=shown(deed), remedy=remedy)
            return ()
    if len(deeds) > 1 and any(deed in CONFIRMING for deed in deeds):
        want = "approve or deny alone: they answer whether an action may be done, the others an escalation"
        entry.refuse("does", expected=want, got=shown(raw), remedy="write a line of its own for each")
        return ()
    return tuple(dict.fromkeys(deeds))
