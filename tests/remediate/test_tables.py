"""Which playbook an incident gets, where its category has several and where it has one."""

from dataclasses import replace

import pytest

from agent.model.domains import Kind
from agent.model.errors import InvariantError
from agent.model.incident import Category, Reason
from agent.model.playbook import Escalate, Playbook
from agent.remediate.tables import Tables
from tests.ledger.builder import INCIDENT, Story


def book(name: str, category: Category, *causes: Reason) -> Playbook:
    return Playbook(name, category, "ask", {"ask": Escalate("asked")}, (), frozenset(causes))


STUCK = book("stuck", Category.STUCK)
STRANGERS = book("strangers", Category.OTHER, Reason.FOREIGN_POOL)
REST = book("rest", Category.OTHER)


@pytest.mark.parametrize(
    ("category", "cause", "wanted"),
    [
        (Category.STUCK, Reason.UNRESPONSIVE, "stuck"),
        (Category.OTHER, Reason.FOREIGN_POOL, "strangers"),
        (Category.OTHER, Reason.NOT_HASHING, "rest"),
        (Category.POOL, Reason.NO_POOL, None),
    ],
)
def test_the_cause_decides_where_the_category_has_several(
    category: Category, cause: Reason, wanted: str | None
) -> None:
    incident = replace(Story().opened().state.incidents[INCIDENT], category=category, cause=cause)
    found = Tables([STUCK, STRANGERS, REST]).of(incident)
    assert (found.playbook.name if found else None) == wanted


def test_a_run_goes_on_by_its_own_table_and_by_no_other() -> None:
    tables = Tables([STUCK, STRANGERS])
    (strangers,) = (table for table in tables if table.playbook is STRANGERS)
    incident = Story().opened().running("ask", fingerprint=strangers.fingerprint).state.incidents[INCIDENT]
    assert incident.run is not None
    assert tables.running(incident) is None, "the ledger's run names a playbook that there is none of"
    incident = replace(incident, run=replace(incident.run, playbook="strangers"))
    assert tables.running(incident) is strangers
    assert tables.running(replace(incident, run=replace(incident.run, fingerprint="other"))) is None
    assert tables.running(replace(incident, run=None)) is None


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (book("stuck", Category.POOL), "another one has that name"),
        (book("second", Category.STUCK), "incidents no other playbook names of category stuck already"),
    ],
)
def test_two_may_not_claim_the_same(second: Playbook, says: str) -> None:
    with pytest.raises(InvariantError, match=says):
        Tables([STUCK, second])


def test_two_may_not_claim_one_cause() -> None:
    with pytest.raises(InvariantError, match="cause foreign_pool of category other already"):
        Tables([STRANGERS, book("third", Category.OTHER, Reason.FOREIGN_POOL, Reason.REJECTS)])


def test_where_a_shared_cause_lies_decides_between_playbooks_of_one_cause() -> None:
    breaker = replace(book("breaker", Category.OTHER, Reason.POWER_LOST), domains=frozenset({Kind.BREAKER}))
    others = book("others", Category.OTHER, Reason.POWER_LOST)
    tables = Tables([breaker, others, REST])
    incident = replace(Story().opened().state.incidents[INCIDENT], category=Category.OTHER, cause=Reason.POWER_LOST)

    def found(domain: str) -> str | None:
        table = tables.of(replace(incident, domain=domain))
        return None if table is None else table.playbook.name

    assert [found("breaker:p1:bank2"), found("pdu:p1"), found("")] == ["breaker", "others", "others"]
    with pytest.raises(InvariantError, match="cause power_lost in a breaker"):
        Tables([breaker, replace(breaker, name="again")])
