"""What is put on record of an incident: of one miner what was seen of it, of many how many they are and who is ill."""

import numpy as np

from agent.model.ids import IncidentId
from agent.model.incident import Category, Evidence, Health, Incident, Reason, Severity
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.verdicts import Verdicts
from agent.triage.evidence import evidence_of
from tests.factory import EPOCH, site

MINERS = 9


class Says:
    """Evidence that names its row."""

    def __init__(self, word: str, reason: Reason) -> None:
        self.word = word
        self.reasons = frozenset({reason})

    def reason(self, row: int) -> Reason:
        (reason,) = self.reasons
        return reason

    def domain(self, row: int) -> str:
        return "pool:alpha"

    def of(self, row: int) -> Evidence:
        return {self.word: row}


def verdicts(
    *firing: int, category: Category = Category.POOL, word: str = "row", reason: Reason = Reason.NO_POOL
) -> Verdicts:
    health = np.zeros(MINERS, dtype=np.int8)
    health[list(firing)] = Health.FIRING
    nothing = np.full(MINERS, np.nan)
    return Verdicts(category, health, nothing, nothing, Says(word, reason))


def incident(*rows: int) -> Incident:
    members = tuple(site(MINERS).miners[row].id for row in rows)
    pool, high = Category.POOL, Severity.HIGH
    return Incident(IncidentId("inc-1"), pool, Reason.NO_POOL, high, members, {}, EPOCH, EPOCH, domain="pool:alpha")


def test_of_one_miner_it_is_what_was_seen_of_it() -> None:
    view = SiteView(site(MINERS))
    assert evidence_of(view, incident(3), [verdicts(3)]) == {"row": 3}
    assert evidence_of(view, incident(3), [verdicts()]) == {"row": 3}, "it is well again, and that is seen of it"
    assert evidence_of(view, incident(3), [verdicts(3, category=Category.STUCK)]) == {}


def test_of_many_it_is_of_the_first_that_is_ill_and_counts_all() -> None:
    view = SiteView(site(MINERS))
    view.put_miss(2, EPOCH, Reach.SILENT)
    told = evidence_of(view, incident(*range(MINERS)), [verdicts(4, 7)])
    assert told == {"row": 4, "members": 9, "members_ill": 2, "members_silent": 1, "ill": "m5, m8"}


def test_no_more_than_a_few_are_named() -> None:
    told = evidence_of(SiteView(site(MINERS)), incident(*range(MINERS)), [verdicts(*range(MINERS))])
    assert told["ill"] == "m1, m2, m3, m4, m5 and 4 more"


def test_who_looks_for_its_cause_is_asked_and_nobody_else_of_the_class() -> None:
    view, other = SiteView(site(MINERS)), Reason.UNSTEADY_POOL
    mine, foreign = verdicts(word="mine"), verdicts(2, word="foreign", reason=other)
    told = evidence_of(view, incident(1, 2), [foreign, mine])
    assert (told["mine"], "foreign" in told, told["members_ill"]) == (1, False, 1), "well again, and that is seen of it"
    assert evidence_of(view, incident(1, 2), [foreign]) == {
        "members": 2,
        "members_ill": 1,
        "members_silent": 0,
        "ill": "m3",
    }


def test_a_member_that_left_the_inventory_is_not_counted() -> None:
    small = SiteView(site(2))
    assert evidence_of(small, incident(1, 8), [verdicts(1)]) == {"row": 1}
    assert evidence_of(small, incident(7, 8), [verdicts(1)]) == {}
