"""`terrahash replay --simulate`: a recorded incident's site, simulated, its fault once more, and today's agent let act.

What today decides on what was read then, `--redecide` says exactly. Here the site answers to what is done, as a
simulated site does: it says what the agent would do, and how that might end.
"""

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from agent.cli.faults import shown
from agent.cli.output import Nowhere
from agent.cli.reenact_fault import Guess, guess
from agent.cli.reenact_site import Standing, announced, part_of, require_bounded, standing
from agent.cli.scenario_run import EPOCH_S, play_scenario
from agent.config import Settings, load
from agent.config.canonical import decoded, encoded
from agent.config.scenario import Scenario, TierName, Timed
from agent.config.scenario.history import HistoryPlan
from agent.config.scenario.orders import OrderPlan
from agent.ledger.episode import Episode
from agent.model.events import WindowSet
from agent.model.guard import Mode
from agent.model.incident import Attempt, Incident, Outcome, Phase
from agent.model.memory import Memory
from agent.model.recording import Recording
from agent.model.scope import miners_in
from agent.model.topology import Site
from agent.model.windows import Purpose
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, duration, instant, later, named

SET_S = 1.0
"""Site time at which the windows begin that were in force then."""

BEGINS_S = 3600.0
"""Site time at which the fault begins: by then the agent has learned what is usual there, as it had then."""

LONGEST_S = 8 * 3600.0
"""No simulation goes on for longer, in site time; it ends as soon as the incident has."""

SEED = 1


@dataclass(frozen=True, slots=True)
class Reenacted:
    """What came of it.

    Attributes:
        then: the incident as it was. now: as the simulation's agent had it; None where it found none.
        others: what else it found. began_at: UTC s, of the simulation, at which the fault began.
        site: what was simulated, of a site of `whole` miners. stood: how it had to be set up. windows: in force then.
    """

    then: Incident
    now: Incident | None
    others: int
    began_at: float
    guessed: Guess
    site: Site
    whole: int
    stood: Standing
    windows: int

    @property
    def is_over(self) -> bool:
        """Whether the agent found it and came to an end with it."""
        return self.now is not None and (not self.now.is_open or self.now.phase is Phase.ESCALATED)


def simulate(found: Episode, recording: Recording, config: Path | None, *, as_json: bool) -> bool:
    """Simulate a recorded incident and print what was done, then and now; return whether it came to an end.

    Args:
        found: the incident with its events.
        recording: what was read around it.
        config: the configuration that the agent goes by; the recorded one where None.
        as_json: print JSON.

    Raises:
        NotSimulableError, RecordingError: it cannot be simulated.
    """
    done = reenact(found, recording, None if config is None else load(config))
    if as_json:
        write_json(_plain(done), sys.stdout)
    else:
        show(_tables(done), sys.stdout)
    return done.is_over


def reenact(found: Episode, recording: Recording, settings: Settings | None = None) -> Reenacted:
    """Return what today's agent does about the incident on a simulated site; arguments and errors as of `simulate`."""
    site = part_of(recording, found.incident)
    guessed = guess(found.incident, found.records, recording, site)
    stood = standing(recording, site)
    # Of a configuration only what decides goes in, as it does into a recording: no login, and nobody is told of it.
    deciding = decoded(recording.head.settings if settings is None else encoded(settings), site)
    require_bounded(deciding)
    windows = announced(recording, site)
    scenario = _scenario(recording, replace(deciding, mode=Mode.AUTO, trust={}), guessed, windows)

    def is_enough(memory: Memory) -> bool:
        now = _same(found.incident, memory.incidents.values())
        return now is not None and (not now.is_open or now.phase is Phase.ESCALATED)

    with TemporaryDirectory(prefix="terrahash-replay-") as folder:
        played = play_scenario(
            scenario,
            Path(folder) / "ledger.sqlite3",
            console=Console(file=io.StringIO()),
            log=Nowhere(),
            prepare=stood.impose,
            is_enough=is_enough,
        )
    now = _same(found.incident, played.incidents)
    return Reenacted(
        then=found.incident,
        now=now,
        others=len(played.incidents) - (now is not None),
        began_at=EPOCH_S + BEGINS_S,
        guessed=guessed,
        site=site,
        whole=len(recording.head.site.miners),
        stood=stood,
        windows=len(windows),
    )


def _scenario(recording: Recording, settings: Settings, guessed: Guess, windows: Sequence[WindowSet]) -> Scenario:
    head, site = recording.head, settings.site
    left_s = {w.window: min(LONGEST_S, w.until - head.detected_at + BEGINS_S) for w in windows}
    curtailed = [
        Timed(
            "site.curtailed",
            SET_S,
            targets := tuple(f"miner:{miner}" for miner in miners_in(site, window.scope)),
            len(targets),
            left_s[window.window],
            {"to_percent": int(100.0 * window.share), "within_s": 0.0},
        )
        for window in windows
        if window.purpose is Purpose.CURTAILED
    ]
    return Scenario(
        name=f"{head.incident} simulated",
        path=Path(),
        seed=SEED,
        duration_s=LONGEST_S,
        tier=TierName.FAST_FORWARD,
        settings=settings,
        faults=(*curtailed, guessed.at(BEGINS_S)),
        expect=(),
        history=HistoryPlan(),
        people=(),
        orders=tuple(
            OrderPlan(SET_S, window.purpose, window.scope, left_s[window.window], window.share, window.why)
            for window in windows
        ),
    )


def _same(then: Incident, found: Iterable[Incident]) -> Incident | None:
    """Return which of the simulation's incidents is the one that was recorded; None where none is."""
    near = [one for one in found if one.outcome is not Outcome.SUPPRESSED and _overlap(then, one)]
    return max(
        near,
        key=lambda one: (one.category is then.category, one.domain == then.domain, _overlap(then, one)),
        default=None,
    )


def _overlap(one: Incident, other: Incident) -> int:
    return len({*one.members} & {*other.members})


# -- what is said of it ------------------------------------------------------------------------------------------------


def _tables(done: Reenacted) -> list[Table]:
    then, now = done.then, done.now
    sides = [_side(then), [NOTHING] * len(SIDES) if now is None else _side(now)]
    rows = [(name, *pair) for name, pair in zip(SIDES, zip(*sides, strict=True), strict=True)]
    attempts = zip_longest(then.attempts, () if now is None else now.attempts)
    did = [(str(k), _did(a, then), _did(b, now)) for k, (a, b) in enumerate(attempts, 1)]
    title = f"{then.id} · detected {instant(then.detected_at)} · simulated from its recorded starting state"
    return [
        Table(title, ("", "then", "simulated"), rows),
        Table("What was done", ("", "then", "simulated"), did, frozenset(("",)), tuple(_notes(done))),
    ]


SIDES = (
    "seen as",
    "miners",
    "first action",
    "mitigated",
    "person asked",
    "ended",
    "after",
    "states",
    "left to a person",
)


def _side(incident: Incident) -> list[str]:
    since = incident.detected_at
    ended_at = incident.escalated_at if incident.phase is Phase.ESCALATED else incident.resolved_at
    started_at, mitigated_at = incident.remediation_started_at, incident.mitigated_at
    return [
        f"{incident.category}, {incident.cause}" + (f" at {incident.domain}" if incident.domain else ""),
        named(incident.members),
        NOTHING if started_at is None else later(started_at - since),
        NOTHING if mitigated_at is None else later(mitigated_at - since),
        NOTHING if incident.escalated_at is None else later(incident.escalated_at - since),
        _ended(incident),
        NOTHING if ended_at is None else later(ended_at - since),
        NOTHING if incident.run is None else f"{incident.run.playbook}: {' → '.join(incident.run.path)}",
        incident.leaves or NOTHING,
    ]


def _ended(incident: Incident) -> str:
    if incident.phase is Phase.ESCALATED:
        return f"a person is asked: {incident.escalation_reason}"
    return incident.phase.value if incident.is_open else incident.outcome.value


def _did(attempt: Attempt | None, incident: Incident | None) -> str:
    if attempt is None or incident is None:
        return NOTHING
    result = "in flight" if attempt.result is None else attempt.result
    detail = f" ({attempt.detail})" if attempt.detail else ""
    return f"{later(attempt.at - incident.detected_at)}  {attempt.verb}: {result}{detail}"


def _notes(done: Reenacted) -> Iterator[str]:
    guessed = done.guessed
    told = [*(f"{name} {shown(value)}" for name, value in guessed.params.items())]
    how = f" with {', '.join(told)}" if told else ""
    yield f"taken to have been {guessed.kind} at {named(guessed.targets)}{how}: {guessed.why}"
    if guessed.for_s is not None:
        yield f"it passes by itself, after {duration(guessed.for_s)}"
    part = (
        f"{len(done.site.miners)} of its {done.whole} miners"
        if len(done.site.miners) < done.whole
        else "the whole site"
    )
    yield f"{part} in fast-forward; set as recorded: {done.stood.words or 'nothing, it stood as the inventory has it'}"
    if done.windows:
        yield f"announced windows in force, as then: {done.windows}"
    if done.now is None:
        yield f"the agent did not find it within {duration(LONGEST_S)}"
    else:
        found_s = done.now.detected_at - done.began_at
        yield f"found {duration(max(0.0, found_s))} after it began; when it began then is not known"
    if done.others:
        yield f"other incidents found besides: {done.others}"
    yield f"the agent may act, within its guards, and remembers but {duration(BEGINS_S)} of a site that is well"
    yield "Simulated: how the site takes what is done is the simulator's word, and so is all that follows from it."


def _plain(done: Reenacted) -> dict[str, object]:
    guessed, now = done.guessed, done.now
    return {
        "incident": done.then.id,
        "simulated": True,
        "fault": {"kind": guessed.kind, "targets": guessed.targets, "params": guessed.params, "for_s": guessed.for_s},
        "guessed_by": {"ended_by": guessed.ended, "readings": guessed.shown},
        "miners": len(done.site.miners),
        "of": done.whole,
        "set_as_recorded": done.stood.words,
        "found_after_s": None if now is None else now.detected_at - done.began_at,
        "other_incidents": done.others,
        "over": done.is_over,
        "then": _plain_side(done.then),
        "now": None if now is None else _plain_side(now),
    }


def _plain_side(incident: Incident) -> dict[str, object]:
    since = incident.detected_at
    return {
        "category": incident.category,
        "cause": incident.cause,
        "domain": incident.domain,
        "members": incident.members,
        "phase": incident.phase,
        "outcome": incident.outcome,
        "escalation": incident.escalation_reason,
        "playbook": None if incident.run is None else incident.run.playbook,
        "path": [] if incident.run is None else incident.run.path,
        "mitigated_after_s": None if incident.mitigated_at is None else incident.mitigated_at - since,
        "resolved_after_s": None if incident.resolved_at is None else incident.resolved_at - since,
        "escalated_after_s": None if incident.escalated_at is None else incident.escalated_at - since,
        "actions": [
            {"after_s": a.at - since, "verb": a.verb, "state": a.state, "result": a.result, "detail": a.detail}
            for a in incident.attempts
        ],
    }
