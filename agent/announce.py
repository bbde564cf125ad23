"""What the log says of each event. The ledger has it all; the log has what somebody who watches it wants to see."""

import structlog

from agent.model.events import (
    AnyEvent,
    ApprovalAsked,
    ApprovalDenied,
    ApprovalGiven,
    Closed,
    Escalated,
    HoldChanged,
    ImageReleased,
    IncidentOpened,
    Intended,
    Rebound,
    Record,
    Settled,
    WindowEnded,
    WindowSet,
)
from agent.model.incident import Reason
from agent.report.text import instant

_log = structlog.get_logger(__name__)

ANCHOR_EVERY_S = 3600.0


class Anchors:
    """Logs an anchor of the ledger every hour: a log kept elsewhere then shows if the newest events are cut off."""

    def __init__(self) -> None:
        self._head = ""
        self._due_at = 0.0

    def follow(self, record: Record) -> None:
        """Take note of the newest event."""
        self._head = f"{record.seq}:{record.hash}"

    def tell(self, now: float) -> None:
        """Log the anchor where one is due; `now` is UTC s."""
        if now >= self._due_at and self._head:
            self._due_at = now + ANCHOR_EVERY_S
            _log.info("ledger_anchor", anchor=self._head)


def announce(event: AnyEvent) -> None:  # noqa: PLR0912 - one arm for each kind that is worth a line
    """Log an event that has been committed."""
    match event:
        case HoldChanged():
            _log.warning("held" if event.why is not None else "released", why=event.why)
        case IncidentOpened():
            if event.cause is Reason.FOREIGN_POOL:
                seen = {key: event.evidence.get(key) for key in ("foreign_pool", "foreign_worker")}
                _log.critical("security_incident", incident=event.incident, miners=list(event.members), **seen)
            _log.warning("incident_opened", incident=event.incident, cause=event.cause, miners=list(event.members))
        case ApprovalAsked():
            _log.warning(
                "approval_asked",
                approval=event.approval,
                incident=event.incident,
                verb=event.action.verb,
                miner=event.action.miner,
            )
        case ApprovalGiven() | ApprovalDenied():
            _log.info(str(event.__struct_config__.tag), approval=event.approval, incident=event.incident, by=event.by)
        case WindowSet():
            until = instant(event.until)
            _log.info("window_set", window=event.window, purpose=event.purpose, miners=len(event.miners), until=until)
        case WindowEnded():
            _log.info("window_ended", window=event.window, reason=event.reason)
        case Intended():
            _log.info("action_intended", incident=event.incident, verb=event.action.verb, miner=event.action.miner)
        case Settled():
            _log.info(
                "action_settled",
                incident=event.incident,
                verb=event.action.verb,
                miner=event.action.miner,
                result=event.result,
                detail=event.detail,
            )
        case Rebound():
            _log.warning("miner_rebound", miner=event.miner, host=event.host, inventory_host=event.inventory_host)
        case Escalated():
            _log.warning("incident_escalated", incident=event.incident, reason=event.reason)
        case ImageReleased():
            _log.warning("image_released", image=event.image)
        case Closed():
            left = {"leaves": event.leaves} if event.leaves else {}
            _log.info("incident_closed", incident=event.incident, outcome=event.outcome, **left)
        case _:
            pass
