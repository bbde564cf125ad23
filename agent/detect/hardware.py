"""Lost hashboards and fans: what a miner itself counts of its parts, against what it has.

A board is lost when none of its chips answers while others hash, and the rate lacks its share: facts "detection",
section 7, D7, and "failures", row 5. A fan is lost when it stands still in a miner that has power (row 19). How many
boards there are is known of the model, or seen: the most that this miner has ever shown.
"""

from dataclasses import dataclass

import numpy as np

from agent.detect.screen import Rows, health, let_through
from agent.detect.seen import rounded, whole
from agent.model.columns import Bools, Floats, Ints
from agent.model.incident import Category, Evidence, Reason
from agent.model.site_view import SiteView
from agent.model.topology import Cooling
from agent.model.verdicts import Verdicts

_BOARD, _FAN = 1, 2
_REASONS = {_BOARD: Reason.BOARD_LOST, _FAN: Reason.FAN_LOST}


LOST_POLLS = 3
"""Fewer lost polls in a row say nothing: what held before them holds."""


@dataclass(frozen=True, slots=True)
class HardwareThresholds:
    """Figures of the detectors of a miner's parts.

    Attributes:
        board_s: how long a board gave no chip before it counts as lost.
        fan_s: how long a fan stood still before it counts as lost.
        clear_ratio: share of the expected work that must be done over the clear window.
        clear_window_s: length of the clear window.
    """

    board_s: float = 120.0
    fan_s: float = 60.0
    clear_ratio: float = 0.95
    clear_window_s: float = 300.0


class HardwareDetector:
    """Judges every row; keeps what hysteresis needs. State arrays have shape (n,)."""

    category = Category.OTHER

    def __init__(self, rows: int, thresholds: HardwareThresholds | None = None) -> None:
        self._t = thresholds or HardwareThresholds()
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._board_since: Floats = np.full(rows, np.nan)
        self._fan_since: Floats = np.full(rows, np.nan)
        self._reason: Ints = np.zeros(rows, dtype=np.int8)
        self._fanned: Bools | None = None

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row.

        Args:
            view: the columns.
            now: UTC s.
        """
        standing = self._stands(view)
        rows = self._screen(view, standing)
        if not rows.size:
            return self._verdicts(view, now, rows, rows)
        answers = view.misses[rows] == 0
        lost = self._board_lost(view, rows)
        stands = ~view.asleep()[rows] & standing[rows]
        # While nothing is heard, what was heard last neither lasts nor ends.
        for since, seen in ((self._board_since, lost), (self._fan_since, stands)):
            since[rows] = np.where(answers, np.where(seen, np.fmin(since[rows], now), np.nan), since[rows])
        board = now - self._board_since[rows] >= self._t.board_s
        fan = now - self._fan_since[rows] >= self._t.fan_s
        new = answers & (board | fan) & np.isnan(self._since[rows])
        self._since[rows[new]] = now
        self._reason[rows[new & board]] = _BOARD
        self._reason[rows[new & fan]] = _FAN
        self._clear(view, now, rows[~np.isnan(self._since[rows])])
        firing = ~np.isnan(self._since[rows])
        followed = ~(np.isnan(self._board_since[rows]) & np.isnan(self._fan_since[rows]))
        return self._verdicts(view, now, rows[followed & ~firing], rows[firing])

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        for place, known in _REASONS.items():
            if reason is known:
                self._since[row] = since
                self._reason[row] = place

    def _screen(self, view: SiteView, standing: Bools) -> Rows:
        """Return the rows that may be anything but healthy: see `screen`; `standing`: who has a fan at 0 rpm."""
        fewer = view.boards_up.value < view.hardware.boards_most
        followed = ~(np.isnan(self._since) & np.isnan(self._board_since) & np.isnan(self._fan_since))
        return let_through(fewer, standing, followed)

    def _stands(self, view: SiteView) -> Bools:
        """Tell who has a fan at 0 rpm; some firmware tells that of fans which a liquid-cooled miner does not have."""
        if self._fanned is None:
            self._fanned = np.array([miner.cooling is Cooling.AIR for miner in view.site.miners], dtype=np.bool_)
        stands: Bools = self._fanned & (view.fan_min_rpm.value == 0.0)
        return stands

    def _board_lost(self, view: SiteView, rows: Rows) -> Bools:
        """Tell which rows hash with fewer boards than they have, and by about as much slower."""
        up, most = view.boards_up.value[rows], view.hardware.boards_most[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            missing = (most - up) / most
            slower = view.hashrate_th.value[rows] <= (1.0 - missing / 2.0) * view.target_th(rows)
            lost: Bools = view.watched()[rows] & (up > 0.0) & (missing > 0.0) & slower
        return lost

    def _clear(self, view: SiteView, now: float, firing: Rows) -> None:
        """End verdicts whose part is there again and whose miner has worked as expected for the clear window."""
        for row in firing.tolist():
            if 0 < view.misses[row] < LOST_POLLS:
                continue
            part_since = self._board_since if self._reason[row] == _BOARD else self._fan_since
            is_back = view.misses[row] == 0 and np.isnan(part_since[row]) and self._has_part(view, row)
            if not is_back:
                self._clear_since[row] = np.nan
                continue
            if np.isnan(self._clear_since[row]):
                self._clear_since[row] = now
            worked = view.work_gh.over(row, self._t.clear_window_s)
            is_due = now - self._clear_since[row] >= self._t.clear_window_s
            if is_due and worked and worked[0] / worked[1] >= self._t.clear_ratio * view.target_of(row) * 1e3:
                self._since[row] = self._clear_since[row] = np.nan
                self._reason[row] = 0

    def _has_part(self, view: SiteView, row: int) -> bool:
        if self._reason[row] == _BOARD:
            return bool(view.boards_up.value[row] >= view.hardware.boards_most[row])
        return bool(view.fan_min_rpm.value[row] > 0.0)

    def _verdicts(self, view: SiteView, now: float, suspect: Rows, firing: Rows) -> Verdicts:
        return Verdicts(
            self.category,
            health(len(self._since), suspect=suspect, firing=firing),
            self._since,
            self._clear_since,
            HardwareEvidence(view, now, self._reason),
        )


class HardwareEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_now", "_reason", "_view")

    reasons = frozenset({Reason.BOARD_LOST, Reason.FAN_LOST})

    def __init__(self, view: SiteView, now: float, reason: Ints) -> None:
        self._view = view
        self._now = now
        self._reason = reason

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return _REASONS.get(int(self._reason[row]), Reason.BOARD_LOST)

    def domain(self, _: int) -> str:
        """Return nothing: a part is one miner's."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        return parts_seen(self._view, row)


def parts_seen(view: SiteView, row: int) -> Evidence:
    """Return what a miner told last of its parts and of its rate, units in the keys; None where it never did."""
    hardware = view.hardware
    return {
        "hashrate_th": rounded(view.hashrate_th.value[row]),
        "expected_th": rounded(view.target_th()[row]),
        "boards_up": whole(view.boards_up.value[row]),
        "boards": whole(hardware.boards_most[row]) or None,
        "chips_up": whole(view.chips_up.value[row]),
        "chips": whole(hardware.chips_most[row]) or None,
        "fan_min_rpm": whole(view.fan_min_rpm.value[row]),
        "chip_max_c": rounded(view.chip_max_c.value[row]),
        "hw_errors": whole(view.hw_errors.value[row]),
    }
