"""What the fold knows of approvals: asked, answered, used. Each is kept, so that an id is never taken for another."""

from dataclasses import replace

from agent.model.approval import Approval, Standing
from agent.model.events import ApprovalAsked, ApprovalDenied, ApprovalGiven
from agent.model.ids import ApprovalId
from agent.model.memory import Memory


def asked(memory: Memory, event: ApprovalAsked, at: float) -> None:
    """Note a question; those that it stands for instead are over."""
    for number in event.replaces:
        _change(memory, number, Standing.REPLACED)
    memory.approvals[event.approval] = Approval(
        id=event.approval,
        incident=event.incident,
        run=event.run,
        state=event.state,
        action=event.action,
        evidence=event.evidence,
        asked_at=at,
        expires_at=event.expires_at,
    )
    memory.asked[event.incident] = (*memory.asked.get(event.incident, ()), event.approval)


def answered(memory: Memory, event: ApprovalGiven | ApprovalDenied, at: float) -> None:
    """Note a person's answer."""
    standing, why = (Standing.DENIED, event.why) if isinstance(event, ApprovalDenied) else (Standing.GIVEN, "")
    found = memory.approvals[event.approval]
    memory.approvals[event.approval] = replace(found, standing=standing, answered_at=at, by=event.by, why=why)


def used(memory: Memory, approval: ApprovalId) -> None:
    """Note that an intent has taken it up."""
    _change(memory, approval, Standing.USED)


def _change(memory: Memory, approval: ApprovalId, standing: Standing) -> None:
    memory.approvals[approval] = replace(memory.approvals[approval], standing=standing)
