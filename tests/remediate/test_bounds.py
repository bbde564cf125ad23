"""How long a run can take at most that is about many miners."""

from agent.model.action import TOGETHER, VERB_TRAITS, Verb
from agent.remediate.bounds import MEMBERS, bounds
from agent.remediate.graph import Graph
from playbooks import pool_loss, stuck_miner


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
