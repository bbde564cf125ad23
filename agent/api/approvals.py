"""`/approvals`: what people are asked to confirm, and their answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from agent.api.routes import Call, Route
from agent.model.approval import Approval, Standing
from agent.model.errors import PolicyError
from agent.model.events import Actor, AnyEvent, ApprovalDenied, ApprovalGiven
from agent.model.ids import ApprovalId
from agent.model.incident import Evidence
from agent.model.memory import Memory
from agent.report.timeline import words_of

if TYPE_CHECKING:
    from agent.api.door import Door

Name = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Why = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]


class Approve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A confirmation; `by` is who gives it, as they say."""

    by: Name = ""


class Deny(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A denial, and why."""

    why: Why
    by: Name = ""


class Question(msgspec.Struct, frozen=True):
    """One approval as it stands.

    Attributes:
        action: in words; verb, risk, miners, outlets the same as data.
        state: of the playbook that wants it.
        asked_at, expires_at: UTC s.
        standing: `asked` (waits for an answer), `given` (confirmed, waits for the guards), `denied`, `used`,
            `replaced` (something else is wanted), `expired`, `unwanted` (its incident went on without).
    """

    id: str
    incident: str
    cause: str
    state: str
    action: str
    verb: str
    risk: str
    miners: tuple[str, ...]
    outlets: tuple[str, ...]
    asked_at: float
    expires_at: float
    standing: str
    by: str
    why: str
    evidence: Evidence


class Questions(msgspec.Struct, frozen=True):
    """Approvals in the order asked."""

    approvals: tuple[Question, ...]


def questions(memory: Memory, now: float, *, everything: bool) -> Questions:
    """Return those that wait for an answer, or for their use; or all there ever were."""
    told = (shown(memory, asked, now) for asked in memory.approvals.values())
    return Questions(tuple(q for q in told if everything or q.standing in (Standing.ASKED, Standing.GIVEN)))


def shown(memory: Memory, asked: Approval, now: float) -> Question:
    """Return an approval as it stands at `now` (UTC s)."""
    incident, action = memory.incidents[asked.incident], asked.action
    return Question(
        id=asked.id,
        incident=asked.incident,
        cause=incident.cause,
        state=asked.state,
        action=words_of(action),
        verb=action.verb,
        risk=action.traits.risk.name.lower(),
        miners=action.targets or (action.miner,),
        outlets=tuple(map(str, action.outlets)),
        asked_at=asked.asked_at,
        expires_at=asked.expires_at,
        standing=_standing(memory, asked, now),
        by=asked.by,
        why=asked.why,
        evidence=asked.evidence,
    )


def _standing(memory: Memory, asked: Approval, now: float) -> str:
    if asked.standing not in (Standing.ASKED, Standing.GIVEN):
        return asked.standing
    if not asked.is_wanted(memory.incidents[asked.incident]):
        return "unwanted"
    return "expired" if now >= asked.expires_at else asked.standing


def answered(memory: Memory, number: ApprovalId, answer: Approve | Deny, now: float) -> Sequence[AnyEvent]:
    """Return what a person's answer is on record as.

    Raises:
        PolicyError: there is no such approval, or it cannot be answered so any more.
    """
    if isinstance(answer, Approve):
        asked = _answerable(memory, number, now, Standing.ASKED)
        return [ApprovalGiven(approval=asked.id, incident=asked.incident, by=answer.by)]
    asked = _answerable(memory, number, now, Standing.ASKED, Standing.GIVEN)
    return [ApprovalDenied(approval=asked.id, incident=asked.incident, why=answer.why, by=answer.by)]


def routes(agent: "Door") -> tuple[Route, ...]:
    """Return what a running agent answers about its approvals, and how it is answered."""

    async def pending(_: Call) -> Questions:
        return questions(agent.memory, agent.now(), everything=False)

    async def everything(_: Call) -> Questions:
        return questions(agent.memory, agent.now(), everything=True)

    async def take(call: Call, answer: Approve | Deny) -> Question:
        number = ApprovalId(call.parts["id"])
        await agent.change(lambda memory, now: answered(memory, number, answer, now), Actor.OPERATOR)
        return shown(agent.memory, agent.memory.approvals[number], agent.now())

    async def approve(call: Call) -> Question:
        return await take(call, call.read(Approve))

    async def deny(call: Call) -> Question:
        return await take(call, call.read(Deny))

    return (
        Route("GET", "/approvals", pending),
        Route("GET", "/approvals/all", everything),
        Route("POST", "/approvals/{id}/approve", approve),
        Route("POST", "/approvals/{id}/deny", deny),
    )


def _answerable(memory: Memory, number: ApprovalId, now: float, *wanted: Standing) -> Approval:
    """Return the approval of that id. Raises PolicyError where there is none, or it cannot be answered so any more."""
    asked = memory.approvals.get(number)
    if asked is None:
        raise PolicyError(f"expected the id of an approval, such as ap-000001; got {number[:40]!r}: see approvals list")
    standing = _standing(memory, asked, now)
    if standing not in wanted:
        raise PolicyError(
            f"{number} is {standing}: expected one that is {' or '.join(wanted)}; nothing was changed: see "
            f"incidents show {asked.incident}"
        )
    return asked
