"""People are told: from a miner that nobody can mend to a post on somebody's desk, over a kill in between."""

import io
from pathlib import Path

from rich.console import Console

from agent.cli.scenario_run import play_scenario, read_scenario
from agent.ledger.reader import read
from agent.model.events import Escalated, NoticeDue, NoticeSettled, StormBegan, StormOver
from agent.model.topology import Family
from agent.notify.notifier import Notifier
from tests.notify.bench import HOOK, QUICK, listening
from tests.scenarios.site_bench import Bench, configuration, play


def test_an_escalation_reaches_a_desk_once_though_the_agent_is_killed_in_between(tmp_path: Path) -> None:
    def tells() -> Notifier:
        return Notifier("bench", [HOOK], listener.secrets, lambda text: text, QUICK)

    async def story(bench: Bench) -> None:
        bench.notifier = tells()
        await bench.start()
        bench.break_("host.clock_stepped", "host:agent", for_s=60.0)
        await bench.until(lambda: bool(bench.agent.memory.notices), 60.0)
        await bench.run(8.0)
        await bench.kill()
        bench.notifier = tells()
        await bench.start()
        await bench.until(lambda: not bench.agent.memory.notices, 300.0)

    with listening(503, 200) as listener:
        bench = play(tmp_path, configuration([(Family.LUXOS, 1)]), story)
        assert len(listener.heard) == 2
    (due,) = bench.events(NoticeDue)
    (settled,) = bench.events(NoticeSettled)
    assert (due.topic, settled.notices, settled.delivered) == ("own", (due.notice,), True)
    assert bench.events(Escalated) == []
    assert listener.heard[-1].told["notices"][0]["cause"] == "own_clock"


def test_a_storm_begins_once_and_is_over_once(tmp_path: Path) -> None:
    path, ledger = tmp_path / "scenario.yaml", tmp_path / "ledger.sqlite3"
    path.write_text(
        "name: storm\nseed: 5\nduration: 30m\ntier: fast-forward\n"
        "site: {generate: {miners: 24, racks_per_container: 1, miners_per_pdu: 12}}\n"
        'faults:\n  - {at: 2m, kind: network.switch_down, target: "switch:c1-sw", for: 6m}\n'
    )
    play_scenario(read_scenario(path), ledger, console=Console(file=io.StringIO()), log=io.StringIO())
    storms = [record.event for record in read(ledger) if isinstance(record.event, StormBegan | StormOver)]
    assert storms == [StormBegan(ill=24), StormOver()]
