"""What a started agent takes up of the incidents that were open when it went down, before it has polled anybody."""

from agent.detect.network import NetworkDetector
from agent.detect.pool import PoolDetector
from agent.detect.stuck import StuckDetector
from agent.guard.limits import GuardLimits
from agent.model.action import Risk
from agent.model.events import Closed, IncidentOpened, Mitigated
from agent.model.guard import Mode
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Category, Reason, Severity
from agent.model.site_view import SiteView
from agent.remediate.tables import Tables
from agent.stages import Stages
from agent.triage.limits import TriageLimits
from playbooks import pool_loss, stuck_miner
from tests.factory import EPOCH, pooled, site
from tests.ledger.builder import Story

MINERS = 20
BOOKS = (pool_loss.PLAYBOOK, stuck_miner.PLAYBOOK)


def test_a_member_that_has_an_incident_of_its_own_is_not_taken_for_one_of_its_pools() -> None:
    """Its own incident was closed as over at the first tick, and when it was mended it had another and a restart."""
    story, of = Story(), SiteView(pooled(site(MINERS), "primary", "backup"))
    members = tuple(MinerId(f"m{k}") for k in range(1, MINERS + 1))
    story.tell(
        IncidentOpened(
            incident=IncidentId("inc-000001"),
            category=Category.POOL,
            cause=Reason.NO_POOL,
            severity=Severity.CRITICAL,
            members=members,
            detected_at=EPOCH,
            evidence={},
            domain="pool:primary",
        ),
        EPOCH,
    )
    story.tell(Mitigated(incident=IncidentId("inc-000001")), EPOCH + 60.0)
    story.opened(EPOCH + 120.0, IncidentId("inc-000002"), members[3])
    stages = Stages(
        of,
        story.state,
        [PoolDetector(MINERS), StuckDetector(MINERS, network=NetworkDetector(MINERS))],
        Tables(BOOKS),
        modes={book.name: dict.fromkeys(Risk, Mode.AUTO) for book in BOOKS},
        guard=GuardLimits(),
        limits=TriageLimits(),
    )
    stages.restore(EPOCH + 180.0)
    for k in range(4):
        for event in stages.tick(EPOCH + 180.0 + 30.0 * k):
            story.tell(event, EPOCH + 180.0 + 30.0 * k)
    assert [record.event.incident for record in story.records if isinstance(record.event, Closed)] == []
    assert story.state.owner(members[3]) == story.state.incidents[IncidentId("inc-000002")]
