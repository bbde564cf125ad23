"""Why the agent did what it did about one incident: a page from the ledger alone, 80 columns wide. Pure."""

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from agent.model.events import (
    AnyEvent,
    ApprovalAsked,
    ApprovalDenied,
    ApprovalGiven,
    Closed,
    Escalated,
    IncidentAbsorbed,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
    Intended,
    Judged,
    Moved,
    Record,
    RunStarted,
    Settled,
)
from agent.model.incident import LOGS, OWN, Category, Evidence, Incident
from agent.report.rivals import Rival, rivals
from agent.report.signs_of_silence import CATEGORIES as SILENCE
from agent.report.table import printable
from agent.report.text import instant, later, listed, named
from agent.report.timeline import headline, words_of

WIDTH = 80
INDENT = "  "
CONSIDERED = "considered"
"""The key under which evidence has the shared causes that were weighed, with their scores against chance."""

SHOWN_S = 120.0
"""Symptoms that began further apart have nothing to do with each other (facts "detection", section 3)."""

ALLOW, UNASKED = "allow", "not asked"

Meanings = Mapping[tuple[str, str], str]
"""What a condition of the playbook says, by the state it is looked at in and the trigger it takes."""


class Verdicts(msgspec.Struct, frozen=True):
    """What the guards said of one wanted action.

    Attributes:
        after_s: since the incident was detected.
        gates: each gate's verdict, in the order asked: `allow`, `defer: reason`, `refuse: reason`, or `not asked`, for
            one before it had not allowed.
        until: UTC s until which it was put off; None where it was not.
    """

    after_s: float
    action: str
    gates: dict[str, str]
    until: float | None


class Line(msgspec.Struct, frozen=True):
    """One thing that happened, so long after the detection."""

    after_s: float
    what: str


class Subject(msgspec.Struct, frozen=True):
    """Which incident it is, and how it stands: what is said first of all that is told of one."""

    incident: str
    category: str
    cause: str
    severity: int
    miners: tuple[str, ...]
    domain: str
    detected_at: float
    state: str


class Explanation(Subject, frozen=True):
    """The page as data.

    Attributes:
        seen: the evidence on which the last thing was decided.
        proof: what was seen when it ended; empty while it is open.
        weighed: the shared causes that were weighed by likelihood, the chosen one first; empty where none was.
        rivals: what the symptom might have been, with what spoke for and against each, the chosen first; empty for
            silence that several miners share.
        classes: what it was taken for, one after another.
        chosen: its playbook's steps and what they were taken for.
        guards: the verdicts that were news.
        people: what people were asked and answered.
        done: each action's outcome.
    """

    seen: Evidence
    proof: Evidence
    weighed: tuple[str, ...]
    rivals: tuple[Rival, ...]
    classes: tuple[Line, ...]
    chosen: tuple[Line, ...]
    guards: tuple[Verdicts, ...]
    people: tuple[Line, ...]
    done: tuple[Line, ...]


def explain(
    incident: Incident, records: Sequence[Record], gates: Sequence[str], meanings: Meanings | None = None
) -> Explanation:
    """Return why.

    Args:
        incident: as it stands.
        records: all its records, in order.
        gates: the guards in the order asked.
        meanings: of its playbook's conditions, where that is at hand as it was.
    """
    start = incident.detected_at

    def lines(*kinds: type) -> tuple[Line, ...]:
        return tuple(Line(r.at - start, headline(r.event)) for r in records if isinstance(r.event, kinds))

    return Explanation(
        incident=incident.id,
        category=incident.category,
        cause=incident.cause,
        severity=incident.severity.value,
        miners=incident.members,
        domain=incident.domain,
        detected_at=start,
        state=incident.phase if incident.is_open else incident.outcome,
        seen=shown(_seen(records)),
        proof=shown(_proof(records)),
        weighed=_weighed(records),
        rivals=rivals(
            incident.category, incident.cause, _told_apart_by(incident, records), shared=_is_shared(incident)
        ),
        classes=lines(IncidentReclassified, IncidentUpdated, IncidentRelapsed, IncidentAbsorbed),
        chosen=tuple(_chosen(records, start, meanings or {})),
        guards=tuple(_verdicts(records, start, gates)),
        people=lines(ApprovalAsked, ApprovalGiven, ApprovalDenied),
        done=tuple(
            Line(r.at - start, f"{words_of(r.event.action)}: {r.event.result}{_bracketed(r.event.detail)}")
            for r in records
            if isinstance(r.event, Settled)
        ),
    )


def page(told: Explanation) -> Iterator[str]:
    """Yield the lines of the page, each of at most WIDTH characters."""
    for line in heading(told):
        yield from wrapped(line, "")
    yield from _evidence("Seen when it was decided", told.seen)
    if told.rivals:
        yield from _section("Causes considered, by what was seen for and against", map(_rival, told.rivals))
    if told.weighed or not told.rivals:
        yield from _section("Causes weighed, by likelihood against chance", _causes(told))
    if told.classes:
        yield from _section("Taken for", map(_line, told.classes))
    yield from _section("Chosen", map(_line, told.chosen))
    if told.guards:
        yield ""
        yield "Guards"
        for verdicts in told.guards:
            yield from _guards(verdicts)
    if told.people:
        yield from _section("People", map(_line, told.people))
    if told.done:
        yield from _section("Done", map(_line, told.done))
    if told.proof:
        yield from _evidence("Seen when it ended", told.proof)


def heading(told: Subject) -> Iterator[str]:
    """Yield the lines with which whatever is told of one incident begins."""
    yield f"{told.incident}: {where_and_what(told)}"
    yield f"{named(told.miners) or OWN}; detected {instant(told.detected_at)}; {told.state}"


def where_and_what(told: Subject) -> str:
    """Return the class of an incident, its cause, where that lies if it is shared, and how grave it is."""
    where = f" at {told.domain}" if told.domain else ""
    return f"{told.category}, {told.cause}{where}, severity {told.severity}"


def following(
    waits_for: str, until: float | None, ways: Iterable[tuple[str, str]], answer: str | None
) -> Iterator[str]:
    """Yield the page's last section: what happens next, and when."""
    yield ""
    yield "Next"
    at_most = "" if until is None else f", until {instant(until)} at the latest"
    yield from wrapped(f"waits for {waits_for}{at_most}", INDENT)
    for when, then in ways:
        yield from wrapped(f"{when}: {then}", INDENT * 2)
    if answer is not None:
        yield from wrapped(f"to answer: {answer}", INDENT)


def _seen(records: Sequence[Record]) -> Evidence:
    """Return the last evidence before the last thing was decided: what came after tells of the cure."""
    found: Evidence = {}
    decided: Evidence = {}
    for event in (record.event for record in records):
        match event:
            case IncidentOpened() | IncidentUpdated() | IncidentReclassified() | IncidentRelapsed() | Moved():
                found = event.evidence or found
            case Judged() | Intended() | Escalated():
                decided = found
            case _:
                pass
    return decided or found


def _told_apart_by(incident: Incident, records: Sequence[Record]) -> Evidence:
    """Return the evidence by which it was taken for what it is.

    Who is silent is looked at anew before each step. Of who speaks it is what was seen when it was last taken for that,
    and while others who share it had time to show it, too, and pools were looked at, until something was done: what
    shows later is the cure's.
    """
    if incident.category in SILENCE:
        return _seen(records)
    found: Evidence = {}
    until = -math.inf
    for record in records:
        match record.event:
            case IncidentOpened() | IncidentReclassified() | IncidentRelapsed() as named:
                found, until = dict(named.evidence or found), record.at + SHOWN_S
            case IncidentUpdated() | Moved() as later_on if record.at <= until:
                found |= {key: value for key, value in later_on.evidence.items() if value is not None}
            case Intended():
                until = -math.inf
            case _:
                pass
    return found


def _is_shared(incident: Incident) -> bool:
    """Whether it is about what several miners share; a pool is named where one miner alone has lost it, too."""
    return bool(incident.domain) and (incident.category is not Category.POOL or len(incident.members) > 1)


def _proof(records: Sequence[Record]) -> Evidence:
    last = next((record.event for record in reversed(records) if isinstance(record.event, Closed)), None)
    return {} if last is None else last.evidence


def shown(evidence: Evidence) -> Evidence:
    """Return the part of evidence that is told as figures: neither a miner's logs nor what stands elsewhere."""
    return {key: value for key, value in evidence.items() if key not in {LOGS, CONSIDERED} and value is not None}


def _weighed(records: Sequence[Record]) -> tuple[str, ...]:
    told = [found for record in records if (found := weighed(record.event))]
    return told[-1] if told else ()


def weighed(event: AnyEvent) -> tuple[str, ...]:
    """Return the shared causes that were considered at an event, the chosen one first; none where it weighs none."""
    if not isinstance(event, IncidentOpened | IncidentReclassified) or CONSIDERED not in event.evidence:
        return ()
    return tuple(str(event.evidence[CONSIDERED]).split("; "))


def _chosen(records: Sequence[Record], start: float, meanings: Meanings) -> Iterator[Line]:
    for record in records:
        event = record.event
        if isinstance(event, RunStarted):
            yield Line(record.at - start, f"playbook {event.playbook}, in {event.state}")
        elif isinstance(event, Moved):
            why = meanings.get((event.from_state, event.trigger))
            told = f"{event.from_state} → {event.to_state}, {event.trigger}"
            yield Line(record.at - start, f"{told}: {why}" if why else told)


def _verdicts(records: Sequence[Record], start: float, gates: Sequence[str]) -> Iterator[Verdicts]:
    for record in records:
        event = record.event
        if isinstance(event, Intended | Judged):
            until = event.until if isinstance(event, Judged) else None
            yield Verdicts(record.at - start, words_of(event.action), verdicts(event, gates), until)


def verdicts(event: Intended | Judged, gates: Sequence[str]) -> dict[str, str]:
    """Return each gate's verdict on the event's action, in the order asked; as in `Verdicts`."""
    if isinstance(event, Intended):
        return dict.fromkeys(gates, ALLOW)
    order = list(gates) if event.gate in gates else [*gates, event.gate]
    place = order.index(event.gate)
    told = dict.fromkeys(order[:place], ALLOW)
    told[event.gate] = f"{event.verdict}: {event.reason}"
    return told | dict.fromkeys(order[place + 1 :], UNASKED)


def gate_lines(gates: Mapping[str, str], until: float | None) -> Iterator[str]:
    """Yield what the gates said in a few lines: who allowed it, who did not, who was not asked any more."""
    allowing = [gate for gate, verdict in gates.items() if verdict == ALLOW]
    unasked = [gate for gate, verdict in gates.items() if verdict == UNASKED]
    if len(allowing) == len(gates):
        yield f"allowed by all: {', '.join(allowing)}"
        return
    yield f"allowed by {', '.join(allowing) or 'none'}"
    told_until = "" if until is None else f", until {instant(until)}"
    for gate, verdict in gates.items():
        if verdict not in (ALLOW, UNASKED):
            yield f"{gate}: {verdict}{told_until}"
    if unasked:
        yield f"not asked then: {', '.join(unasked)}"


def _guards(told: Verdicts) -> Iterator[str]:
    yield from wrapped(f"{later(told.after_s)}  {told.action}", INDENT)
    for line in gate_lines(told.gates, told.until):
        yield from wrapped(line, INDENT * 3)


def _causes(told: Explanation) -> list[str]:
    if told.weighed:
        return [f"{told.weighed[0]}: chosen", *told.weighed[1:]]
    return [f"none: its detector names what is shared, {told.domain}" if told.domain else "none: one device alone"]


def _rival(rival: Rival) -> str:
    told = [
        f"{word} {'; '.join(signs)}" for word, signs in (("for:", rival.supports), ("against:", rival.opposes)) if signs
    ]
    return f"{rival.cause}{' (chosen)' if rival.chosen else ''}. {'. '.join(told) or 'nothing was seen of it'}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield title
    for line in list(lines) or ["nothing"]:
        yield from wrapped(line, INDENT)


def _evidence(title: str, found: Evidence) -> Iterator[str]:
    return _section(title, [listed(found)] if found else [])


def _line(line: Line) -> str:
    return f"{later(line.after_s)}  {line.what}"


def _bracketed(text: str) -> str:
    return f" ({text})" if text else ""


def wrapped(text: str, indent: str, width: int = WIDTH, rest: str | None = None) -> list[str]:
    """Return text as lines that fit, with everything that could steer a terminal escaped.

    Args:
        text: to be told.
        indent: before the first line.
        width: characters of a line.
        rest: before every other line; a little more than `indent` by default.
    """
    below = f"{indent}{INDENT}" if rest is None else rest
    told = printable(text)
    return textwrap.wrap(told, width, initial_indent=indent, subsequent_indent=below, break_on_hyphens=False) or [
        indent
    ]
