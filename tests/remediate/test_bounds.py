"""How long a run can take at most that is about many miners."""

from agent.model.action import TOGETHER, VERB_TRAITS, Verb
from agent.remediate.bounds import MEMBERS, VerbBound, bounds
from agent.remediate.graph import End, Graph
from playbooks import pool_loss, stuck_miner
from tests.remediate.test_verify import POWER_CYCLE


def test_the_longest_run_about_many_is_longer_by_what_telling_them_in_batches_takes() -> None:
    one, many = bounds(Graph(stuck_miner.PLAYBOOK)), bounds(Graph(pool_loss.PLAYBOOK))
    assert one is not None
    assert many is not None
    assert set(one.group_s.values()) == {one.longest_s}, "nobody is told anything together"
    batches = {members: -(-members // TOGETHER) for members in MEMBERS}
    acts = max(verb.most for verb in many.verbs)
    timeout_s = VERB_TRAITS[Verb.SWITCH_POOL].timeout_s
    for members, group_s in many.group_s.items():
        assert many.longest_s < group_s <= many.longest_s + acts * (batches[members] - 1) * timeout_s


def test_each_end_is_told_with_its_reason_and_each_verb_with_its_risk_the_mildest_first() -> None:
    found = bounds(Graph(POWER_CYCLE))
    assert found is not None
    assert {end.state: (end.end, end.reason) for end in found.ends} == {
        "end": (End.RESOLVED, ""),
        "ask": (End.ESCALATED, "x"),
    }
    assert found.verbs == (
        VerbBound(Verb.POWER_OFF, "power", 1, 1),
        VerbBound(Verb.POWER_ON, "power", 2, 1),
    )
