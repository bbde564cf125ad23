"""`GET /incidents/{id}/outlook`: what happens next to an incident, by the agent that has it and its inventory."""

from typing import TYPE_CHECKING

from agent.api.routes import Call, Route
from agent.model.errors import PolicyError
from agent.model.ids import IncidentId
from agent.remediate.outlook import Outlook, outlook

if TYPE_CHECKING:
    from agent.api.door import Door


def routes(agent: "Door") -> tuple[Route, ...]:
    """Return what a running agent answers about an incident's future."""

    async def show(call: Call) -> Outlook:
        incident = agent.memory.incidents.get(IncidentId(call.parts["id"]))
        if incident is None:
            raise PolicyError(f"expected the id of an incident, such as inc-000001; got {call.parts['id'][:40]!r}")
        site, table = agent.view.site, agent.tables.running(incident)
        miner = next((site.miner(member) for member in incident.members[:1] if member in site.rows), None)
        return outlook(agent.memory, incident, None if table is None else table.playbook, miner)

    return (Route("GET", "/incidents/{id}/outlook", show),)
