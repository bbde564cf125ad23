"""Approvals: what a person was asked to confirm, and what of it may be used. Data; the ledger's fold keeps them."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from agent.model.action import Action
from agent.model.ids import ApprovalId, IncidentId, RunId
from agent.model.incident import Evidence, Incident


class Standing(StrEnum):
    """How an approval stands by the ledger. That its time has passed is not in here: time alone tells."""

    ASKED = "asked"
    GIVEN = "given"
    """A person confirmed it; it has not been used yet."""
    DENIED = "denied"
    USED = "used"
    """An intent names it. There is no second one."""
    REPLACED = "replaced"
    """Something else was wanted by then, and that was asked instead."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One question to a person: may this very action be done?

    Attributes:
        run, state: of the playbook that wants it; run is None for what is wanted outside a run.
        evidence: what was seen when it was asked.
        asked_at, expires_at: UTC s. From `expires_at` on it can be neither given nor used.
        answered_at: UTC s of the answer; None while there is none.
        by, why: who answered, as the asker's own command says, and why it was denied.
    """

    id: ApprovalId
    incident: IncidentId
    run: RunId | None
    state: str
    action: Action
    evidence: Evidence
    asked_at: float
    expires_at: float
    standing: Standing = Standing.ASKED
    answered_at: float | None = None
    by: str = ""
    why: str = ""

    def is_pending(self, now: float) -> bool:
        """Whether it waits for an answer that could still be used."""
        return self.standing is Standing.ASKED and now < self.expires_at

    def is_usable(self, now: float) -> bool:
        """Whether a person confirmed it and it may still be used, once."""
        return self.standing is Standing.GIVEN and now < self.expires_at

    def is_wanted(self, incident: Incident) -> bool:
        """Whether the playbook still stands where it was when it asked; always true of what is outside a run."""
        run = incident.run
        return self.run is None or (
            incident.is_running and run is not None and (run.id, run.state) == (self.run, self.state)
        )

    def covers(self, wanted: Action) -> bool:
        """Whether whoever confirmed it has confirmed `wanted`: the same thing, to no other targets than were named.

        Some of the targets may have dropped out, because they are well again; a unit may be named by another
        of its miners.
        """
        return _bare(self.action) == _bare(wanted) and set(wanted.targets) <= set(self.action.targets)

    def overlaps(self, wanted: Action) -> bool:
        """Whether it is about something that `wanted` is about too."""
        if wanted.unit is not None:
            return self.action.unit == wanted.unit
        return not set(self.action.targets).isdisjoint(wanted.targets)


def _bare(action: Action) -> Action:
    """Return the action without the miners that it names."""
    return msgspec.structs.replace(action, miner="", others=())
