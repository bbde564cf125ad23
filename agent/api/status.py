"""`GET /status`: which agent this is, and how it stands."""

from typing import TYPE_CHECKING

import msgspec

from agent.api.routes import Call, Route
from agent.model.incident import Phase
from agent.model.memory import Memory

if TYPE_CHECKING:
    # The command that asks shares the body, and does without the loop that the agent runs on.
    from agent.api.door import Door
    from agent.model.site_view import SiteView


class Status(msgspec.Struct, frozen=True):
    """How an agent stands, by its ledger.

    Attributes:
        running: it answers; where it does not, the rest is what its ledger had last.
        version, site, simulated: of its last start; None before the first.
        started_at, stopped_at: UTC s of its last start and of the stop in order after it; None where there was none.
        ticks: how often it has decided since it came up; None while it does not run.
        held: why a person told it to keep its hands off; None while it may act.
        trouble: the open incident of the agent itself and what it is seen as; None where there is none.
        incidents, escalated: how many are open, and with how many of those a person was asked.
        approvals: actions that people are asked to confirm.
        in_flight: actions whose outcome is not known yet.
        duties: outlets that it has switched off and still has to switch on.
        answered: share of its miners' polls since it came up that were answered; None where it has not polled.
        latency_p95_s: 95 % of their replies were seen in the columns so soon after they had come, in s; None as above.
        untold: notices that have not reached everybody who is to hear of them.
    """

    running: bool
    version: str | None
    site: str | None
    simulated: bool | None
    started_at: float | None
    stopped_at: float | None
    ticks: int | None
    held: str | None
    trouble: str | None
    incidents: int
    escalated: int
    approvals: int
    in_flight: int
    duties: int
    untold: int
    answered: float | None = None
    latency_p95_s: float | None = None


def status_of(memory: Memory, now: float, *, ticks: int | None, view: "SiteView | None" = None) -> Status:
    """Return how an agent with that memory stands at `now` (UTC s); the others are None for one that does not run."""
    event, at = (None, None) if memory.started is None else memory.started
    still_open, own = memory.open_incidents, memory.own_incident
    return Status(
        running=ticks is not None,
        version=None if event is None else event.version,
        site=None if event is None else event.site,
        simulated=None if event is None else event.simulated,
        started_at=at,
        stopped_at=memory.stopped_at,
        ticks=ticks,
        held=memory.held,
        trouble=None if own is None or not own.is_open else f"{own.id}, {own.cause}",
        incidents=len(still_open),
        escalated=sum(incident.phase is Phase.ESCALATED for incident in still_open),
        approvals=sum(
            asked.is_pending(now) and asked.is_wanted(memory.incidents[asked.incident])
            for asked in memory.approvals.values()
        ),
        in_flight=len(memory.flying),
        duties=len(memory.duties),
        untold=len(memory.notices),
        answered=None if view is None else view.polling.share,
        latency_p95_s=None if view is None else view.polling.latency.p95_s,
    )


def routes(agent: "Door") -> tuple[Route, ...]:
    """Return what a running agent answers about itself."""

    async def show(_: Call) -> Status:
        return status_of(agent.memory, agent.now(), ticks=agent.ticks, view=agent.view)

    return (Route("GET", "/status", show),)
