"""A new site in observe mode: everything is decided and recorded, nothing is touched, and no password is needed."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from agent.drivers.net import Credentials
from agent.drivers.snmp import SnmpAccess
from agent.model.action import Verb
from agent.model.errors import PolicyError
from agent.model.events import AgentStarted, Escalated, Intended, Judged
from agent.model.incident import Outcome, Phase
from agent.model.topology import Family
from simulators.plant.journal import What
from tests.scenarios.site_bench import Bench, Story, configuration, play
from tests.scenarios.test_stuck import settled

STOCK, WHATSMINER, LUXOS = Family.ANTMINER_STOCK, Family.WHATSMINER, Family.LUXOS
READ_ONLY = {"pdu-a-read", "switch-read"}


class Vault:
    """Holds what a site that only watches has to hand out, and remembers what was asked for."""

    def __init__(self, inner: Credentials) -> None:
        self._inner = inner
        self.asked: Counter[str] = Counter()

    def get(self, name: str) -> str:
        self.asked[name] += 1
        if name not in READ_ONLY:
            raise PolicyError(f"credential {name}: this site handed out {', '.join(sorted(READ_ONLY))} alone")
        return self._inner.get(name)


def watching(*faults: tuple[str, str]) -> Story:
    """Let these things break while the agent knows no log-in and no write community."""

    async def story(bench: Bench) -> None:
        read = {pdu: SnmpAccess(community=access.community) for pdu, access in bench.settings.pdu_access.items()}
        bench.settings = replace(bench.settings, logins={}, pdu_access=read)
        bench.credentials = Vault(bench.simulated.secrets)
        await bench.start()
        await bench.run(30.0)
        for kind, miner in faults:
            bench.break_(kind, miner)
        await bench.until(lambda: settled(bench), 1200.0)
        await bench.run(300.0)

    return story


def test_everything_is_decided_and_nothing_is_done(tmp_path: Path) -> None:
    faults = [
        ("miner.process_died", "m1"),
        ("miner.process_died", "m2"),
        ("miner.hashing_stopped", "m3"),
        ("miner.control_board_hung", "m4"),
        ("miner.psu_latched", "m5"),
        ("miner.psu_dead", "m6"),
    ]
    tree = configuration([(STOCK, 1), (WHATSMINER, 1), (LUXOS, 1), (STOCK, 2), (LUXOS, 1), (STOCK, 1)], mode="observe")
    bench = play(tmp_path, tree, watching(*faults), is_simulated=False)
    bench.check()
    assert bench.actions == []
    assert bench.events(Intended) == []
    assert set(bench.credentials.asked) == READ_ONLY
    judged = {e.incident: e for e in bench.events(Judged)}
    wanted = {m: judged[bench.incident(m).id].action.verb for m in ("m1", "m2", "m3", "m4", "m5")}
    assert wanted == dict.fromkeys(("m1", "m2", "m3"), Verb.RESTART) | dict.fromkeys(("m4", "m5"), Verb.POWER_OFF)
    assert {(e.verdict, e.reason) for e in judged.values()} == {("refuse", "observe_mode")}
    assert len(bench.events(Judged)) == 5, "a verdict is news once"
    assert Counter(e.reason for e in bench.events(Escalated)) == {"observe_mode": 5, "no_power_draw": 1}
    assert [e.simulated for e in bench.events(AgentStarted)] == [False]


def test_what_a_person_then_mends_is_counted_as_theirs(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await watching(("miner.control_board_hung", "m1"))(bench)
        bench.plant("m1").repair(bench.now)
        await bench.until(lambda: not bench.agent.memory.open_incidents, 1200.0)

    bench = play(tmp_path, configuration([(STOCK, 1)], mode="observe"), story, is_simulated=False)
    bench.check()
    assert bench.incident("m1").outcome is Outcome.HUMAN_RESOLVED


def test_trust_is_given_by_risk(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(30.0)
        bench.break_("miner.process_died", "m1")
        bench.break_("miner.control_board_hung", "m2")
        await bench.until(lambda: settled(bench), 1500.0)

    tree = configuration([(STOCK, 1), (LUXOS, 1)], mode="observe", trust={"stuck_miner": {"soft": "auto"}})
    bench = play(tmp_path, tree, story, is_simulated=False)
    bench.check(touched=["m1"])
    assert bench.done_to("m1") == [What.RESTART]
    assert bench.incident("m1").outcome is Outcome.AUTO_RESOLVED
    assert (bench.incident("m2").phase, bench.incident("m2").escalation_reason) == (Phase.ESCALATED, "observe_mode")
