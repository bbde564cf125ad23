"""`replay --simulate`: every class of recorded incident befalls a simulated site once more, and comes to an end."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from agent.cli.main import cli
from agent.cli.reenact import reenact
from agent.cli.reenact_fault import TABLE, Like, NotSimulableError, guess
from agent.cli.reenact_site import MOST_MINERS, announced, part_of, standing
from agent.cli.scenario_run import read_scenario
from agent.config.canonical import decoded, encoded
from agent.config.scenario import Timed
from agent.ledger.episode import Episode, episode
from agent.model.action import Result, Verb
from agent.model.domains import Kind
from agent.model.events import Actor, IncidentAbsorbed, IncidentOpened, Record, WindowEnded, WindowSet
from agent.model.ids import IncidentId, MinerId, PduId, WindowId
from agent.model.incident import Attempt, Incident, Outcome, Phase, Reason
from agent.model.recording import Array, Leaf, Recording, RecordingError
from agent.model.topology import Miner, Outlet, Pdu, Site
from agent.model.windows import EndReason, Purpose
from simulators.faults import FAULT_KINDS
from tests.golden import CLASSES, FIRST, FOLDER, kept


@cache
def recorded(name: str) -> tuple[Episode, Recording]:
    archive = kept(name)
    found = episode(archive.rows, FIRST, FOLDER)
    assert found is not None
    assert archive.recording is not None
    return found, archive.recording


# -- every class -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_what_befell_it_befalls_it_again_and_comes_to_an_end(name: str) -> None:
    found, recording = recorded(name)
    done = reenact(found, recording)
    (planned,) = read_scenario(FOLDER / f"{name}.yaml").faults
    assert isinstance(planned, Timed)
    assert (done.guessed.kind, done.guessed.targets) == (planned.kind, planned.targets)
    assert done.now is not None
    assert done.is_over
    then = done.then
    assert (done.now.category, done.now.members) == (then.category, then.members)
    assert done.now.cause in FAULT_KINDS[planned.kind].causes
    assert (done.now.phase, done.now.outcome) == (then.phase, then.outcome)
    assert {a.verb for a in done.now.attempts} == {a.verb for a in then.attempts}
    assert done.now.detected_at > done.began_at


def test_the_command_says_what_was_done_then_and_now_and_that_it_is_simulated() -> None:
    done = CliRunner().invoke(cli, ["replay", str(FOLDER / "network.zip"), "--simulate"])
    assert done.exit_code == 0, done.output
    assert "taken to have been network.port_hung at miner:r1-01: a bounced port ended it" in done.output
    assert "Simulated: how the site takes what is done is the simulator's word" in done.output
    assert done.output.count("bounce_port: ok") == 2


# -- what is guessed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.cause}-{row.kind}-{row.at}")
def test_the_table_says_nothing_that_the_simulator_does_not_know(row: Like) -> None:
    kind = FAULT_KINDS[row.kind]
    assert row.cause in kind.causes
    assert kind.counts or row.at == "cdu"
    assert set(row.params) <= set(kind.knobs)
    word = {"": "miner", Kind.BREAKER: "pdu"}.get(row.at, row.at)
    assert word in kind.on or "share_of_domain" in row.shows


def test_every_cause_that_is_recorded_is_in_the_table() -> None:
    own = {cause for cause in Reason if cause.name.startswith("OWN_")}
    assert {row.cause for row in TABLE} == set(Reason) - own


def opened(reason: Reason, domain: str = "", **evidence: float | str | bool | None) -> Callable[[Incident], Record]:
    return lambda incident: Record(
        1,
        incident.detected_at,
        Actor.AGENT,
        IncidentOpened(
            incident=incident.id,
            category=incident.category,
            cause=reason,
            severity=incident.severity,
            members=incident.members,
            detected_at=incident.detected_at,
            domain=domain,
            evidence=evidence,
        ),
        "",
        "",
    )


def guessed(
    make: Callable[[Incident], Record], ended: Verb | None = None, domain: str = "", *, human: bool = False
) -> str:
    found, recording = recorded("stuck")
    tried = () if ended is None else (Attempt(5, ended, "state", found.incident.detected_at + 10.0, Result.OK),)
    outcome = Outcome.HUMAN_RESOLVED if human else Outcome.AUTO_RESOLVED
    incident = replace(found.incident, domain=domain, attempts=tried, outcome=outcome)
    bare = replace(recording, stretches=(), frames=())
    return guess(incident, [make(incident)], bare, recording.head.site).kind


@pytest.mark.parametrize(
    ("make", "ended", "human", "kind"),
    [
        (opened(Reason.UNRESPONSIVE, draw_w=12.0, port_up=False), Verb.POWER_ON, False, "miner.psu_latched"),
        (opened(Reason.UNRESPONSIVE, draw_w=3.0, port_up=False), Verb.POWER_ON, True, "miner.psu_dead"),
        (opened(Reason.UNRESPONSIVE, draw_w=40.0, port_up=True), Verb.RESTART, False, "miner.process_died"),
        (opened(Reason.UNRESPONSIVE, draw_w=40.0, port_up=True), None, False, "miner.process_died"),
        (opened(Reason.UNRESPONSIVE), Verb.FLASH, False, "miner.firmware_corrupt"),
        (opened(Reason.CUT_OFF, port_up=False), None, True, "network.cable_cut"),
        (opened(Reason.CUT_OFF, port_up=True, port_pvid=999, usual_pvid=20), None, True, "network.wrong_vlan"),
        (opened(Reason.CUT_OFF, port_up=True), Verb.REBIND, False, "network.address_moved"),
        (opened(Reason.REJECTS, by="rejected", bad_share=0.1), Verb.RESTART, False, "miner.rejects"),
        (opened(Reason.REJECTS, by="rejected", bad_share=0.1), Verb.RESTART, True, "miner.rejects_board"),
        (opened(Reason.DEGRADED, chips_up=60, chips=100), None, True, "miner.chips_lost"),
        (opened(Reason.DEGRADED, chips_up=100, chips=100, work_share=0.8), None, True, "miner.degraded"),
    ],
)
def test_what_is_alike_is_told_apart_by_what_was_read_and_by_what_ended_it(
    make: Callable[[Incident], Record], ended: Verb | None, human: bool, kind: str
) -> None:
    assert guessed(make, ended, human=human) == kind


@pytest.mark.parametrize(
    ("make", "domain", "why"),
    [
        (opened(Reason.UNRESPONSIVE, draw_w=900.0), "", "nothing that was tried ended it"),
        (opened(Reason.OWN_NETWORK), "", "no simulated fault is known to be own_network"),
        (opened(Reason.NO_POOL), "rack:r1", "no simulated fault is known to be no_pool in rack:r1"),
        (opened(Reason.REJECTS, by="stale"), "", "like none of miner.rejects_board, miner.rejects"),
        (opened(Reason.CUT_OFF), "switch:c9-sw", "cannot be simulated on the recorded site"),
    ],
)
def test_what_is_like_no_simulated_fault_is_refused_and_told_why(
    make: Callable[[Incident], Record], domain: str, why: str
) -> None:
    with pytest.raises(NotSimulableError, match=why):
        guessed(make, Verb.RESTART, domain, human=True)


def test_one_miner_without_its_pool_is_not_the_pool_that_is_gone() -> None:
    found, recording = recorded("pool")
    one = replace(found.incident, members=found.incident.members[:1])
    large = replace(
        recording.head.site,
        miners=tuple(
            replace(recording.head.site.miners[0], id=MinerId(f"r1-{k:02}"), host=f"10.9.0.{k}") for k in range(1, 9)
        ),
    )
    wide = replace(recording, head=msgspec.structs.replace(recording.head, site=large), frames=(), stretches=())
    told = guess(one, found.records, wide, large)
    assert (told.kind, told.targets) == ("miner.pool_client_hung", ("miner:r1-01",))
    assert guess(found.incident, found.records, wide, large).kind == "pool.hung"


def test_a_part_of_another_incident_has_no_cause_of_its_own() -> None:
    absorbed = IncidentAbsorbed(incident=FIRST, parent=IncidentId("inc-000009"))
    with pytest.raises(NotSimulableError, match="part of inc-000009"):
        guessed(lambda incident: Record(1, incident.detected_at, Actor.AGENT, absorbed, "", ""))


# -- the starting state ------------------------------------------------------------------------------------------------


def test_outlets_that_were_off_are_off_and_windows_that_were_in_force_are() -> None:
    found, recording = recorded("pool")
    site = recording.head.site
    first = recording.frames[0]
    states = first.state["outlet_state.value"].array
    pools = first.state["pool"].array
    assert states is not None
    assert pools is not None
    off, other = states.unpacked().copy(), pools.unpacked().copy()
    off[0], other[:] = 1.0, 1
    state = first.state | {"outlet_state.value": Leaf(Array.of(off)), "pool": Leaf(Array.of(other))}
    changed = replace(recording, frames=(msgspec.structs.replace(first, state=state), *recording.frames[1:]))
    stood = standing(changed, site)
    assert stood.off == site.miners[0].outlets[:1]
    assert set(stood.pools.values()) == {site.pools[1].id}
    assert standing(recording, site).words == ""

    at = recording.head.detected_at
    window = WindowSet(
        window=WindowId("w-000001"),
        purpose=Purpose.CURTAILED,
        scope=("miner:r1-02", "rack:gone"),
        miners=(MinerId("r1-02"),),
        share=0.0,
        until=at + 600.0,
        why="price",
    )
    ended = WindowEnded(window=window.window, reason=EndReason.RESUMED)

    def told(*events: WindowSet | WindowEnded) -> list[tuple[str, ...]]:
        records = tuple(Record(k, at - 60.0, Actor.OPERATOR, event, "", "") for k, event in enumerate(events, 1))
        return [one.scope for one in announced(replace(recording, records=records), site)]

    assert told(window) == [("miner:r1-02",)]
    assert told(window, ended) == []
    assert found.incident.phase is Phase.CLOSED


def test_of_a_large_site_the_part_around_the_incident_is_simulated() -> None:
    found, recording = recorded("stuck")
    one = recording.head.site.miners[0]
    pdus = tuple(
        replace(recording.head.site.pdus[0], id=PduId(f"p{k}"), host=f"10.1.{k // 200}.{k % 200}") for k in range(700)
    )
    others = tuple(
        replace(
            one, id=MinerId(f"m{k}"), host=f"10.2.{k // 200}.{k % 200}", outlets=(Outlet(PduId(f"p{k}"), 1),), port=None
        )
        for k in range(700)
    )
    site = recording.head.site
    large = replace(site, miners=(*site.miners, *others), pdus=(*site.pdus, *pdus))
    part = part_of(replace(recording, head=msgspec.structs.replace(recording.head, site=large)), found.incident)
    assert part.miners == site.miners
    assert part.pdus == site.pdus
    assert len(large.miners) > MOST_MINERS


# -- what a stranger sends ---------------------------------------------------------------------------------------------


def changed(site: Site, **changes: object) -> Site:
    return replace(site, **changes)  # type: ignore[arg-type]


def with_miner(site: Site, change: Callable[[Miner], Miner]) -> Site:
    return replace(site, miners=(change(site.miners[0]), *site.miners[1:]))


def with_pdu(site: Site, change: Callable[[Pdu], Pdu]) -> Site:
    return replace(site, pdus=(change(site.pdus[0]), *site.pdus[1:]))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: changed(s, miners=()),
        lambda s: changed(s, miners=(*s.miners, s.miners[0])),
        lambda s: changed(s, pdus=()),
        lambda s: with_pdu(s, lambda p: replace(p, outlet_count=10**9)),
        lambda s: with_pdu(s, lambda p: replace(p, voltage_v=float("nan"))),
        lambda s: changed(s, switches=(replace(s.switches[0], port_count=10**9),)),
        lambda s: changed(s, pools=()),
        lambda s: with_miner(s, lambda m: replace(m, power_w=float("inf"))),
        lambda s: with_miner(s, lambda m: replace(m, hashrate_th=-1.0)),
        lambda s: with_miner(s, lambda m: replace(m, host=s.miners[1].host)),
        lambda s: with_miner(s, lambda m: replace(m, outlets=(Outlet(s.pdus[0].id, -5),))),
        lambda s: with_miner(s, lambda m: replace(m, id=MinerId("m" * 200))),
    ],
)
def test_a_site_that_cannot_be_is_refused(spoil: Callable[[Site], Site]) -> None:
    found, recording = recorded("stuck")
    spoilt = replace(recording, head=msgspec.structs.replace(recording.head, site=spoil(recording.head.site)))
    with pytest.raises(RecordingError, match="do not trust"):
        reenact(found, spoilt)


def test_a_pace_that_would_never_end_is_refused() -> None:
    found, recording = recorded("stuck")
    head = recording.head
    settings = replace(decoded(head.settings, head.site), tick_s=1e-9)
    spoilt = replace(recording, head=msgspec.structs.replace(head, settings=encoded(settings)))
    with pytest.raises(RecordingError, match="expected a recorded period"):
        reenact(found, spoilt)


def test_what_does_not_fit_beside_it_or_was_not_recorded_is_refused(tmp_path: Path) -> None:
    for words in (["--redecide"], ["--html", str(tmp_path / "a.html")], ["--step"]):
        done = CliRunner().invoke(cli, ["replay", str(FOLDER / "stuck.zip"), "--simulate", *words])
        assert done.exit_code == 2, words
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes((FOLDER / "stuck.zip").read_bytes()[:-40])
    assert CliRunner().invoke(cli, ["replay", str(damaged), "--simulate"]).exit_code == 2
