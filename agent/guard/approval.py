"""Where a person is to confirm each action, none is done that nobody has. Asked last: of what all other gates allow.

An approval is for one action, until a time, once. It is asked for when everything else allows the action, and when it
has been given every gate is asked again: what it rests on may have changed. What the agent owes to what it has done
itself, and a mere look, need none.
"""

from agent.guard.request import Request
from agent.model.action import Risk, Verb
from agent.model.approval import Approval, Standing
from agent.model.events import ApprovalAsked
from agent.model.guard import Allow, Defer, GuardReason, Mode, Refuse, Verdict
from agent.model.ids import ApprovalId
from agent.model.incident import Evidence

ANEW_S = 60.0
"""What is wanted instead of something that was just asked for waits so long, so that nobody is asked every tick."""

AGAIN_S = 12 * 3600.0
"""What is wanted outside a run and was denied, or not answered, is asked again after this: next shift."""


def approval(request: Request) -> Verdict:
    """Defer what waits for a person's answer; refuse what was denied, or not answered in time."""
    if not _is_needed(request):
        return Allow()
    asked = _covering(request)
    if asked is None or asked.is_pending(request.now):
        until = request.now + request.limits.approval_s if asked is None else asked.expires_at
        return Defer(until, GuardReason.AWAITING_APPROVAL)
    if asked.is_usable(request.now):
        return Allow()
    if asked.standing is Standing.DENIED:
        return Refuse(GuardReason.APPROVAL_DENIED)
    return Refuse(GuardReason.APPROVAL_EXPIRED)


def granted(request: Request) -> ApprovalId | None:
    """Return the approval that an allowed action uses; None where it needs none."""
    asked = _covering(request) if _is_needed(request) else None
    return None if asked is None else asked.id


def is_due(request: Request) -> bool:
    """Whether a person has not been asked about an action that waits for it, nor about anything like it just now."""
    if _covering(request) is not None:
        return False
    return all(request.now - asked.asked_at >= ANEW_S for asked in _replaced(request))


def question(request: Request, evidence: Evidence, *, ahead: int) -> ApprovalAsked:
    """Return what to ask a person.

    Args:
        request: the action.
        evidence: what is seen of its incident.
        ahead: questions of this very tick that are not committed yet.
    """
    return ApprovalAsked(
        approval=request.memory.approval_id(ahead),
        incident=request.incident.id,
        run=request.run,
        state=request.state,
        action=request.action,
        evidence=evidence,
        expires_at=request.now + request.limits.approval_s,
        replaces=tuple(asked.id for asked in _replaced(request)),
    )


def denial(request: Request) -> str:
    """Return why a person denied it, in their words."""
    asked = _covering(request)
    return "" if asked is None else asked.why


def _is_needed(request: Request) -> bool:
    risk = request.action.traits.risk
    if risk is Risk.OBSERVE or (request.action.verb is not Verb.POWER_OFF and request.is_duty):
        return False
    return request.mode[risk] is Mode.APPROVE


def _covering(request: Request) -> Approval | None:
    """Return the last question whose answer holds for this action; None where it has to be asked."""
    last = next((asked for asked in reversed(_of_step(request)) if asked.covers(request.action)), None)
    if last is None or last.standing in (Standing.USED, Standing.REPLACED):
        return None
    over = not (last.is_pending(request.now) or last.is_usable(request.now))
    return None if over and request.run is None and request.now - last.asked_at >= AGAIN_S else last


def _replaced(request: Request) -> list[Approval]:
    """Return the questions about the same targets that could still be used; this action is wanted instead."""
    still = (a for a in _of_step(request) if a.is_pending(request.now) or a.is_usable(request.now))
    return [asked for asked in still if asked.overlaps(request.action)]


def _of_step(request: Request) -> list[Approval]:
    """Return the questions that this step of this run has asked, oldest first."""
    asked = request.memory.asked.get(request.incident.id, ())
    found = (request.memory.approvals[number] for number in asked)
    return [a for a in found if (a.run, a.state) == (request.run, request.state)]
