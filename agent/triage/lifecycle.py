"""Incident lifecycle: a firing verdict opens an incident, joins one, or belongs to one; a returning one re-opens it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.model.action import VERB_TRAITS, Risk
from agent.model.columns import Bools
from agent.model.events import (
    AnyEvent,
    IncidentAbsorbed,
    IncidentJoined,
    IncidentOpened,
    IncidentReclassified,
    IncidentRelapsed,
    IncidentUpdated,
)
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Attempt, Category, Health, Incident, Outcome, Reason, Severity
from agent.model.memory import Memory
from agent.model.safety import DANGER
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.topology import FAMILY_TRAITS
from agent.model.verdicts import Verdicts
from agent.triage import devices, ends
from agent.triage.brake import braked as brake
from agent.triage.correlate import (
    BY_REPLIES,
    CLASSES,
    WINDOW_S,
    Correlator,
    Shared,
    is_by_replies,
    is_free,
    is_untouched,
    taken_over,
)
from agent.triage.cover import BRAKE_AT, Symptom
from agent.triage.ends import NAMED_FOR_EACH, is_shared, stragglers
from agent.triage.limits import TriageLimits
from agent.triage.sleepers import braked as drowsy
from agent.triage.sleepers import curtailed, joined, sleepers

_FIRING, _SILENT = int(Health.FIRING), int(Reach.SILENT)
"""As plain numbers: numpy takes five times as long to compare with a member of an enumeration."""

CRITICAL_SHARE = 0.10
HIGH_SHARE = 0.01
"""Shares of the site's hashrate from which an incident is critical or high (KPI reference, severities)."""

_WORSE = frozenset(
    {
        (Reason.UNSTEADY_POOL, Reason.NO_POOL),
        (Reason.LOOP_HOT, Reason.COOLING_LOST),
        (Reason.OVERHEATED, Reason.OVERTEMP_CUT_OUT),
    }
)
"""Causes that may turn into another one though miners share them and a person was asked: of this he was not told."""

_MAY_WORSEN = frozenset({cause for cause, _ in _WORSE})

TOGETHER_S = 20.0
"""Who loses a pool together with others shows it within two polls of them."""

_OF_SILENCE = frozenset({Category.NETWORK, Category.STUCK})

_CRITICAL = DANGER | {Reason.FOREIGN_POOL}
"""Who works for strangers, who stopped for its safety, and who is not cooled, whatever its share of the hashrate."""


@dataclass(frozen=True, slots=True)
class Triage:
    """One tick's result.

    Attributes:
        events: what to record.
        recovered: the open incidents whose symptom has cleared.
        braked: miners to which nothing is done alone until it is known what they share, shape (n,); None for none.
        drowsy: miners that somebody may want asleep, as most around them sleep, shape (n,); None for none.
        undecided: the open incidents of one miner each that wait until its neighbours have been judged as well.
        ill: how many miners of open incidents show something still, and are not just asleep unannounced.
    """

    events: list[AnyEvent]
    recovered: frozenset[IncidentId]
    braked: Bools | None
    drowsy: Bools | None = None
    undecided: frozenset[IncidentId] = frozenset()
    ill: int = 0


@dataclass(slots=True)
class _Tick:
    """What one tick finds.

    Attributes:
        claims: for each firing row the verdict that owns it: the first that fires, in the order of the detectors.
        firing: every pair of category and row that fires.
        owners: the open incident that each firing row's miner is a member of.
        mute: rows whose silence or heat owns them, whatever they say of their work.
        groups: rows without an incident by what they share, to be opened or joined together.
        reopened: incidents that this tick re-opens. worsened: shared ones that it gives another cause.
        shows: which rows show which symptom that a shared cause can have.
        taken: rows that a shared cause has been found for in this tick. waits: rows whose cause is about to be found.
        asleep: rows that sleep though nobody has announced it; None for none.
    """

    view: SiteView
    memory: Memory
    limits: TriageLimits
    now: float
    claims: dict[int, Verdicts] = field(default_factory=dict)
    firing: dict[tuple[Category, int], Verdicts] = field(default_factory=dict)
    owners: Mapping[int, Incident | None] = field(default_factory=dict)
    mute: set[int] = field(default_factory=set)
    groups: dict[tuple[Category, str], list[int]] = field(default_factory=dict)
    reopened: set[IncidentId] = field(default_factory=set)
    worsened: set[IncidentId] = field(default_factory=set)
    opened: int = 0
    shows: Mapping[Symptom, Bools] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)
    waits: Bools | None = None
    asleep: Bools | None = None

    def miner(self, row: int) -> MinerId:
        return self.view.site.miners[row].id

    @property
    def shown(self) -> ends.Shown:
        """What its miners show, as the ends of incidents are judged by."""
        return ends.Shown(self.view, self.memory, self.now, self.claims, self.firing, self.mute, self.asleep)

    def next_id(self) -> IncidentId:
        self.opened += 1
        return self.memory.incident_id(self.opened - 1)


def triage(
    view: SiteView,
    memory: Memory,
    verdicts: Sequence[Verdicts],
    limits: TriageLimits,
    now: float,
    *,
    correlator: Correlator,
) -> Triage:
    """Turn verdicts into incidents.

    A miner is a member of one open incident at a time, whatever else it shows meanwhile. Where the evidence names
    something shared (a pool), or a shared cause explains what many show at once, all that show it are one incident,
    and what some of them had been opened for alone is part of it. A symptom that changes before anything was done may
    turn out to be another class's; afterwards it stays what it was. But who is too warm while a pool is lost, or ails
    of something else once it was well there, has an incident for that, and goes back to the pool's afterwards. Within
    `min_healthy_s` of an incident's end the same symptom re-opens it.

    Args:
        view: the columns.
        memory: the incidents so far.
        verdicts: one for each detector; where several fire for a row, the first of them owns it.
        limits: how long a closed incident may relapse.
        now: UTC s.
        correlator: what names shared causes.
    """
    tick = _Tick(view, memory, limits, now)
    firing = [(verdict, (verdict.health == _FIRING).nonzero()[0]) for verdict in verdicts]
    for verdict, fired in firing:
        category = verdict.category
        for row in fired.tolist():
            owns = tick.claims.setdefault(row, verdict)
            tick.firing.setdefault((category, row), verdict)
            if owns.category in BY_REPLIES and (
                category is Category.THERMAL or (category in _OF_SILENCE and view.reach[row] == _SILENT)
            ):
                tick.claims[row] = verdict
                tick.mute.add(row)
    events: list[AnyEvent] = []
    seen = correlator.look(view, memory, tick.claims, now)
    tick.shows, tick.waits = seen.shows, seen.waits
    tick.asleep = sleepers(view, memory)
    held = [seen.braked, brake(view, memory, correlator.cover, firing, now)]
    meant_to_sleep: Bools | None = None
    if tick.asleep is not None:
        events.extend(joined(view, memory, correlator, tick.asleep, now))
        seen.shared.extend(curtailed(view, memory, correlator, tick.asleep, now))
        meant_to_sleep = drowsy(view, correlator, tick.asleep, now)
        held.append(meant_to_sleep)
    for shared in seen.shared:
        events.extend(_share(tick, shared))
    owner, miners = memory.owner, view.site.miners
    tick.owners = {row: owner(miners[row].id) for row in tick.claims}
    for row, verdict in tick.claims.items():
        if row not in tick.taken and not _stays(tick.owners[row], verdict):
            events.extend(_claim(tick, row, verdict, correlator))
    for (category, domain), rows in tick.groups.items():
        events.extend(_gather(tick, category, domain, rows, correlator))
    shown = tick.shown
    standing = ends.about_miners(shown)
    events.extend(ends.mitigated(shown, standing))
    events.extend(devices.changes(view, memory, verdicts, limits, now, next_id=tick.next_id))
    brakes = [rows for rows in held if rows is not None and rows.any()]
    recovered = ends.recovered(shown, standing) | devices.recovered(memory, verdicts)
    undecided = frozenset() if seen.undecided is None else _single(tick, seen.undecided)
    braked = np.logical_or.reduce(brakes) if brakes else None
    return Triage(events, recovered, braked, meant_to_sleep, undecided, _ill(tick))


def _ill(tick: _Tick) -> int:
    """Return how many miners of open incidents are ill now: a person may have one for days whose members are well."""
    return sum(owner is not None and owner.cause is not Reason.CURTAILED for owner in tick.owners.values())


def _single(tick: _Tick, rows: Bools) -> frozenset[IncidentId]:
    """Return the incidents of one of these silent miners each in which nothing has been done or asked yet."""
    owners = (owner for row, owner in tick.owners.items() if rows[row] and tick.view.reach[row] == _SILENT)
    return frozenset(owner.id for owner in owners if owner is not None and is_untouched(owner))


def _share(tick: _Tick, shared: Shared) -> list[AnyEvent]:
    """Return the one incident of a shared cause, and what its members had been opened for alone."""
    rows = shared.group.rows.tolist()
    members, domain = tuple(map(tick.miner, rows)), str(shared.group.domain)
    tick.taken.update(rows)
    latest = tick.memory.latest(shared.category, members[0])
    again = latest is not None and latest.domain == domain and latest.cause is shared.cause
    alone = taken_over(map(tick.memory.owner, members))
    event: AnyEvent
    if latest is not None and again and not tick.limits.is_past(latest, tick.now):
        parent = latest.id
        event = IncidentRelapsed(
            incident=parent, cause=shared.cause, detected_at=shared.since, evidence=shared.evidence
        )
    else:
        parent = tick.next_id()
        event = IncidentOpened(
            incident=parent,
            category=shared.category,
            cause=shared.cause,
            severity=_severity(tick.view, members, shared.cause, domain),
            members=members,
            detected_at=shared.since,
            evidence=shared.evidence,
            domain=domain,
        )
    return [*(IncidentAbsorbed(incident=child, parent=parent) for child in alone), event]


def _absorbed(tick: _Tick, row: int, correlator: Correlator) -> list[AnyEvent]:
    """Return what makes a late row a member of the open incident of a shared cause; nothing where there is none."""
    miner = tick.miner(row)
    owner = tick.owners[row]
    if not is_free(owner):
        return []
    for symptom, (category, cause) in CLASSES.items():
        if symptom not in tick.shows or not tick.shows[symptom][row]:
            continue
        for incident in tick.memory.open_incidents:
            kindred = incident.category is category and incident.cause is cause
            if kindred and correlator.absorbs(incident, row, tick.now):
                child = [IncidentAbsorbed(incident=part, parent=incident.id) for part in taken_over([owner])]
                severity = _severity(tick.view, (*incident.members, miner), cause, incident.domain)
                joined = IncidentJoined(
                    incident=incident.id, members=(miner,), severity=min(severity, incident.severity)
                )
                return [*child, joined]
    return []


def _claim(tick: _Tick, row: int, verdict: Verdicts, correlator: Correlator) -> list[AnyEvent]:
    """Return what a firing row changes; rows that share something are put aside."""
    if tick.shows and (late := _absorbed(tick, row, correlator)):
        return late
    owner = tick.owners[row]
    if owner is not None and not _is_done_with(tick, owner, row):
        return _taken_in(tick, owner, row, verdict) or _update(tick, owner, row, verdict)
    if tick.waits is not None and tick.waits[row]:
        return []
    if (again := _relapsed(tick, row, verdict)) is not None:
        return again
    domain = verdict.evidence.domain(row)
    if domain:
        tick.groups.setdefault((verdict.category, domain), []).append(row)
        return []
    return [_open(tick, verdict, [row], "", correlator)]


def _stays(owner: Incident | None, verdict: Verdicts) -> bool:
    """Whether what one of its miners shows changes nothing about an incident: a person has it, and it gets no worse."""
    if owner is None or _is_undecided(owner) or owner.cause in _MAY_WORSEN:
        return False
    return not owner.domain or (len(owner.members) == 1 and verdict.category is owner.category)


def _taken_in(tick: _Tick, owner: Incident, row: int, verdict: Verdicts) -> list[AnyEvent]:
    """Return what makes a miner part of what its detector has found meanwhile that others share with it.

    It was only the first to show it, and nothing was done about it yet.
    """
    if owner.domain or owner.category is not verdict.category or not is_untouched(owner):
        return []
    domain = verdict.evidence.domain(row)
    shared = tick.memory.shared(verdict.category, domain) if domain else None
    if shared is None or shared.is_of_device:
        return []
    members = (tick.miner(row),)
    severity = min(shared.severity, _severity(tick.view, (*shared.members, *members), shared.cause, domain))
    joined = IncidentJoined(incident=shared.id, members=members, severity=severity)
    return [IncidentAbsorbed(incident=owner.id, parent=shared.id), joined]


def _is_done_with(tick: _Tick, owner: Incident, row: int) -> bool:
    """Whether what a member of a pool's incident shows is none of the pool's: too warm, gone, or well meanwhile.

    Such an incident may be a person's for days, for the sake of a few of its members. Some firmware starts anew when it
    has no work: who is silent is gone when it has been for longer than its family takes for that.
    """
    if not is_by_replies(owner):
        return False
    shows, view = tick.claims[row].category, tick.view
    grace_s = FAMILY_TRAITS[view.site.miners[row].family].boot_grace_s
    is_gone = shows in _OF_SILENCE and view.reach[row] == Reach.SILENT and tick.now - view.missing_since[row] > grace_s
    return shows is Category.THERMAL or is_gone or (owner.category, row) not in tick.firing


def _relapsed(tick: _Tick, row: int, verdict: Verdicts) -> list[AnyEvent] | None:
    """Return what re-opens the incident that this is a relapse of; None where it is none."""
    latest = tick.memory.latest(verdict.category, tick.miner(row))
    cause = verdict.evidence.reason(row)
    if latest is None or not _is_kindred(latest, cause) or tick.limits.is_past(latest, tick.now):
        return None
    if is_shared(latest) or (verdict.evidence.domain(row) and cause not in NAMED_FOR_EACH):
        return None  # a relapse only where many of them show it again; and what many share is none of one's own
    if latest.id in tick.reopened:
        return []
    tick.reopened.add(latest.id)
    since, evidence = float(verdict.since[row]), verdict.evidence.of(row)
    return [IncidentRelapsed(incident=latest.id, cause=cause, detected_at=since, evidence=evidence)]


def _returned(tick: _Tick, category: Category, domain: str, rows: list[int]) -> Incident | None:
    """Return the incident that these miners' loss of what they share is a relapse of; None where it is none."""
    for row in rows:
        latest = tick.memory.latest(category, tick.miner(row))
        if latest is not None and latest.domain == domain and is_shared(latest):
            is_rest = len(rows) <= stragglers(latest, len(latest.members))
            return None if is_rest or tick.limits.is_past(latest, tick.now) else latest
    return None


def _gather(tick: _Tick, category: Category, domain: str, rows: list[int], correlator: Correlator) -> list[AnyEvent]:
    """Return the events for rows whose detector names something that they share: they join its incident, or open it.

    A detector that looks at each miner by itself names for one what only many show to be at fault: these are one
    incident when there are so many that it is no chance, and what had been opened for one of them is part of it.
    """
    verdict = tick.firing[(category, rows[0])]
    open_ones = [i for i in tick.memory.open_incidents if i.category is category and i.domain == domain]
    shared = next((i for i in open_ones if len(i.members) > 1), None)
    alone: list[Incident] = []
    if verdict.evidence.reason(rows[0]) in NAMED_FOR_EACH:
        if shared is None and not correlator.are_many(domain, len(open_ones) + len(rows)):
            waits_s = WINDOW_S if len(open_ones) + len(rows) >= BRAKE_AT else TOGETHER_S
            ripe = [row for row in rows if tick.now - verdict.since[row] >= waits_s]
            return [_open(tick, verdict, [row], domain, correlator) for row in ripe]
        alone = [incident for incident in open_ones if is_untouched(incident)]
        rows = [*(tick.view.site.rows[i.members[0]] for i in alone if i.members[0] in tick.view.site.rows), *rows]
    elif shared is None:
        shared = next(iter(open_ones), None)
    absorbed = [child.id for child in alone]
    parent = shared or _returned(tick, category, domain, rows)
    if parent is None:
        opened = _open(tick, verdict, rows, domain, correlator)
        return [*(IncidentAbsorbed(incident=child, parent=opened.incident) for child in absorbed), opened]
    events: list[AnyEvent] = [IncidentAbsorbed(incident=child, parent=parent.id) for child in absorbed]
    if parent is not shared:
        since, evidence = float(np.nanmin(verdict.since[rows])), verdict.evidence.of(rows[0])
        cause = verdict.evidence.reason(rows[0])
        events.append(IncidentRelapsed(incident=parent.id, cause=cause, detected_at=since, evidence=evidence))
    known = frozenset(parent.members)
    members = tuple(miner for row in rows if (miner := tick.miner(row)) not in known)
    if members:
        severity = _severity(tick.view, (*parent.members, *members), parent.cause, domain)
        events.append(IncidentJoined(incident=parent.id, members=members, severity=min(severity, parent.severity)))
    return events


def _open(tick: _Tick, verdict: Verdicts, rows: list[int], domain: str, correlator: Correlator) -> IncidentOpened:
    members = tuple(tick.miner(row) for row in rows)
    cause = verdict.evidence.reason(rows[0])
    weighed = correlator.weighed(Symptom.POOL, domain, rows) if cause in NAMED_FOR_EACH else {}
    return IncidentOpened(
        incident=tick.next_id(),
        category=verdict.category,
        cause=cause,
        severity=_severity(tick.view, members, cause, domain),
        members=members,
        detected_at=float(np.nanmin(verdict.since[rows])),
        evidence=verdict.evidence.of(rows[0]) | weighed,
        domain=domain,
    )


def _update(tick: _Tick, incident: Incident, row: int, verdict: Verdicts) -> list[AnyEvent]:
    """Return what a member's symptom changes about its incident: nothing once something was done.

    A new symptom is then what the deed did: booting, not hashing yet. The first one stands. But a stuck miner that was
    restarted in vain, or restarts by itself, was a firmware fault all along (docs/decisions/0014-flashing.md), and one
    that stops for its heat once it hashes again was hot all along; a hot loop that is not cooled any more cannot wait,
    nor can a hot miner that has stopped.
    """
    cause = verdict.evidence.reason(row)
    is_worse = (incident.cause, cause) in _WORSE
    if not (is_worse or _is_undecided(incident)):
        return []  # a person has it
    waits = (
        bool(_attempts(incident))
        and not (is_worse and cause in _CRITICAL)
        and not _did_not_hold(incident, verdict, cause)
    )
    if waits or incident.id in tick.worsened:
        return []
    if is_worse:
        tick.worsened.add(incident.id)
        return [_reclassified(tick, incident, row, verdict)]
    if incident.domain or cause == incident.cause:
        return []
    if verdict.category is not incident.category:
        known = (incident.category, row) in tick.firing or ends.is_anothers(tick.shown, incident, row)
        return [] if known else [_reclassified(tick, incident, row, verdict)]
    evidence = verdict.evidence.of(row)
    return [IncidentUpdated(incident=incident.id, cause=cause, severity=incident.severity, evidence=evidence)]


def _reclassified(tick: _Tick, incident: Incident, row: int, verdict: Verdicts) -> IncidentReclassified:
    cause = verdict.evidence.reason(row)
    return IncidentReclassified(
        incident=incident.id,
        category=verdict.category,
        cause=cause,
        severity=_severity(tick.view, incident.members, cause, incident.domain),
        evidence=verdict.evidence.of(row),
    )


def _did_not_hold(incident: Incident, verdict: Verdicts, cause: Reason) -> bool:
    """Whether what was done for a stuck miner, and settled, has shown that its firmware crashes, or heat stops it."""
    mild = all(VERB_TRAITS[a.verb].risk <= Risk.REBOOT for a in _attempts(incident))
    settled = incident.in_flight is None and mild
    shown = verdict.category is Category.FIRMWARE or cause is Reason.OVERTEMP_CUT_OUT
    return incident.category is Category.STUCK and shown and settled


def _is_undecided(incident: Incident) -> bool:
    """Whether no person has it: one who had it before a relapse is done with it."""
    return incident.asked_at is None


def _attempts(incident: Incident) -> list[Attempt]:
    """Return what was done since the symptom began, or began again."""
    return [attempt for attempt in incident.attempts if attempt.at >= incident.began]


def _is_kindred(incident: Incident, cause: Reason) -> bool:
    """Whether that cause can be a relapse of the incident; the class of all the rest holds things of many kinds.

    What was part of a shared cause never was an incident of its own.
    """
    if incident.outcome is Outcome.SUPPRESSED:
        return False
    return incident.category is not Category.OTHER or incident.cause is cause


def _severity(view: SiteView, members: Sequence[MinerId], cause: Reason, domain: str) -> Severity:
    """Return the severity by the share of the site's hashrate.

    What cannot wait is critical at once; a loss of a few percent is low.
    """
    if cause is Reason.DEGRADED:
        return Severity.LOW
    target_th = view.target_th()
    if not target_th.any():  # as all of them tell it, nothing is lost: what they could do is at stake
        target_th = view.nominal_th
    share = float(target_th[[view.site.rows[m] for m in members]].sum() / target_th.sum())
    if share >= CRITICAL_SHARE or cause in _CRITICAL:
        return Severity.CRITICAL
    return Severity.HIGH if share >= HIGH_SHARE or (domain and len(members) > 1) else Severity.MEDIUM
