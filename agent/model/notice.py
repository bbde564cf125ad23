"""What people are told: notices, each due to some channels until each of them has it. Data; the fold keeps them."""

from dataclasses import dataclass
from enum import StrEnum

from agent.model.ids import ApprovalId, ChannelId, IncidentId, NoticeId
from agent.model.incident import Evidence


class Topic(StrEnum):
    """What a notice is about."""

    ESCALATION = "escalation"
    """A person is needed."""
    APPROVAL = "approval"
    """A person is asked whether something may be done."""
    STORM = "storm"
    """Much of the site is ill at once; nothing new is begun."""
    OWN = "own"
    """Something of the agent's own is wrong; it holds."""
    OWED = "owed"
    """An outlet that it switched off stays off, because people may have their hands there."""
    OVER = "over"
    """What was told before has ended: nobody is needed for it any more."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told.

    Attributes:
        at: UTC s since when.
        waiting: the channels that it has not reached.
        ill: how many miners were ill, where it is about a storm.
    """

    id: NoticeId
    topic: Topic
    at: float
    waiting: tuple[ChannelId, ...]
    incident: IncidentId | None = None
    approval: ApprovalId | None = None
    evidence: Evidence | None = None
    ill: int = 0
