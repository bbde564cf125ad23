"""The words: what happened, what was seen and tried, what is needed of a person, and the command that answers it.

Several notices make one message: a bad night is one call, not five hundred. Secrets and log-ins have no place here.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.model.approval import Approval
from agent.model.incident import LOGS, OWN, Evidence, Incident
from agent.model.memory import Memory
from agent.model.notice import Notice, Topic
from agent.report.needed import needed
from agent.report.text import instant, named, pairs

TITLE_CHARS, BODY_CHARS = 120, 6000
LISTED = 12
"""So many of several notices are told one by one; the others are counted."""

Scrub = Callable[[str], str]
"""Frees a text of secrets."""

_PRIVATE = re.compile(r"worker|user|login|passw|secret|token|community|credential", re.I)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        id: names it, the same each time it is tried.
        facts: the same for machines, JSON's types alone.
    """

    id: str
    title: str
    body: str
    facts: dict[str, Any]


def compose(site: str, notices: Sequence[Notice], memory: Memory, now: float, scrub: Scrub) -> Message:
    """Return the message of one notice or several, as things stand now.

    Args:
        site: its name.
        notices: at least one, the oldest first.
        memory: what is known of their incidents.
        now: UTC s.
        scrub: what secrets are taken out with.
    """
    notices = _last_words(notices)
    shown = notices[:LISTED]
    titles = [_title(notice, memory) for notice in shown]
    blocks = ["\n".join(_lines(notice, memory, now)) for notice in shown]
    more = len(notices) - len(shown)
    if len(notices) == 1:
        title = titles[0]
    else:
        title = f"{len(notices)} notices, the first: {titles[0]}"
        blocks = [f"{title}\n{block}" for title, block in zip(titles, blocks, strict=True)]
        if more:
            blocks.append(f"and {more} more: terrahash incidents list --open")
    facts = {
        "version": 1,
        "id": notices[0].id,
        "site": site,
        "notices": [_facts(notice, memory, scrub) for notice in shown],
        "more": more,
    }
    return Message(
        id=notices[0].id,
        title=_clean(scrub(f"[{site}] {title}"), TITLE_CHARS),
        body=_clean(scrub("\n\n".join(blocks)), BODY_CHARS),
        facts=facts,
    )


def _last_words(notices: Sequence[Notice]) -> Sequence[Notice]:
    """Return the notices without those of incidents of which a later one says that they are over."""
    over = {n.incident: place for place, n in enumerate(notices) if n.topic is Topic.OVER}
    return [n for place, n in enumerate(notices) if n.incident is None or place >= over.get(n.incident, 0)]


def trial(site: str) -> Message:
    """Return the message by which a channel is tried."""
    body = "This is a trial of the agent's notices. Nothing has happened, and nothing is needed."
    return Message(
        "trial", f"[{site}] trial", body, {"version": 1, "id": "trial", "site": site, "notices": [], "more": 0}
    )


def _title(notice: Notice, memory: Memory) -> str:
    incident = None if notice.incident is None else memory.incidents.get(notice.incident)
    match notice.topic:
        case Topic.STORM:
            return f"storm: {notice.ill} miners are ill"
        case Topic.OVER:
            return f"over: {_about(incident)}" if incident else "over: the storm"
        case Topic.OWN:
            return f"the agent holds: {_words(incident.cause) if incident else 'its own trouble'}"
        case Topic.APPROVAL:
            return f"may it? {_action(memory, notice)}"
        case Topic.OWED:
            return (
                f"stays off for the sake of people at work: {_about(incident)}" if incident else "an outlet stays off"
            )
        case Topic.ESCALATION:
            return f"needs you: {_about(incident)}" if incident else "needs you"


def _lines(notice: Notice, memory: Memory, now: float) -> list[str]:
    incident = None if notice.incident is None else memory.incidents.get(notice.incident)
    if incident is None and notice.topic is Topic.OVER:
        return [f"The storm is over since {instant(notice.at)}: fewer miners are ill, and the agent mends as ever."]
    if incident is None:
        return [
            f"Since {instant(notice.at)} much of the site is ill at once ({notice.ill} miners have an incident).",
            "Nothing new is begun on single miners until it is over.",
            "Look: terrahash status; terrahash incidents list --open",
        ]
    lines = [f"{incident.id}: {_about(incident)}, severity {int(incident.severity)}, since {instant(incident.began)}"]
    is_end = notice.topic is Topic.OVER
    if not incident.is_open:
        by_now = "" if is_end else " by now"
        lines.append(f"It is over{by_now}: {_words(incident.outcome)}, {instant(incident.resolved_at)}.")
    if not is_end and (seen := pairs(_open_to_all(notice.evidence or incident.evidence))):
        lines.append(f"Seen: {seen}")
    lines += [f"Tried: {_words(a.verb)}, {a.result or 'in flight'} {a.detail}".rstrip() for a in incident.attempts]
    return [*lines, *_wants(notice, incident, memory, now)]


def _wants(notice: Notice, incident: Incident, memory: Memory, now: float) -> list[str]:
    """Return what is needed of a person, and the commands."""
    match notice.topic:
        case Topic.OVER if incident.is_open:
            said = ["It has come back since."]
        case Topic.OVER:
            said = [
                f"Left to do, in your own time: {_words(incident.leaves)}" if incident.leaves else "Needed: nothing"
            ]
        case Topic.APPROVAL if (approval := _approval(memory, notice)) is not None:
            said = _asks(approval, _action(memory, notice), now)
        case Topic.OWED if incident.id not in memory.duties.values():
            said = ["It is switched on again by now."]
        case Topic.OWED:
            said = [
                "An outlet that the agent has switched off stays off until the hold or the maintenance is over.",
                "Needed: as soon as nobody has his hands there, terrahash release, or terrahash resume WINDOW",
            ]
        case Topic.OWN:
            said = ["Everything waits but safety and what the agent owes.", f"Needed: {needed(incident.cause)}"]
        case _:
            said = [f"Needed: {needed(incident.escalation_reason)}"]
    return [*said, f"Look: terrahash explain {incident.id}"]


def _asks(approval: Approval, action: str, now: float) -> list[str]:
    if not approval.is_pending(now):
        return [f"{approval.id} waits for no answer any more."]
    return [
        f"Wanted: {action}; an answer is of use until {instant(approval.expires_at)}",
        f"Confirm: terrahash approve {approval.id}",
        f'Deny: terrahash deny {approval.id} --why "..."',
    ]


def _facts(notice: Notice, memory: Memory, scrub: Scrub) -> dict[str, Any]:
    incident = None if notice.incident is None else memory.incidents.get(notice.incident)
    approval = _approval(memory, notice)
    told: dict[str, Any] = {"id": notice.id, "topic": notice.topic.value, "at": notice.at, "ill": notice.ill}
    if incident is not None:
        told |= {
            "incident": incident.id,
            "category": incident.category.value,
            "cause": incident.cause.value,
            "severity": int(incident.severity),
            "phase": incident.phase.value,
            "domain": incident.domain,
            "miners": len(incident.members),
            "first_miners": list(incident.members[:LISTED]),
            "reason": incident.escalation_reason,
            "evidence": {
                key: scrub(value) if isinstance(value, str) else value
                for key, value in _open_to_all(notice.evidence or incident.evidence).items()
            },
        }
    if approval is not None:
        told |= {"approval": approval.id, "expires_at": approval.expires_at, "wanted": _action(memory, notice)}
    return told


def _about(incident: Incident) -> str:
    where = OWN if incident.is_own else incident.domain or named(incident.members)
    count = f" ({len(incident.members)} miners)" if incident.domain and incident.members else ""
    return f"{where}{count}: {incident.category}, {_words(incident.cause)}"


def _approval(memory: Memory, notice: Notice) -> Approval | None:
    return None if notice.approval is None else memory.approvals.get(notice.approval)


def _action(memory: Memory, notice: Notice) -> str:
    approval = _approval(memory, notice)
    return "an action" if approval is None else f"{_words(approval.action.verb)} {named(approval.action.targets)}"


def _open_to_all(evidence: Evidence) -> Evidence:
    """Return what of the evidence anybody may read who gets the message."""
    return {k: v for k, v in evidence.items() if v is not None and k != LOGS and not _PRIVATE.search(k)}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _clean(text: str, most: int) -> str:
    """Return the text with nothing in it that could be taken for more than text, cut to a length."""
    text = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return text if len(text) <= most else text[: most - 1] + "…"
