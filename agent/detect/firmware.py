"""Firmware that crashes: restarts that nobody ordered, crash codes, and restarts that do not hold.

Definitions and figures: facts "detection", section 7, D4. A process that is gone is not yet a firmware fault: it is a
stuck miner, and a restart mends most of them. What makes it one is repetition, a code that says so, or an API that is
still down minutes after a restart of our own (docs/decisions/0014-flashing.md). Codes of chips, EEPROMs and boards are
none of it. A verdict that fired stays until the process has lived, and hashed at the expected rate, for the clear time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.detect.screen import Rows, health, let_through
from agent.model.columns import Bools, Floats, Ints
from agent.model.incident import Category, Evidence, Reason
from agent.model.site_view import Expected, SiteView
from agent.model.telemetry import OutletState, Reach
from agent.model.topology import FAMILY_TRAITS, Site
from agent.model.verdicts import Verdicts

SLACK_S = 10.0
"""A process counts as another one when it is this much younger than it would be: ages are whole seconds, polls late."""

DEAD_DRAW_W = 3.0
"""An outlet that draws less gives no voltage, or has nothing behind it."""

LOST_S = 75.0
"""So short a silence of a host that refused before it is a poll or two that got lost, not a host that is gone."""

OWN_EARLY_S = 60.0
"""A process that we had started may have begun this long before the command was seen to be over."""

CLEAR_WINDOW_S = 300.0

_LOOP, _CRASH = 1, 2

_ANSWERED, _REFUSED, _ERRORED = int(Reach.ANSWERED), int(Reach.REFUSED), int(Reach.ERRORED)
_SILENT = int(Reach.SILENT)
_RUNNING, _ACTING = int(Expected.RUNNING), int(Expected.ACTING)
_OFF = float(OutletState.OFF)
"""As plain numbers: numpy takes five times as long to compare with a member of an enumeration."""


@dataclass(frozen=True, slots=True)
class FirmwareThresholds:
    """Figures of the detector.

    Attributes:
        restarts: so many restarts that nobody ordered make a boot loop ...
        window_s: ... within this time, and one boot: what loops lives for up to 15 min at a time (facts "failures", row
            4), and two such lives and the boots between them are longer than D4's half hour.
        together, together_s: so many miners of one PDU that start anew within this time had no power, or were told to.
        code_s: how long a crash code must stand in a miner that falls short of its rate: some come back by themselves.
        held_s: how long after a restart of our own an API that is still down shows that it did not hold.
        clear_ratio: share of the expected work from which a miner is well ...
        clear_s: ... once its process has lived for so long.
    """

    restarts: int = 3
    window_s: float = 1800.0
    together: int = 3
    together_s: float = 120.0
    code_s: float = 120.0
    held_s: float = 180.0
    clear_ratio: float = 0.95
    clear_s: float = 3600.0


class FirmwareDetector:
    """Judges every row; keeps what hysteresis needs. State arrays have shape (n,), `_starts` (restarts, n).

    Attributes:
        claims: rows that are this detector's, whatever else they show; shape (n,).
    """

    category = Category.FIRMWARE

    def __init__(self, site: Site, thresholds: FirmwareThresholds | None = None) -> None:
        n = len(site.miners)
        self._t = thresholds or FirmwareThresholds()
        self._grace_s: Floats = np.array([FAMILY_TRAITS[m.family].boot_grace_s for m in site.miners])
        self._window_s = self._t.window_s + self._grace_s
        self._group = _groups(site)
        self._outlets = [m.outlets for m in site.miners]
        self._seen_at: Floats = np.full(n, np.nan)
        self._age_s: Floats = np.full(n, np.nan)
        self._slept: Bools = np.zeros(n, dtype=np.bool_)
        self._excused: Floats = np.full(n, np.nan)
        self._starts: Floats = np.full((self._t.restarts, n), np.nan)
        self._dark_at: Floats | None = None
        self._coded_since: Floats = np.full(n, np.nan)
        self._told: Rows = np.zeros(0, dtype=np.int64)
        self._refused_since: Floats = np.full(n, np.nan)
        self._refusing: Rows = np.zeros(0, dtype=np.int64)
        self._since: Floats = np.full(n, np.nan)
        self._clear_since: Floats = np.full(n, np.nan)
        self._reason: Ints = np.zeros(n, dtype=np.int8)
        self.claims: Bools = np.zeros(n, dtype=np.bool_)

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        self._note_dark(view)
        restarted = self._restarted(view)
        if restarted.size:
            self._count(view, restarted)
        np.copyto(self._seen_at, view.elapsed_s.at)
        np.copyto(self._age_s, view.elapsed_s.value)
        np.equal(view.suspended.value, 1.0, out=self._slept)
        begun = now - self._window_s
        looping = self._starts[-1] >= begun
        ill = looping.copy()
        ill[self._coded(view, now)] = ill[self._unheld(view, now)] = True
        rows = ill.nonzero()[0]
        rows = rows[view.expected[rows] < _ACTING]
        new = rows[np.isnan(self._since[rows])]
        self._since[new] = now
        self._reason[new] = np.where(looping[new], _LOOP, _CRASH)
        self.claims = self._since > 0.0
        if self.claims.any():
            self._clear(view, now)
            self.claims = self._since > 0.0
        suspect = let_through(self._starts[0] >= begun, self._coded_since > 0.0)
        verdict = health(len(self._since), suspect=suspect, firing=self.claims.nonzero()[0])
        evidence = FirmwareEvidence(view, self._starts, self._reason, begun)
        return Verdicts(self.category, verdict, self._since, self._clear_since, evidence)

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        self._since[row] = since
        self._reason[row] = _LOOP if reason is Reason.BOOT_LOOP else _CRASH

    # -- restarts ----------------------------------------------------------------------------------------------------

    def _restarted(self, view: SiteView) -> Rows:
        """Return the rows whose process began after they last told their age."""
        gap_s = view.elapsed_s.at - self._seen_at
        rows = ((gap_s > 0.0) & (view.elapsed_s.value <= gap_s + SLACK_S)).nonzero()[0]
        return rows[view.elapsed_s.value[rows] < self._age_s[rows] + gap_s[rows] - SLACK_S]

    def _count(self, view: SiteView, rows: Rows) -> None:
        """Count the restarts of these rows that nobody ordered and no power event explains."""
        began = view.elapsed_s.at[rows] - view.elapsed_s.value[rows]
        own_at = np.fmax(view.own_restart_at, view.own_boot_at)[rows]
        ours = (
            (began >= own_at - OWN_EARLY_S) & (began <= own_at + self._grace_s[rows]) & (own_at != self._excused[rows])
        )
        self._excused[rows[ours]] = own_at[ours]
        told = (view.expected[rows] >= Expected.ACTING) | self._slept[rows]
        unpowered = np.array([self._was_dark(view, int(row)) for row in rows])
        counted = ~(ours | told | unpowered)
        kept = rows[counted]
        self._starts[1:, kept] = self._starts[:-1, kept]
        self._starts[0, kept] = began[counted]
        for group in np.unique(self._group[kept]):
            self._forget_together(int(group), float(began[counted].max()))

    def _forget_together(self, group: int, latest: float) -> None:
        """Take back what several miners of one PDU did at the same time: it lost its feed, or somebody told them to."""
        rows = np.flatnonzero((self._group == group) & (self._starts[0] >= latest - self._t.together_s))
        if rows.size >= self._t.together:
            self._starts[:-1, rows] = self._starts[1:, rows]
            self._starts[-1, rows] = np.nan

    def _note_dark(self, view: SiteView) -> None:
        """Note when each outlet was last seen to give nothing."""
        if self._dark_at is None:
            self._dark_at = np.full(len(view.outlet_rows), np.nan)
        dark = let_through(view.outlet_state.value == _OFF, view.outlet_w.value < DEAD_DRAW_W)
        self._dark_at[dark] = np.fmax(view.outlet_state.at[dark], view.outlet_w.at[dark])

    def _was_dark(self, view: SiteView, row: int) -> bool:
        """Whether one of its outlets gave nothing since shortly before its last answer."""
        if self._dark_at is None:
            return False
        outlets = (view.outlet_rows.get(outlet) for outlet in self._outlets[row])
        since = self._seen_at[row] - self._t.together_s
        return any(o is not None and self._dark_at[o] >= since for o in outlets)

    # -- codes, and restarts that do not hold --------------------------------------------------------------------------

    def _coded(self, view: SiteView, now: float) -> Rows:
        """Rows that tell a crash code and, out of their grace and with all boards there, fall short of their rate."""
        rows = view.hardware.crashed.nonzero()[0]
        since = self._coded_since[rows]
        self._coded_since[self._told] = np.nan
        self._told = rows
        if not rows.size:
            return rows
        up = view.boards_up.value[rows]
        low = view.hashrate_th.value[rows] < self._t.clear_ratio * view.target_th(rows)
        whole = ~(up < view.hardware.boards_most[rows])
        runs = (view.reach[rows] == _ANSWERED) & (view.expected[rows] == _RUNNING)
        # All boards gone is what a crashed process shows; one of several is a fault of that board.
        since = np.where(low & (whole | (up == 0.0)) & runs, np.fmin(since, now), np.nan)
        self._coded_since[rows] = since
        return rows[now - since >= self._t.code_s]

    def _unheld(self, view: SiteView, now: float) -> Rows:
        """Rows whose API is down, on a host that answers, minutes after we had the process or the board started.

        While the host itself was silent for longer than a lost poll explains, nobody knows whether its API was down.
        """
        rows = let_through(view.reach == _REFUSED, view.reach == _ERRORED)
        since = np.fmin(self._refused_since[rows], view.polled_at[rows])
        lost = self._refusing[view.reach[self._refusing] == _SILENT]
        lost = lost[now - view.mute_since[lost] <= LOST_S]
        lost_since = self._refused_since[lost]
        self._refused_since[self._refusing] = np.nan
        self._refused_since[rows], self._refused_since[lost] = since, lost_since
        self._refusing = np.concatenate((rows, lost)) if lost.size else rows
        # What may never have happened is no proof of anything.
        rows, since = rows[view.own_sure[rows]], since[view.own_sure[rows]]
        if not rows.size:
            return rows
        restart_at, boot_at = view.own_restart_at[rows], view.own_boot_at[rows]
        up_at = np.fmax(restart_at, boot_at + self._grace_s[rows])
        recent = now - up_at <= self._t.clear_s
        return rows[recent & (now - np.fmax(up_at, since) >= self._t.held_s)]

    # -- the end of it -------------------------------------------------------------------------------------------------

    def _clear(self, view: SiteView, now: float) -> None:
        """End verdicts whose process has lived and hashed for the clear time; note when it began to hash."""
        for row in self.claims.nonzero()[0].tolist():
            if not self._works(view, row):
                self._clear_since[row] = np.nan
                continue
            if np.isnan(self._clear_since[row]):
                self._clear_since[row] = now
            if view.elapsed_s.value[row] >= self._t.clear_s:
                self._end(row)

    def _end(self, row: int) -> None:
        self._since[row] = self._clear_since[row] = np.nan
        self._starts[:, row] = np.nan
        self._reason[row] = 0

    def _works(self, view: SiteView, row: int) -> bool:
        """Whether it answers, and its counters show the expected work over the last minutes."""
        worked = None if view.misses[row] else view.work_gh.over(row, CLEAR_WINDOW_S)
        if worked is None:
            return False
        return worked[0] / worked[1] >= self._t.clear_ratio * view.target_of(row) * 1e3


def _groups(site: Site) -> NDArray[np.int64]:
    """Return a number for each miner that those behind the same PDU share."""
    numbers: dict[str, int] = {}
    names = (miner.outlets[0].pdu if miner.outlets else "" for miner in site.miners)
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


class FirmwareEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_from", "_reason", "_starts", "_view")

    reasons = frozenset({Reason.BOOT_LOOP, Reason.CRASHED})

    def __init__(self, view: SiteView, starts: Floats, reason: Ints, since: Floats) -> None:
        self._view = view
        self._starts = starts
        self._reason = reason
        self._from = since

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.BOOT_LOOP if self._reason[row] == _LOOP else Reason.CRASHED

    def domain(self, _: int) -> str:
        """Return nothing: a firmware crashes on its own."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        view = self._view
        age_s, rate_th = float(view.elapsed_s.value[row]), float(view.hashrate_th.value[row])
        return {
            "reach": Reach(int(view.reach[row])).name.lower(),
            "restarts": int((self._starts[:, row] >= self._from[row]).sum()),
            "codes": ", ".join(view.hardware.codes[row]),
            "process_age_s": None if np.isnan(age_s) else round(age_s, 1),
            "hashrate_th": None if np.isnan(rate_th) else round(rate_th, 1),
            "expected_th": round(float(view.target_th()[row]), 1),
        }
