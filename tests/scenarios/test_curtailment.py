"""Curtailment from the device to the ledger: a sleep that nobody announced is asked about, an announced one let be."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.scenario_run import EPOCH_S, Played, play_scenario, read_scenario
from agent.config.errors import ConfigError
from agent.config.scenario import TierName
from agent.ledger.reader import read
from agent.model.action import Verb
from agent.model.events import Actor, Closed, IncidentOpened, Intended, Judged, Moved, WindowEnded, WindowSet
from agent.model.incident import Outcome, Phase, Reason
from agent.model.windows import EndReason
from agent.remediate.reconcile import INTERRUPTED

NETWORK = f"10.{64 + os.getpid() % 60}.0.0/16"
TIERS = [TierName.FAST_FORWARD, TierName.MEMORY]
SITE = f"site: {{generate: {{miners: 12, racks_per_container: 2, miners_per_pdu: 12, network: {NETWORK}}}}}"


def play(folder: Path, tier: TierName, text: str, duration: str = "20m", *, site: str = SITE) -> tuple[Played, Path]:
    path, ledger = folder / "scenario.yaml", folder / "ledger.sqlite3"
    path.write_text(f"name: curtailment\nseed: 5\nduration: {duration}\n{site}\n{text}")
    console = Console(file=io.StringIO())
    return play_scenario(read_scenario(path, tier=tier), ledger, console=console, log=io.StringIO()), ledger


@pytest.mark.parametrize("tier", TIERS)
def test_a_sleep_that_nobody_announced_is_one_question_and_the_answer_ends_it(tmp_path: Path, tier: TierName) -> None:
    played, ledger = play(
        tmp_path,
        tier,
        'orders:\n  - {at: 12m, curtail: "rack:r1", for: 1h}\n'
        'faults:\n  - {at: 3m, kind: site.curtailed_unannounced, target: "rack:r1"}\n',
    )
    (incident,) = played.incidents
    assert (incident.cause, incident.domain, len(incident.members)) == (Reason.CURTAILED, "rack:r1", 6)
    assert incident.escalation_reason == "curtailed_by_whom"
    assert incident.escalated_at is not None
    assert incident.escalated_at - EPOCH_S < 3 * 60.0 + 240.0
    assert incident.outcome is Outcome.HUMAN_RESOLVED
    events = [record.event for record in read(ledger)]
    assert not [e for e in events if isinstance(e, Intended | Judged)]
    assert played.board["harm"]["actions_while_away"] == 0
    assert played.board["detection"]["recall"] == played.board["detection"]["precision"] == 1.0


@pytest.mark.parametrize("tier", TIERS)
def test_who_was_out_of_order_when_the_others_fell_asleep_is_mended_when_they_wake(
    tmp_path: Path, tier: TierName
) -> None:
    """It could not hear that it was to sleep; mended sooner, it would work while its rack is to draw nothing.

    Seed 2134 of the soak: hands were off the others of a rack for a quarter of an hour only, however long it slept.
    """
    played, ledger = play(
        tmp_path,
        tier,
        'faults:\n  - {at: 3m, kind: miner.process_died, target: "miner:r1-01"}\n'
        '  - {at: 4m, kind: site.curtailed, target: "rack:r1", for: 30m}\n',
        "75m",
    )
    mended = next(incident for incident in played.incidents if incident.members == ("r1-01",))
    assert mended.outcome is Outcome.AUTO_RESOLVED
    acted = [r.at - EPOCH_S for r in read(ledger) if isinstance(r.event, Intended)]
    assert acted
    assert min(acted) >= 34 * 60.0
    assert played.board["harm"]["actions_while_away"] == 0


@pytest.mark.parametrize("purpose", ["curtail", "maintain"])
def test_what_was_switched_off_before_a_curtailment_is_switched_on_in_it_and_under_nobodys_hands(
    tmp_path: Path, purpose: str
) -> None:
    """Seed 60132 of the soak: the miner's cycle was under way when the others were put to sleep; that is no harm."""
    kind = {"curtail": "site.curtailed", "maintain": "site.maintenance"}[purpose]
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        f'orders:\n  - {{at: 6m50s, {purpose}: "rack:r1", for: 20m}}\n'
        'faults:\n  - {at: 3m, kind: miner.control_board_hung, target: "miner:r1-01"}\n'
        f'  - {{at: 6m50s, kind: {kind}, target: "rack:r1", for: 20m}}\n',
        "60m",
    )
    at = {e.action.verb: r.at - EPOCH_S for r in read(ledger) if isinstance(e := r.event, Intended)}
    assert at[Verb.POWER_OFF] < 410.0
    assert (410.0 < at[Verb.POWER_ON] < 600.0) is (purpose == "curtail")
    assert played.board["harm"]["actions_while_away"] == 0


def test_people_whose_time_is_up_unplug_no_more_miners(tmp_path: Path) -> None:
    """They come to one a minute, and after two minutes have come to some of a rack; the others are let alone."""
    played, _ = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'orders:\n  - {at: 3m, maintain: "rack:r1", for: 2m}\n'
        'faults:\n  - {at: 3m, kind: site.maintenance, target: "rack:r1", for: 2m}\n',
        "60m",
    )
    assert not played.incidents
    assert played.board["harm"]["miner_minutes_lost"] == 0


def test_a_rack_of_three_that_falls_asleep_is_a_curtailment_all_the_same(tmp_path: Path) -> None:
    small = SITE.replace("racks_per_container: 2", "racks_per_container: 4")
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'faults:\n  - {at: 3m, kind: site.curtailed_unannounced, target: "rack:r1"}\n',
        site=small,
    )
    (incident,) = played.incidents
    assert (incident.cause, incident.domain, len(incident.members)) == (Reason.CURTAILED, "rack:r1", 3)
    assert incident.escalation_reason == "curtailed_by_whom"
    assert not [r for r in read(ledger) if isinstance(r.event, Intended)]


def test_five_of_twelve_are_nobodys_curtailment_and_no_fault(tmp_path: Path) -> None:
    played, _ = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'faults:\n  - {at: 3m, kind: site.curtailed_unannounced, target: "rack:r1", coverage: 0.8}\n',
    )
    assert played.incidents == ()


def test_a_schedule_announces_and_ends_by_itself_with_its_own_name_on_record(tmp_path: Path) -> None:
    schedule = (
        '{name: peak, scope: "rack:r1", begins: "00:05", ends: "00:15", timezone: UTC, to_percent: 50, days: [thu]}'
    )
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        f"agent: {{expected: {{schedules: [{schedule}]}}}}\n"
        'faults:\n  - {at: 5m, kind: site.curtailed, target: "rack:r1", for: 10m, to_percent: 50}\n',
        "40m",
    )
    assert played.incidents == ()
    said = [(r.actor, r.event) for r in read(ledger) if isinstance(r.event, WindowSet | WindowEnded)]
    assert [(actor, type(event)) for actor, event in said] == [
        (Actor.SCHEDULE, WindowSet),
        (Actor.AGENT, WindowEnded),
    ]
    assert isinstance(said[0][1], WindowSet)
    assert said[0][1].share == 0.5


def test_an_incident_waits_while_its_miner_is_away_and_its_time_is_excused(tmp_path: Path) -> None:
    """The hung miner is not cycled under people's hands, and mended when they are gone."""
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'orders:\n  - {at: 4m30s, maintain: "miner:r1-01", for: 20m}\n'
        'faults:\n  - {at: 3m, kind: miner.control_board_hung, target: "miner:r1-01"}\n',
        "75m",
    )
    (incident,) = played.incidents
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert incident.excused_s == pytest.approx(20 * 60.0, abs=5.0)
    acted = [r.at - EPOCH_S for r in read(ledger) if isinstance(r.event, Intended)]
    assert acted
    assert not [at for at in acted if 4.5 * 60.0 <= at < 24.5 * 60.0]
    assert incident.runs == 2, "begun anew afterwards"
    assert next(e for r in read(ledger) if isinstance(e := r.event, Closed)).excused_s == incident.excused_s


def test_what_is_under_proof_when_a_window_begins_is_proved_afterwards_and_not_done_again(tmp_path: Path) -> None:
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'orders:\n  - {at: 15m, maintain: "miner:r1-01", for: 2m}\n'
        'faults:\n  - {at: 4m, kind: miner.rejects, target: "miner:r1-01", share: 0.2}\n',
        "3h",
    )
    (incident,) = played.incidents
    events = [r.event for r in read(ledger)]
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert [e.action.verb for e in events if isinstance(e, Intended)] == [Verb.RESTART]
    (again,) = (e for e in events if isinstance(e, Moved) and e.trigger == INTERRUPTED)
    assert again.from_state == again.to_state
    assert incident.runs == 1


def test_who_does_not_come_back_is_an_incident_of_its_own(tmp_path: Path) -> None:
    """One of the rack is still asleep when all the others work again: nobody has woken it, or it does not wake."""
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'agent: {triage: {restore_s: 60}}\norders:\n  - {at: 3m, curtail: "rack:r1", for: 10m}\n'
        'faults:\n  - {at: 3m, kind: site.curtailed, target: "rack:r1", for: 10m}\n'
        '  - {at: 4m, kind: site.curtailed, target: "miner:r1-03"}\n',
        "50m",
    )
    (incident,) = played.incidents
    assert incident.members == ("r1-03",)
    assert incident.cause is Reason.NOT_HASHING
    opened = next(r.at for r in read(ledger) if isinstance(r.event, IncidentOpened)) - EPOCH_S
    assert 13 * 60.0 + 60.0 + 360.0 < opened < 13 * 60.0 + 60.0 + 900.0 + 600.0
    assert incident.phase is not Phase.OPEN


def test_the_last_of_a_large_site_are_not_stuck_though_the_first_woke_long_ago(tmp_path: Path) -> None:
    """From `month`: 153 of 2,000 miners were called stuck, and five restarted, in the last batches of a curtailment."""
    played, _ = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'agent: {triage: {restore_s: 180}}\norders:\n  - {at: 3m, curtail: "site:generated", for: 10m}\n'
        'faults:\n  - {at: 3m, kind: site.curtailed, target: "site:generated", for: 10m, batch: 1, every_s: 90}\n',
        "40m",
    )
    assert played.incidents == ()


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ('{at: 1m, curtail: "rack:r9", for: 1h}', "matches none"),
        ('{at: 1m, curtail: "rack:r1"}', "the key for"),
        ('{at: 1m, maintain: "rack:r1", for: 13h}', "12h"),
        ('{at: 1m, resume: "rack:r1", for: 1h}', "unknown key 'for'"),
        ('{at: 1m, curtail: "rack:r1", maintain: "rack:r1", for: 1h}', "curtail and maintain"),
        ('{at: 1m, curtail: "rack:r1", to_percent: 100, for: 1h}', "0 to 99"),
        ('{at: 1m, curtail: "pool:backup", for: 1h}', "means no miner"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_its_place(tmp_path: Path, line: str, want: str) -> None:
    path = tmp_path / "scenario.yaml"
    site = SITE.replace("miners: 12", "miners: 12, pools: 2")
    path.write_text(f"duration: 10m\n{site}\norders:\n  - {line}\n")
    with pytest.raises(ConfigError) as refused:
        read_scenario(path)
    told = "\n".join(f"{p.place}: {p.path} {p.expected} {p.got} {p.remedy}" for p in refused.value.problems)
    assert want in told
    assert ":4:" in told


def test_an_order_means_as_many_as_its_pattern_does_and_one_that_is_refused_ends_nothing(tmp_path: Path) -> None:
    """A pattern that meant more than 64 miners, and a resume with nothing to resume, broke off the whole run."""
    played, ledger = play(
        tmp_path,
        TierName.FAST_FORWARD,
        'orders:\n  - {at: 2m, resume: "miner:*"}\n  - {at: 3m, maintain: "miner: *", for: 10m}\n'
        '  - {at: 9m, resume: "miner:*"}\n',
        site=SITE.replace("miners: 12", "miners: 96"),
    )
    assert played.refused == ((6, "no window lies within miner:*"),)
    said = [e for r in read(ledger) if isinstance(e := r.event, WindowSet | WindowEnded)]
    assert [(len(e.miners), e.scope) for e in said if isinstance(e, WindowSet)] == [(96, ("miner:*",))]
    assert [e.reason for e in said if isinstance(e, WindowEnded)] == [EndReason.RESUMED]
