"""When an incident is mitigated, and when its symptom has cleared: by what its members still show."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from agent.model.columns import Bools
from agent.model.events import AnyEvent, Mitigated
from agent.model.ids import IncidentId
from agent.model.incident import Category, Incident, Reason
from agent.model.loops import DOMAIN as LOOP
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts
from agent.triage.correlate import BY_REPLIES, SHARED_SHARE, explains_silence, is_by_replies, lingers
from agent.triage.cover import BRAKE_AT

NAMED_FOR_EACH = frozenset({Reason.NO_POOL})
"""Causes whose detector names what is at fault for each miner by itself: nobody looked whether others show the same."""

MOSTLY = 0.9
"""A shared cause has no effect any more when so many of its miners are well, or all but one: behind a breaker of three
a supply that died of it is its own. Of a pool's miners only the share counts: one of three may be a third of it all."""

COME_ALONG_S: Mapping[Reason, float] = {Reason.NO_POOL: 480.0, Reason.UNSTEADY_POOL: 480.0, Reason.REJECTS: 1800.0}
"""So long after most are well another pool has the others as well, and what they show later is their own. A Whatsminer
that was told hashes within 420 s (facts "detection", section 1.1); rejects are judged by 200 shares, which are 11 min
at 18 a minute, and twice that where a difficulty was doubled."""


Standing = Sequence[tuple[Incident, list[int]]]
"""Open incidents, each with the rows of those of its members that the inventory still has."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the site's miners show in one tick.

    Attributes:
        claims: for each firing row the verdict that owns it.
        firing: every pair of category and row that fires.
        mute: rows whose silence or heat owns them, whatever they say of their work.
        asleep: rows that sleep though nobody has announced it; None for none.
    """

    view: SiteView
    memory: Memory
    now: float
    claims: Mapping[int, Verdicts]
    firing: Mapping[tuple[Category, int], Verdicts]
    mute: AbstractSet[int]
    asleep: Bools | None


def about_miners(shown: Shown) -> Standing:
    """Return the open incidents about their members, not about a device that serves them, that may come to their end.

    Most incidents that are open are about one miner each, and stand.
    """
    place = shown.view.site.rows
    return [
        (incident, [place[miner] for miner in incident.members if miner in place])
        for incident in shown.memory.open_incidents
        if not (incident.is_of_device or _plainly_stands(shown, incident))
    ]


def _plainly_stands(shown: Shown, incident: Incident) -> bool:
    """Whether all that its one miner shows is what it is about, with no sign yet that this ends."""
    if len(incident.members) != 1 or not (_is_each_ones_own(incident) or is_by_replies(incident)):
        return False
    (miner,) = incident.members
    row, category = shown.view.site.rows.get(miner, -1), incident.category
    verdict = shown.claims.get(row)
    return (
        verdict is not None
        and verdict is shown.firing.get((category, row))
        and math.isnan(verdict.clear_since[row])
        and shown.memory.latest(category, miner) is incident
    )


def mitigated(shown: Shown, standing: Standing) -> list[AnyEvent]:
    """Return the incidents whose clear condition holds now for every member that fires, and did not before."""
    return [
        Mitigated(incident=incident.id)
        for incident, rows in standing
        if incident.mitigated_at is None and _has_no_effect(shown, incident, rows)
    ]


ONE_LOST = 1
"""Who has missed no more polls than that in a row answers: one is lost now and then."""


def recovered(shown: Shown, standing: Standing) -> frozenset[IncidentId]:
    """Return the open incidents whose symptom has cleared.

    A single device must show no symptom of any class, but what another open incident has it for. What members of a
    shared incident show besides is another incident's, once this one is over.
    """
    return frozenset([incident.id for incident, rows in standing if _is_over(shown, incident, rows)])


def is_anothers(shown: Shown, incident: Incident, row: int) -> bool:
    """Whether what a member shows now is what another open incident of several miners has it for: a pool's, say."""
    other = shown.memory.latest(shown.claims[row].category, shown.view.site.miners[row].id)
    return other is not None and other.id != incident.id and other.is_open and is_by_replies(other)


def is_shared(incident: Incident) -> bool:
    """Whether it is about something that several miners have in common."""
    return bool(incident.domain) and len(incident.members) > 1


def stragglers(incident: Incident, telling: int) -> int:
    """Return of how many members it does not matter what they still show: most of them have the pool back, or another.

    Who has not is out of order itself, and an incident of his own: the many would not be well by now. They are fewer
    than would be taken for many that lose it now.
    """
    if incident.cause not in COME_ALONG_S:
        return 0
    few = math.ceil(max(BRAKE_AT, SHARED_SHARE * telling)) - 1
    return min(telling - math.ceil(MOSTLY * telling), few)


def _has_no_effect(shown: Shown, incident: Incident, rows: list[int]) -> bool:
    """Whether the clear condition holds now for whoever of these members still fires."""
    if not _is_each_ones_own(incident):
        if explains_silence(incident) or incident.cause is Reason.CURTAILED:
            return sum(_shows(shown, incident, row) for row in rows) <= max(1, (1 - MOSTLY) * len(rows))
        rows = _telling(shown, incident, rows)
    found = [(row, _shown_of_it(shown, incident, row)) for row in rows]
    clear_since = [verdict.clear_since[row] for row, verdict in found if verdict is not None]
    ill = sum(map(math.isnan, clear_since))
    return bool(clear_since) and (not ill or (ill < len(rows) and ill <= stragglers(incident, len(rows))))


def _is_over(shown: Shown, incident: Incident, rows: list[int]) -> bool:
    if _is_each_ones_own(incident):
        ill = [row for row in rows if row in shown.claims]
        return not ill or all(_is_none_of_it(shown, incident, row) for row in ill)
    rows = _telling(shown, incident, rows)
    if _may_leave_some(shown, incident):
        still = [shown.firing[incident.category, row].clear_since[row] for row in rows if _ails(shown, incident, row)]
        # Who has a pool again, and is not proven yet, is waited for.
        return all(map(math.isnan, still)) and len(still) <= stragglers(incident, len(rows))
    return not any(_ails(shown, incident, row) for row in rows)


def _is_none_of_it(shown: Shown, incident: Incident, row: int) -> bool:
    """Whether what a miner shows is another incident's, or will be: it works, and what is amiss is with its shares.

    What this one was opened for has been gone for its whole clear window by then.
    """
    by_replies = shown.claims[row].category in BY_REPLIES and incident.category not in BY_REPLIES
    if by_replies and incident.mitigated_at is not None and (incident.category, row) not in shown.firing:
        return True
    return is_anothers(shown, incident, row)


def _ails(shown: Shown, incident: Incident, row: int) -> bool:
    if explains_silence(incident) or incident.cause is Reason.CURTAILED:
        return _shows(shown, incident, row) and not lingers(incident, shown.now)
    return _shown_of_it(shown, incident, row) is not None if incident.domain else row in shown.claims


def _shown_of_it(shown: Shown, incident: Incident, row: int) -> Verdicts | None:
    """Return what a member shows of what the incident is about; None for nothing.

    A loop that is well is over though one of its miners is hot by itself, which could not be looked after otherwise.
    """
    verdict = shown.firing.get((incident.category, row))
    if verdict is not None and incident.domain.startswith(LOOP) and verdict.evidence.domain(row) != incident.domain:
        return None
    return verdict


def _may_leave_some(shown: Shown, incident: Incident) -> bool:
    """Whether most of a pool's miners are well for so long that the others had the time for it, too."""
    mitigated_at, needed_s = incident.mitigated_at, COME_ALONG_S.get(incident.cause, math.inf)
    return mitigated_at is not None and shown.now - mitigated_at >= needed_s


def _is_each_ones_own(incident: Incident) -> bool:
    """Whether its members share nothing: each shows by itself whether it is over."""
    return not incident.domain and incident.cause is not Reason.CURTAILED


def _telling(shown: Shown, incident: Incident, rows: list[int]) -> list[int]:
    """Return those members whose state says something of the incident.

    Members that have fallen silent, or have stopped for their heat, say nothing any more of a pool that others have
    back; if nobody speaks, what they said last stands.
    """
    if not is_by_replies(incident) or shown.mute.isdisjoint(rows):
        return rows
    return [row for row in rows if row not in shown.mute] or rows


def _shows(shown: Shown, incident: Incident, row: int) -> bool:
    """Whether a member still shows what a shared cause was named for: silence, or a sleep that nobody has announced.

    Who answers and shows what another shared cause has it for, a pool that is still lost, is back from this one.
    """
    if incident.cause is Reason.CURTAILED:
        return shown.asleep is not None and bool(shown.asleep[row])
    answers = shown.view.misses[row] <= ONE_LOST
    return row in shown.claims and not (answers and is_anothers(shown, incident, row))
