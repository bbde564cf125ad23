"""Correlation: what many miners show at once, and which shared cause explains it. Pure; nothing is remembered.

Miners that fall silent together are told apart by what their outlets say: those without power are dark, those that
draw in full, or about whose power nothing can be read, are unreachable. A shared cause is named once the first of the
symptoms is HOLD_S old, so that all of them have had time to show; until then the brake keeps hands off single miners.
Figures: facts "detection", section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.domains import Domains
from agent.model.incident import Category, Evidence, Incident, Reason
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.verdicts import Verdicts
from agent.model.wiring import drawn, wiring
from agent.triage.cover import Cover, Group, Symptom

HOLD_S = 60.0
"""From the first symptom until a shared cause is named: three polls of 10 s, and their jitter."""

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
"""Of its nominal power: who draws that much works (facts "detection", section 7, D5)."""

QUIET_S = 20.0
"""A miner that works sends shares and chatter every few seconds."""

UNREAD_S = 30.0
"""The PDU of a silent miner is read within seconds; one that was not read for so long does not answer."""

NAMED = 5
"""Members that the evidence names."""

CONSIDERED = "considered"
"""The key under which evidence has the causes that were weighed, with their scores against chance: the chosen first."""

CLASSES: Mapping[Symptom, tuple[Category, Reason]] = {
    Symptom.DARK: (Category.OTHER, Reason.POWER_LOST),
    Symptom.UNREACHABLE: (Category.NETWORK, Reason.CUT_OFF),
}
"""As what a shared cause is opened. Pools, loops and rejects name what they share themselves."""


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
    """

    shared: list[Shared]
    shows: Mapping[Symptom, Bools]
    braked: Bools | None


class Correlator:
    """Explains what the miners of one site show together."""

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        self._cover = Cover(self._domains)

    def look(self, view: SiteView, memory: Memory, claims: Mapping[int, Verdicts], now: float) -> Correlation:
        """Return what the firing rows have in common.

        Args:
            view: the columns.
            memory: the incidents so far.
            claims: the verdict that owns each firing row.
            now: UTC s.
        """
        rows = np.fromiter(claims, dtype=np.int64, count=len(claims))
        rows = rows[view.reach[rows] == Reach.SILENT]
        if rows.size < 2:
            return Correlation([], {}, None)
        since = np.full(len(view.reach), np.nan)
        since[rows] = [claims[row].since[row] for row in rows.tolist()]
        dark, cut_off = _told_apart(view, rows, now)
        shows = {Symptom.DARK: dark, Symptom.UNREACHABLE: cut_off}
        with np.errstate(invalid="ignore"):
            recent = now - since <= WINDOW_S
            young = now - since <= HOLD_S + WINDOW_S
            ripe = now - since >= HOLD_S
        alone = _is_alone(view, memory, rows)
        shared: list[Shared] = []
        braked = np.zeros_like(dark)
        for symptom, shown in shows.items():
            braked |= self._cover.brake(symptom, shown & recent)
            active = shown & young & alone
            if (active & ripe).any():
                groups = self._cover.explain(symptom, active)
                shared += [self._told(view, symptom, group, since) for group in groups if group.rows.size > 1]
        return Correlation(shared, shows, braked if braked.any() else None)

    def absorbs(self, incident: Incident, row: int, now: float) -> bool:
        """Whether a shared incident that is open takes in one more miner that shows its symptom."""
        domain = self._domains.get(incident.domain)
        return domain is not None and now - incident.alerted_at <= ABSORB_S and bool(np.isin(row, domain.rows))

    def _told(self, view: SiteView, symptom: Symptom, group: Group, since: Floats) -> Shared:
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

    Only what was read since they fell silent says anything. Who draws little is out of order itself. A port that has
    no link or receives damaged frames has a cable that is; one that hears nothing any more has a miner that hangs.
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
        is_dark = wires.fed[rows] & ((read & (draw_w < DARK_W)) | (mute & no_link))
        may_be = ~(is_dark | (draw_w < WORK_SHARE * view.nominal_w[rows]) | no_link | damaged | quiet)
    dark, cut_off = np.zeros((2, len(view.reach)), dtype=np.bool_)
    dark[rows], cut_off[rows] = is_dark, may_be
    return dark, cut_off


def _is_alone(view: SiteView, memory: Memory, rows: NDArray[np.int64]) -> Bools:
    """Return which of the rows have no incident, or one of their own in which nothing has been done; shape (n,)."""
    alone = np.zeros(len(view.reach), dtype=np.bool_)
    for row in rows.tolist():
        owner = memory.owner(view.site.miners[row].id)
        alone[row] = owner is None or is_untouched(owner)
    return alone


def is_untouched(incident: Incident) -> bool:
    """Whether it is about one device and nothing has been done or asked yet."""
    return not incident.domain and not incident.attempts and incident.escalated_at is None
