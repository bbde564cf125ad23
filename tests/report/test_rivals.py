"""What heat, lost pools and refused shares are told apart from, by the figures that were weighed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ledger.episode import episode
from agent.model.ids import IncidentId
from agent.model.incident import Category, Evidence, Reason
from agent.report.explain import Explanation, explain, page
from agent.report.rivals import Rival, rivals
from tests.golden import CLASSES, kept

DOWN: Evidence = {"pool": "backup", "gateway_finds": "refused", "pool_miners": 240, "pool_miners_ill": 216}
ALONE: Evidence = {
    "pool": "primary",
    "gateway_finds": "good",
    "pool_miners": 240,
    "pool_miners_ill": 1,
    "score": -512.3,
}
DROPS: Evidence = {"drops": 4, "distances_s": "120 121 120", "miners_dropped": 230, "miners_of_pool": 240}
CLOGGED: Evidence = {
    "unit": "c1-cdu",
    "supply_c": 35.0,
    "wanted_c": 35.0,
    "flow_lpm": 540.0,
    "design_flow_lpm": 540.0,
    "pumps_ok": True,
    "miners": 60,
    "miners_hot": 1,
    "resistance_ratio": 1.32,
    "loop_resistance_ratio": 1.01,
}
WARM: Evidence = {**CLOGGED, "supply_c": 39.1, "miners_hot": 12, "resistance_ratio": None}
STILL: Evidence = {**WARM, "supply_c": 35.0, "flow_lpm": 0.0, "pumps_ok": False}
OWN_REJECTS: Evidence = {
    "by": "rejected",
    "bad_share": 0.2,
    "shares": 60,
    "statistic": 25.2,
    "chips_up": 300,
    "chips": 342,
}
POOL_REJECTS: Evidence = {**OWN_REJECTS, "pool_miners_in_warning": 96, "pool_miners_in_warning_share": 0.4}

THE_POOL = "the pool, for all who work for it"
THE_CLIENT = "the miner's own client, or its way to the pool"
PROXY = "the pool, or a proxy before it, that drops its miners and takes them back"
CLOG = "the miner itself: a clog, dust or a fan"
LOOP = "its loop: too warm, or too little flow"
LOST = "its loop is not cooled any more"
REFUSES = "the pool, or the way there"
ITSELF = "the miner itself: its settings, its firmware or its chips"


@pytest.mark.parametrize(
    ("category", "cause", "shared", "seen", "chosen", "speaks_for", "not_chosen", "speaks_against"),
    [
        (
            Category.POOL,
            Reason.NO_POOL,
            True,
            DOWN,
            THE_POOL,
            "216 of its 240 miners",
            THE_CLIENT,
            "finds the pool refused",
        ),
        (Category.POOL, Reason.NO_POOL, False, ALONE, THE_CLIENT, "finds the pool good", THE_POOL, "chance: -512.3"),
        (
            Category.POOL,
            Reason.UNSTEADY_POOL,
            True,
            DROPS,
            PROXY,
            "230 of 240",
            "chance: shares are rare",
            "120 121 120 s",
        ),
        (
            Category.THERMAL,
            Reason.OVERHEATED,
            False,
            CLOGGED,
            CLOG,
            "at 132% of its own past",
            LOOP,
            "at 100% of its design",
        ),
        (Category.THERMAL, Reason.LOOP_HOT, True, WARM, LOOP, "4.1 K too warm", CLOG, "at 101% of their past"),
        (Category.THERMAL, Reason.COOLING_LOST, True, STILL, LOST, "at 0% of its design", CLOG, "12 of its loop's 60"),
        (
            Category.REJECTS,
            Reason.REJECTS,
            False,
            OWN_REJECTS,
            ITSELF,
            "300 of its 342 chips",
            "chance: a few bad shares",
            "25.2",
        ),
        (
            Category.REJECTS,
            Reason.REJECTS,
            True,
            POOL_REJECTS,
            REFUSES,
            "96 of its pool's miners are in warning, 40%",
            ITSELF,
            "40%",
        ),
    ],
)
def test_a_cause_is_told_apart_by_the_figures_that_were_weighed(
    *,
    category: Category,
    cause: Reason,
    shared: bool,
    seen: Evidence,
    chosen: str,
    speaks_for: str,
    not_chosen: str,
    speaks_against: str,
) -> None:
    first, *others = rivals(category, cause, seen, shared=shared)
    assert (first.cause, first.chosen) == (chosen, True)
    assert speaks_for in "; ".join(first.supports)
    assert not any(rival.chosen for rival in others)
    (other,) = [rival for rival in others if rival.cause == not_chosen]
    assert speaks_against in "; ".join(other.opposes)


def of_class(name: str) -> Explanation:
    """Return what is explained of a recorded incident of the simulated site."""
    archive = kept(name)
    found = episode(archive.rows, IncidentId(archive.manifest.incident), Path("archive"))
    assert found is not None
    return explain(found.incident, found.records, ())


@pytest.mark.parametrize("name", [name for name in CLASSES if name != Category.OTHER])
def test_the_page_of_each_class_has_the_cause_that_was_chosen_and_what_speaks_against_others(name: str) -> None:
    told = of_class(name)
    (chosen,) = [rival for rival in told.rivals if rival.chosen]
    assert chosen.supports
    assert [rival for rival in told.rivals if rival.opposes and not rival.chosen]
    assert f"  {chosen.cause.split(':')[0]}" in "\n".join(page(told))


KEYS = sorted({*DOWN, *ALONE, *DROPS, *CLOGGED, *OWN_REJECTS, *POOL_REJECTS, "supply_by_miners_c", "shares_due"})


@given(
    st.sampled_from(
        [(Category.POOL, Reason.NO_POOL), (Category.THERMAL, Reason.LOOP_HOT), (Category.REJECTS, Reason.REJECTS)]
    ),
    st.dictionaries(st.sampled_from(KEYS), st.none() | st.text() | st.floats() | st.integers() | st.booleans()),
)
def test_whatever_the_evidence_causes_can_be_told(named: tuple[Category, Reason], seen: Evidence) -> None:
    assert all(isinstance(rival, Rival) for rival in rivals(*named, seen))
