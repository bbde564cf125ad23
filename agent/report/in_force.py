"""What was in force when an event was written: version, configuration, playbook, incident. Pure, and fed in order.

An event has only what it alone knows; the rest stands in events before it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from agent.model.action import Action, Risk
from agent.model.events import AgentStarted, AnyEvent, ApprovalGiven, IncidentOpened, RunStarted
from agent.model.guard import Mode
from agent.model.ids import ApprovalId, IncidentId
from agent.model.incident import LOGS, Evidence


class InForce:
    """What is in force at the present event."""

    def __init__(self) -> None:
        self._started: AgentStarted | None = None
        self._opened: dict[IncidentId, IncidentOpened] = {}
        self._runs: dict[IncidentId, RunStarted] = {}
        self._given: dict[ApprovalId, str] = {}

    def follow(self, event: AnyEvent) -> None:
        """Take in an event, in the order of the ledger."""
        match event:
            case AgentStarted():
                self._started = event
            case IncidentOpened():
                self._opened[event.incident] = event
            case RunStarted():
                self._runs[event.incident] = event
            case ApprovalGiven():
                self._given[event.approval] = f"{event.by or 'a person'} ({event.approval})"
            case _:
                pass

    def opened(self, incident: IncidentId | None) -> IncidentOpened | None:
        """Return how an incident was opened; None where it is not known."""
        return None if incident is None else self._opened.get(incident)

    def run(self, incident: IncidentId | None) -> RunStarted | None:
        """Return the last run of an incident's; None where it has none."""
        return None if incident is None else self._runs.get(incident)

    def confirmed(self, approval: ApprovalId | None) -> str | None:
        """Return who gave an approval, and which it was; None where none was needed."""
        return None if approval is None else self._given.get(approval)

    def trust(self, playbook: str, risk: Risk) -> Mode | None:
        """Return how far the agent might go with that playbook at that risk; None where its start does not say."""
        trust: Mapping[str, Mapping[str, Mode]] = {} if self._started is None else self._started.trust
        return trust.get(playbook, {}).get(risk.name.lower())

    @property
    def gates(self) -> tuple[str, ...]:
        """Return the guards, in the order they are asked."""
        return () if self._started is None else self._started.gates

    @property
    def version(self) -> str | None:
        """Return the agent's version."""
        return None if self._started is None else self._started.version

    @property
    def config_fingerprint(self) -> str | None:
        """Return that of the agent's configuration."""
        return None if self._started is None else self._started.config_fingerprint


def iso(at: float) -> str:
    """Return UTC s in ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def devices_of(action: Action) -> str:
    """Return what an action is done to: miners, outlets as `pdu/number`, a cooling unit."""
    unit = () if action.unit is None else (action.unit,)
    return " ".join([*action.targets, *map(str, action.outlets), *unit])


def evidence_text(evidence: Evidence) -> str | None:
    """Return evidence as JSON, without the text of a miner's logs; None where there is none."""
    kept = {key: value for key, value in sorted(evidence.items()) if key != LOGS}
    return msgspec.json.encode(kept).decode() if kept else None
