"""Miners cut off by the network: nobody reaches them, and something outside them says that they work.

Definition: facts "detection", section 7, D5. A silent API looks the same whether the miner hung or the way to it broke;
its outlets and its switch port tell which. A silent miner that draws in full is cut off when its port has no link, when
the port goes on receiving from it, when frames from it arrive damaged, or when the whole switch went silent with
several of its miners. One that draws in full behind a quiet port is hung, and one about which nothing outside can be
read is left to the detector of stuck miners. Of one that fell silent before the agent came up nobody knows whether it
drew in full; there it is enough that it draws more than a control board does, and that its port goes on receiving.

A verdict that fired stays until the miner answers and counts hashes again, whatever it draws meanwhile: without a
network the work runs out within minutes, and a stock Antminer then takes the power off its hashboards (facts
"failures", row 25).
"""

from dataclasses import dataclass

import numpy as np

from agent.detect.screen import Rows, health
from agent.detect.seen import rounded
from agent.model.columns import Bools, Floats
from agent.model.incident import Category, Evidence, Reason
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.model.verdicts import Verdicts
from agent.model.wiring import Wiring, drawn, wiring

_SILENT = int(Reach.SILENT)


@dataclass(frozen=True, slots=True)
class NetworkThresholds:
    """Figures of the detector.

    Attributes:
        misses: polls in a row without an answer before a miner counts as unreachable.
        draw_share: of its nominal power; who draws that much works.
        idle_share: ... and who draws that much has a control board that lives, though work may have run out.
        fresh_s: older readings of outlets and ports prove nothing, and neither do those from before the silence.
        await_s: for so long after the silence began, readings that will decide are waited for.
        together: so many silent miners that draw in full are no chance, behind a switch that is silent itself; nor are
            fewer that are all that is known to be behind it.
        clear_polls: answered polls in a row before a miner counts as reachable again.
    """

    misses: int = 6
    draw_share: float = 0.8
    idle_share: float = 0.25
    fresh_s: float = 90.0
    await_s: float = 90.0
    together: int = 3
    clear_polls: int = 12


def cut_off(view: SiteView, now: float, thresholds: NetworkThresholds | None = None) -> Bools:
    """Return which rows are, by what is known at this moment, cut off by the network; shape (n,). `now` is UTC s."""
    rows = np.zeros(len(view.misses), dtype=np.bool_)
    rows[_look(view, now, thresholds or NetworkThresholds(), _missing(view)).cut_off] = True
    return rows


class NetworkDetector:
    """Judges every row; keeps what hysteresis needs. State arrays have shape (n,)."""

    category = Category.NETWORK

    def __init__(self, rows: int, thresholds: NetworkThresholds | None = None) -> None:
        self._t = thresholds or NetworkThresholds()
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._claims: Bools = np.zeros(rows, dtype=np.bool_)
        self._worked: Bools = np.zeros(rows, dtype=np.bool_)

    @property
    def claims(self) -> Bools:
        """The rows that were this detector's at its last judgement: firing, or about to be decided; shape (n,).

        Their silence is nobody else's.
        """
        return self._claims

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        missing = _missing(view)
        self._follow(view, missing)
        seen = _look(view, now, self._t, missing, self._worked)
        self._since[seen.cut_off[np.isnan(self._since[seen.cut_off])]] = now
        firing = (self._since >= 0.0).nonzero()[0]
        if firing.size:
            self._clear(view, now, firing)
            firing = firing[self._since[firing] >= 0.0]
        self._claims = np.zeros(len(self._since), dtype=np.bool_)
        self._claims[firing] = self._claims[seen.awaited] = True
        return Verdicts(
            self.category,
            health(len(self._since), suspect=seen.awaited, firing=firing),
            self._since,
            self._clear_since,
            NetworkEvidence(view, now),
        )

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        self._since[row] = since

    def _follow(self, view: SiteView, missing: "_Missing") -> None:
        """Note which of the missing rows drew in full when they had fallen silent, whatever they draw by now.

        Their work runs out within minutes, on sites that are polled seldom before the silence is long enough to fire.
        """
        rows = missing.rows
        full = missing.draw_w >= self._t.draw_share * view.work_w(rows)
        full &= missing.drawn_at >= view.missing_since[rows]
        worked = self._worked[rows] | full
        self._worked.fill(False)
        self._worked[rows] = worked

    def _clear(self, view: SiteView, now: float, firing: Rows) -> None:
        """End verdicts whose miner has answered for the whole clear window, and counted hashes within it or sleeps."""
        asleep = view.asleep()
        for row in firing.tolist():
            if view.misses[row] or view.goods[row] < min(3, self._t.clear_polls):
                self._clear_since[row] = np.nan
                continue
            if np.isnan(self._clear_since[row]):
                self._clear_since[row] = now
            works = asleep[row] or view.work_gh.grew_at[row] > self._clear_since[row]
            if view.goods[row] >= self._t.clear_polls and works:
                self._since[row] = self._clear_since[row] = np.nan


@dataclass(frozen=True, slots=True)
class _Missing:
    """The rows that do not answer, what each draws over all its outlets, and when that was read."""

    rows: Rows
    draw_w: Floats
    drawn_at: Floats


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look says: the rows cut off by the network, and those of which readings that will tell are to come."""

    cut_off: Rows
    awaited: Rows


def _missing(view: SiteView) -> _Missing:
    rows = (view.misses > 0).nonzero()[0]
    return _Missing(rows, *drawn(view, rows))


def _look(view: SiteView, now: float, t: NetworkThresholds, missing: _Missing, worked: Bools | None = None) -> _Seen:
    """Weigh what is known of the missing rows at this moment; `worked`: who drew in full since it fell silent.

    Only of one that was at work, and that has a port, it can be known.
    """
    rows, wires = missing.rows, wiring(view)
    work_w = view.work_w(rows)
    drew = missing.draw_w >= t.draw_share * work_w
    if worked is not None:
        drew |= worked[rows]
    # Nobody saw it fall silent: an agent that has only come up cannot know what it drew then.
    unseen = np.isnan(view.answered_at[rows]) & (missing.draw_w >= t.idle_share * work_w)
    silent = (drew | unseen) & (wires.port[rows] >= 0) & (view.reach[rows] == _SILENT)
    silent &= view.watched()[rows] & (view.misses[rows] >= t.misses)
    rows = rows[silent]
    if not rows.size:
        return _Seen(rows, rows)
    port, since = wires.port[rows], view.missing_since[rows]
    drew, unseen, drawn_at = drew[silent], unseen[silent], missing.drawn_at[silent]
    drawn_lately = (drawn_at >= since) & (now - drawn_at <= t.fresh_s)
    draws = drew & drawn_lately
    read_at, before = view.port_up.at[port], view.port_before[port]
    fresh = (read_at >= since) & (now - read_at <= t.fresh_s)
    no_link = view.port_up.value[port] == 0.0
    receives = (before >= since) & (view.port_octets.grew_at[port] >= read_at)
    damaged = view.port_errors.grew_at[port] >= since
    dark = draws & (read_at < since) & _together(wires, rows, drew & (read_at < since), t.together)
    cut: Bools = (draws & fresh & (no_link | receives | damaged)) | dark | (unseen & drawn_lately & fresh & receives)
    decided = (drawn_at >= since) & (before >= since)
    awaited: Bools = ~cut & ~decided & (read_at >= since - t.fresh_s) & (now - since <= t.await_s)
    return _Seen(rows[cut], rows[awaited])


def _together(wires: Wiring, rows: Rows, silent: Bools, least: int) -> Bools:
    """Tell which of these rows' switches have at least so many that are `silent`, or no others; shapes as of `rows`."""
    if not silent.any():
        return silent
    switch = wires.switch[rows]
    counts = np.bincount(switch[silent & (switch >= 0)], minlength=max(wires.switches, 1))
    enough = np.minimum(least, wires.behind) if wires.switches else counts
    together: Bools = (switch >= 0) & (counts[switch] >= enough[switch])
    return together


class NetworkEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_now", "_view")

    reasons = frozenset({Reason.CUT_OFF})

    def __init__(self, view: SiteView, now: float) -> None:
        self._view = view
        self._now = now

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.CUT_OFF

    def domain(self, row: int) -> str:
        """Return nothing: what silent miners share is found for all of them together (triage)."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        view = self._view
        miner = view.row(view.site.miners[row].id)
        at, port = view.site.miners[row].port, miner.port
        outlets = miner.outlets
        draw_w, _ = drawn(view, np.array([row]))
        told: Evidence = {
            "reach": Reach(int(view.reach[row])).name.lower(),
            "misses": int(view.misses[row]),
            "silent_s": rounded(miner.missing_s),
            "draw_w": rounded(draw_w[0]),
            "nominal_w": rounded(view.nominal_w[row]),
            "outlets_age_s": rounded(max((self._now - o.at for o in outlets), default=np.nan)),
            "port": None if at is None else str(at),
            "usual_pvid": miner.usual_pvid,
        }
        if at is not None and port is not None:
            error_rate = miner.port_error_rate
            errors = float(view.port_errors.total[view.port_rows[at]])
            told |= {
                "port_up": port.up,
                "port_admin_up": port.admin_up,
                "port_quiet_s": rounded(port.quiet_s),
                "port_age_s": rounded(self._now - port.at),
                "port_pvid": port.pvid,
                "port_errors": None if np.isnan(errors) else int(errors),
                "port_errors_per_s": None if np.isnan(error_rate) else round(error_rate, 2),
            }
        return told
