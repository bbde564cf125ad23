"""Correlation: what many miners show at once, and which shared cause explains it. Pure; nothing is remembered.

Miners that fall silent together are told apart by what their outlets say: those without power are dark, those that
draw in full, or about whose power nothing can be read, are unreachable. A shared cause is named once half of the
symptoms are HOLD_S old, so that all of them have had time to show; until then the brake keeps hands off single miners,
and no incident is opened for one of them. Figures: facts "detection", section 3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.domains import Domains, Kind
from agent.model.ids import IncidentId
from agent.model.incident import Category, Evidence, Incident, Reason
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.verdicts import Verdicts
from agent.model.wiring import drawn, switched_off, wiring
from agent.triage import unseen
from agent.triage.cover import BRAKE_AT, Cover, Group, Symptom

HOLD_S = 60.0
"""From the symptoms until their shared cause is named: three polls of 10 s, and their jitter. Counted from when half of
them had begun: the first may be a miner's own, from just before."""

WINDOW_S = 120.0
"""Symptoms that began further apart have nothing to do with each other."""

ABSORB_S = 600.0
"""A shared incident takes in later members for so long: a stock Antminer that lost its network gives up after 5 to
10 min (facts "failures", row 25)."""

LINGER_S = 900.0
"""What members still show so long after their group was mitigated is their own."""

DARK_W = 3.0
"""Less than any supply's standby: nothing is drawn."""

WORK_SHARE = 0.8
"""Of its power at the share that it runs at: who draws that much works (facts "detection", section 7, D5)."""

WORK_LASTS_S = 90.0
"""For so long at least a miner goes on with the work that it has (facts "detection", section 1.3): what it draws later
says nothing of why it is silent, for who is cut off from its pool stops in the end, too."""

QUIET_S = 20.0
"""A miner that works sends shares and chatter every few seconds."""

UNREAD_S = 30.0
"""The PDU of a silent miner is read within seconds; one that was not read for so long does not answer."""

SHARED_SHARE = 0.05
"""So large a part of a pool's miners do not lose it each by itself: twelve of 240 in ten minutes, at one failure a
miner-day of which a sixth are the pool's, come once in ages."""

_SILENT = int(Reach.SILENT)
"""As a plain number: numpy takes five times as long to compare with a member of an enumeration."""

NAMED = 5
"""Members that the evidence names."""

CONSIDERED = "considered"
"""The key under which evidence has the causes that were weighed, with their scores against chance: the chosen first."""

CLASSES: Mapping[Symptom, tuple[Category, Reason]] = {
    Symptom.DARK: (Category.OTHER, Reason.POWER_LOST),
    Symptom.UNREACHABLE: (Category.NETWORK, Reason.CUT_OFF),
    Symptom.ASLEEP: (Category.OTHER, Reason.CURTAILED),
}
"""As what a shared cause is opened. Pools, loops and rejects name what they share themselves."""

BY_REPLIES = frozenset({Category.POOL, Category.REJECTS})
"""Known from what a miner says of its work: of one that says nothing nobody knows it any more."""

_OF_SILENCE = frozenset({CLASSES[Symptom.DARK], CLASSES[Symptom.UNREACHABLE]})


@dataclass(frozen=True, slots=True)
class Shared:
    """A shared cause, seen now.

    Attributes:
        since: UTC s at which the first of its symptoms was detected.
    """

    group: Group
    category: Category
    cause: Reason
    since: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Correlation:
    """One tick's result.

    Attributes:
        shared: the shared causes to open, the likeliest first.
        shows: which miners show which symptom, shape (n,) each.
        braked: miners to which nothing is done alone for now, shape (n,); None where there are none.
        waits: miners for which nothing is opened alone for now: what they share is about to be known; shape (n,).
        undecided: miners about which nothing is decided alone for now: nobody saw their silence begin, nor whose with
            it; shape (n,).
    """

    shared: list[Shared]
    shows: Mapping[Symptom, Bools]
    braked: Bools | None
    waits: Bools | None = None
    undecided: Bools | None = None


class Correlator:
    """Explains what the miners of one site show together.

    Attributes:
        cover: weighs its fault domains.
    """

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        self.cover = Cover(self._domains)
        self._switches = domains.of_kinds((Kind.SWITCH,))
        self._rows = int(domains.row.max(initial=-1)) + 1

    def look(self, view: SiteView, memory: Memory, claims: Mapping[int, Verdicts], now: float) -> Correlation:
        """Return what the firing rows have in common.

        Args:
            view: the columns.
            memory: the incidents so far.
            claims: the verdict that owns each firing row.
            now: UTC s.
        """
        rows = np.fromiter(claims, dtype=np.int64, count=len(claims))
        rows = rows[view.reach[rows] == _SILENT]
        if not rows.size:
            return Correlation([], {}, None)
        verdicts = np.array([claims[row].since[row] for row in rows.tolist()])
        began = np.fmax(verdicts, view.missing_since[rows])  # a verdict may have begun with something else
        alone = is_alone(view, memory, rows)
        undecided = unseen.undecided(view, self._domains, rows, alone, began, hold_s=HOLD_S, now=now)
        if rows.size < 2:
            return Correlation([], {}, None, undecided=undecided)
        known = [incident for incident in memory.open_incidents if explains_silence(incident)]
        if not (known or alone.any() or (now - began <= WINDOW_S).any()):
            return Correlation([], {}, None)  # all of it is old, and in somebody's hands
        since = np.full(len(view.reach), np.nan)
        since[rows] = unseen.as_if_together(view, rows, alone, began, window_s=WINDOW_S)
        dark, cut_off = _told_apart(view, rows, now)
        shows = {Symptom.DARK: dark, Symptom.UNREACHABLE: cut_off}
        with np.errstate(invalid="ignore"):
            recent = now - since <= WINDOW_S
            young = now - since <= HOLD_S + WINDOW_S
        shared: list[Shared] = []
        braked, waits = np.zeros((2, len(dark)), dtype=np.bool_)
        for symptom, shown in shows.items():
            held = self.cover.brake(symptom, shown & recent)
            waits |= held & shown & recent
            braked |= held | self._under(known, symptom, now)
            active = shown & young & alone
            if (now - since[active] >= HOLD_S).any():
                groups = self.cover.explain(symptom, active, self._denied(view, active))
                ripe = [g for g in groups if g.rows.size > 1 and now - float(np.median(since[g.rows])) >= HOLD_S]
                shared += [self.told(view, symptom, group, since) for group in ripe]
        return Correlation(shared, shows, braked if braked.any() else None, waits if waits.any() else None, undecided)

    def are_many(self, domain_id: str, shown: int) -> bool:
        """Whether so many miners that show a symptom at what a detector named for each are no chance.

        That is: what they have in common explains it better, or they are a few and a part of all that chance alone does
        not bring together, though most of the others are well.
        """
        domain = self._domains.get(domain_id)
        size = self._rows if domain is None else len(domain.rows)
        likely = domain is not None and self.cover.score(domain, shown) > 0.0
        return likely or shown >= max(BRAKE_AT, SHARED_SHARE * size)

    def weighed(self, symptom: Symptom, domain_id: str, rows: Sequence[int]) -> Evidence:
        """Return how likely it is that a domain which a detector has named has failed, and what else these rows share.

        Empty where none of them is under that domain as the inventory has it, and where it was so few of its miners
        that likelihood did not name it but `are_many`: the others had no time to show it yet.
        """
        domain = self._domains.get(domain_id)
        shown = np.zeros(self._rows, dtype=np.bool_)
        shown[list(rows)] = True
        if domain is None or not shown[domain.rows].any():
            return {}
        group = self.cover.group(symptom, domain, shown)
        score: Evidence = {"score": round(group.score, 1)}
        if len(rows) == 1:
            return score
        return score | {CONSIDERED: "; ".join(map(str, group.considered))} if group.score > 0.0 else {}

    def absorbs(self, incident: Incident, row: int, now: float) -> bool:
        """Whether a shared incident that is open takes in one more miner that shows its symptom."""
        domain = self._domains.get(incident.domain)
        return domain is not None and now - incident.alerted_at <= ABSORB_S and bool(np.isin(row, domain.rows))

    def _under(self, known: Iterable[Incident], symptom: Symptom, now: float) -> Bools:
        """Return who is under a domain that is known to have failed so, members or not; shape (n,)."""
        under = np.zeros(self._rows, dtype=np.bool_)
        for incident in known:
            if (incident.category, incident.cause) == CLASSES[symptom]:
                domain = self._domains.get(incident.domain)
                if domain is not None and not lingers(incident, now):
                    under[domain.rows] = True
        return under

    def _denied(self, view: SiteView, active: Bools) -> Bools:
        """Return the switches that have answered since most of their silent miners fell silent; shape (domains,)."""
        ports = wiring(view).port
        rows = np.flatnonzero(active & (ports >= 0))
        denied = np.zeros(len(self._domains.all), dtype=np.bool_)
        if rows.size:
            answered = np.zeros_like(active)
            with np.errstate(invalid="ignore"):
                answered[rows] = view.port_up.at[ports[rows]] >= view.missing_since[rows]
            denied = self._switches & (2 * self._domains.count(answered) > self._domains.count(active))
        return denied

    def told(self, view: SiteView, symptom: Symptom, group: Group, since: Floats) -> Shared:
        """Return a shared cause as it is opened; `since` is when each row began to show it, UTC s, shape (n,)."""
        category, cause = CLASSES[symptom]
        names = [view.site.miners[row].id for row in group.rows[:NAMED].tolist()]
        evidence: Evidence = {
            "symptom": symptom.value,
            "miners": len(group.rows),
            "of": len(group.domain.rows),
            "score": round(group.score, 1),
            CONSIDERED: "; ".join(map(str, group.considered)),
            "first_of_them": ", ".join(names),
        }
        return Shared(group, category, cause, float(np.nanmin(since[group.rows])), evidence)


def _told_apart(view: SiteView, rows: NDArray[np.int64], now: float) -> tuple[Bools, Bools]:
    """Tell which of these silent miners are without power and which may be cut off with others; shapes (n,).

    Only what was read since they fell silent says anything. Who draws little from the first is out of order itself. A
    port that has no link or receives damaged frames has a cable that is; one that hears nothing any more has a miner
    that hangs.
    """
    draw_w, read_at = drawn(view, rows)
    wires, missing = wiring(view), view.missing_since[rows]
    port = wires.port[rows]

    def of_port(column: Floats) -> Floats:
        return np.where(port >= 0, column[port] if column.size else np.nan, np.nan)

    with np.errstate(invalid="ignore"):
        read = read_at >= missing
        mute = ~read & (now - missing >= UNREAD_S)
        no_link = (of_port(view.port_up.value) == 0.0) & (of_port(view.port_up.at) >= missing)
        damaged = of_port(view.port_errors.grew_at) >= missing
        heard_at, octets_at = of_port(view.port_octets.grew_at), of_port(view.port_octets.at)
        quiet = (octets_at >= missing) & (octets_at - heard_at >= QUIET_S)
        without = (read & (draw_w < DARK_W)) | switched_off(view, rows, missing)
        is_dark = wires.fed[rows] & (without | (mute & no_link))
        idles = wires.fed[rows] & (draw_w < WORK_SHARE * view.work_w(rows)) & (read_at - missing < WORK_LASTS_S)
        may_be = ~(is_dark | idles | no_link | damaged | quiet)
    dark, cut_off = np.zeros((2, len(view.reach)), dtype=np.bool_)
    dark[rows], cut_off[rows] = is_dark, may_be
    return dark, cut_off


def is_alone(view: SiteView, memory: Memory, rows: NDArray[np.int64]) -> Bools:
    """Return which of the rows are free to be part of a shared cause; shape (n,)."""
    alone = np.zeros(len(view.reach), dtype=np.bool_)
    for row in rows.tolist():
        alone[row] = is_free(memory.owner(view.site.miners[row].id))
    return alone


def explains_silence(incident: Incident) -> bool:
    """Whether it is a shared cause of silence: whatever a member shows until it is over is part of it."""
    return bool(incident.domain) and (incident.category, incident.cause) in _OF_SILENCE


def lingers(incident: Incident, now: float) -> bool:
    """Whether the shared cause is over for so long that what a member still shows is its own."""
    return incident.mitigated_at is not None and now - incident.mitigated_at >= LINGER_S


def is_free(owner: Incident | None) -> bool:
    """Whether a miner with that incident may be part of a shared cause of silence or sleep.

    That is: it has none, or one of its own in which nothing has been done; or one that is known from what miners say,
    which says nothing any more of those that do not. A pool's outage hides no lost power.
    """
    return owner is None or is_untouched(owner) or (is_by_replies(owner) and len(owner.members) > 1)


def is_by_replies(incident: Incident) -> bool:
    """Whether it is about something shared that is known from what its miners say of their work."""
    return bool(incident.domain) and incident.category in BY_REPLIES


def taken_over(owners: Iterable[Incident | None]) -> list[IncidentId]:
    """Return those of the miners' incidents that are part of the shared cause: those of one device each."""
    return list(dict.fromkeys(owner.id for owner in owners if owner is not None and is_untouched(owner)))


def is_untouched(incident: Incident) -> bool:
    """Whether it is about one device and nothing has been done or asked yet."""
    return len(incident.members) == 1 and not incident.attempts and incident.escalated_at is None
