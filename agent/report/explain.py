"""Why the agent did what it did about one incident: a page from the ledger alone, 80 columns wide. Pure."""

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
from agent.model.incident import LOGS, OWN, Evidence, Incident
from agent.report.table import printable
from agent.report.text import duration, instant, named, spelt
from agent.report.timeline import tell, words_of

WIDTH = 80
INDENT = "  "
CONSIDERED = "considered"
"""The key under which evidence has the shared causes that were weighed, with their scores against chance."""

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


class Explanation(msgspec.Struct, frozen=True):
    """The page as data.

    Attributes:
        seen: the evidence on which the last thing was decided.
        proof: what was seen when it ended; empty while it is open.
        weighed: the shared causes that were considered, the chosen one first; empty for what befell one device alone.
        classes: what it was taken for, one after another.
        chosen: its playbook's steps and what they were taken for.
        guards: the verdicts that were news.
        people: what people were asked and answered.
        done: each action's outcome.
    """

    incident: str
    category: str
    cause: str
    severity: int
    miners: tuple[str, ...]
    domain: str
    detected_at: float
    state: str
    seen: Evidence
    proof: Evidence
    weighed: tuple[str, ...]
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
        return tuple(Line(r.at - start, tell(_bare(r.event))) for r in records if isinstance(r.event, kinds))

    return Explanation(
        incident=incident.id,
        category=incident.category,
        cause=incident.cause,
        severity=incident.severity.value,
        miners=incident.members,
        domain=incident.domain,
        detected_at=start,
        state=incident.phase if incident.is_open else incident.outcome,
        seen=_shown(_seen(records)),
        proof=_shown(_proof(records)),
        weighed=_weighed(records),
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
    where = f" at {told.domain}" if told.domain else ""
    yield from _wrapped(f"{told.incident}: {told.category}, {told.cause}{where}, severity {told.severity}", "")
    yield from _wrapped(f"{named(told.miners) or OWN}; detected {instant(told.detected_at)}; {told.state}", "")
    yield from _evidence("Seen when it was decided", told.seen)
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


def following(
    waits_for: str, until: float | None, ways: Iterable[tuple[str, str]], answer: str | None
) -> Iterator[str]:
    """Yield the page's last section: what happens next, and when."""
    yield ""
    yield "Next"
    at_most = "" if until is None else f", until {instant(until)} at the latest"
    yield from _wrapped(f"waits for {waits_for}{at_most}", INDENT)
    for when, then in ways:
        yield from _wrapped(f"{when}: {then}", INDENT * 2)
    if answer is not None:
        yield from _wrapped(f"to answer: {answer}", INDENT)


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


def _proof(records: Sequence[Record]) -> Evidence:
    last = next((record.event for record in reversed(records) if isinstance(record.event, Closed)), None)
    return {} if last is None else last.evidence


def _shown(evidence: Evidence) -> Evidence:
    return {key: value for key, value in evidence.items() if key not in {LOGS, CONSIDERED} and value is not None}


def _weighed(records: Sequence[Record]) -> tuple[str, ...]:
    told = [
        str(record.event.evidence[CONSIDERED])
        for record in records
        if isinstance(record.event, IncidentOpened | IncidentReclassified) and CONSIDERED in record.event.evidence
    ]
    return tuple(told[-1].split("; ")) if told else ()


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
        if isinstance(event, Intended):
            yield Verdicts(record.at - start, words_of(event.action), dict.fromkeys(gates, ALLOW), None)
        elif isinstance(event, Judged):
            order = list(gates) if event.gate in gates else [*gates, event.gate]
            place = order.index(event.gate)
            told = dict.fromkeys(order[:place], ALLOW)
            told[event.gate] = f"{event.verdict}: {event.reason}"
            told |= dict.fromkeys(order[place + 1 :], UNASKED)
            yield Verdicts(record.at - start, words_of(event.action), told, event.until)


def _guards(told: Verdicts) -> Iterator[str]:
    yield from _wrapped(f"{_after(told.after_s)}  {told.action}", INDENT)
    deep = INDENT * 3
    allowing = [gate for gate, verdict in told.gates.items() if verdict == ALLOW]
    unasked = [gate for gate, verdict in told.gates.items() if verdict == UNASKED]
    if len(allowing) == len(told.gates):
        yield from _wrapped(f"allowed by all: {', '.join(allowing)}", deep)
        return
    yield from _wrapped(f"allowed by {', '.join(allowing) or 'none'}", deep)
    until = "" if told.until is None else f", until {instant(told.until)}"
    for gate, verdict in told.gates.items():
        if verdict not in (ALLOW, UNASKED):
            yield from _wrapped(f"{gate}: {verdict}{until}", deep)
    if unasked:
        yield from _wrapped(f"not asked then: {', '.join(unasked)}", deep)


def _causes(told: Explanation) -> list[str]:
    if told.weighed:
        return [f"{told.weighed[0]}: chosen", *told.weighed[1:]]
    return [f"none: its detector names what is shared, {told.domain}" if told.domain else "none: one device alone"]


def _bare(event: AnyEvent) -> AnyEvent:
    """Return the event without its evidence: what was seen stands in a section of its own."""
    return msgspec.structs.replace(event, evidence={}) if hasattr(event, "evidence") else event


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield title
    for line in list(lines) or ["nothing"]:
        yield from _wrapped(line, INDENT)


def _evidence(title: str, found: Evidence) -> Iterator[str]:
    return _section(title, [" · ".join(f"{key} {spelt(value)}" for key, value in found.items())] if found else [])


def _line(line: Line) -> str:
    return f"{_after(line.after_s)}  {line.what}"


def _after(seconds: float) -> str:
    return f"+{duration(max(seconds, 0.0))}"


def _bracketed(text: str) -> str:
    return f" ({text})" if text else ""


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        printable(text), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}{INDENT}", break_on_hyphens=False
    ) or [indent]
