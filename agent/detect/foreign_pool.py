"""Foreign pools: a miner that works for somebody else, or under a name that is not its own.

Source: facts "failures", row 29. The allow-list is the site's: its pools, and the name that a miner's pool group gives
it. Where the configuration lists no pools the view calls none foreign. What a pool is worth is not looked at here.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.detect.pool import pool_name
from agent.detect.screen import Rows, health, let_through
from agent.model.columns import Floats
from agent.model.incident import Category, Evidence, Reason
from agent.model.pool_book import POOL_FOREIGN, POOL_UNKNOWN
from agent.model.site_view import SiteView
from agent.model.verdicts import Verdicts

Polls = NDArray[np.int32]


BREAK_IN = "it works for somebody else: take it for a break-in until you know better"
"""What a person is told first."""

MAX_SHOWN = 100
"""Characters that are kept of what a device says; it may be hostile."""

_PASSWORD = re.compile(r"[:,;].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ForeignPoolThresholds:
    """Figures of the detector.

    Attributes:
        polls: answers in a row that name a foreign pool or worker before it fires.
        clear_polls: answers in a row that name a pool of the site and the right worker before it is over.
    """

    polls: int = 2
    clear_polls: int = 12


class ForeignPoolDetector:
    """Judges every row; keeps how many answers in a row were good or bad. State arrays have shape (n,)."""

    category = Category.OTHER

    def __init__(self, rows: int, thresholds: ForeignPoolThresholds | None = None) -> None:
        self._t = thresholds or ForeignPoolThresholds()
        self._since: Floats = np.full(rows, np.nan)
        self._clear_since: Floats = np.full(rows, np.nan)
        self._read_at: Floats = np.full(rows, -np.inf)
        self._bad: Polls = np.zeros(rows, dtype=np.int32)
        self._good: Polls = np.zeros(rows, dtype=np.int32)

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict for every row, whatever it is expected to do: no state excuses it.

        Args:
            view: the columns.
            now: UTC s.
        """
        rows = let_through(
            view.pool == POOL_FOREIGN, view.worker_ok.value == 0.0, self._bad > 0, ~np.isnan(self._since)
        )
        if not rows.size:
            return self._verdicts(view, now, rows, rows)
        self._count(view, rows)
        is_new = (self._bad[rows] >= self._t.polls) & np.isnan(self._since[rows])
        self._since[rows[is_new]] = now
        firing = ~np.isnan(self._since[rows])
        clearing = firing & (self._good[rows] > 0)
        self._clear_since[rows] = np.where(clearing, np.fmin(self._clear_since[rows], now), np.nan)
        ended = clearing & (self._good[rows] >= self._t.clear_polls)
        self._since[rows[ended]] = self._clear_since[rows[ended]] = np.nan
        firing &= ~ended
        suspect = ~firing & (self._bad[rows] > 0)
        return self._verdicts(view, now, rows[suspect], rows[firing])

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up a verdict that was firing before a restart of the agent, so that only its clear condition ends it."""
        if reason is Reason.FOREIGN_POOL:
            self._since[row] = since

    def _verdicts(self, view: SiteView, now: float, suspect: Rows, firing: Rows) -> Verdicts:
        return Verdicts(
            self.category,
            health(len(self._since), suspect=suspect, firing=firing),
            self._since,
            self._clear_since,
            ForeignPoolEvidence(view, now),
        )

    def _count(self, view: SiteView, rows: Rows) -> None:
        """Take in the answers of these rows since they were last looked at that named a pool.

        Good answers of the others need no counting: whoever begins to fire has none.
        """
        pool, told_at = view.pool[rows], view.pool_at[rows]
        news = (told_at > self._read_at[rows]) & (pool != POOL_UNKNOWN)
        misnamed = (view.worker_ok.value[rows] == 0.0) & (view.worker_ok.at[rows] >= told_at)
        bad = (pool == POOL_FOREIGN) | misnamed
        before_bad, before_good = self._bad[rows], self._good[rows]
        self._bad[rows] = np.where(news, np.where(bad, before_bad + 1, 0), before_bad)
        self._good[rows] = np.where(news, np.where(bad, 0, before_good + 1), before_good)
        self._read_at[rows[news]] = told_at[news]


def shown_pool(url: str) -> str:
    """Return where a pool's address leads, fit to be kept and shown: scheme, host and port, no login, no path."""
    scheme, separator, rest = url.rpartition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return _shown(f"{scheme}{separator}{host}")


def shown_worker(name: str) -> str:
    """Return a worker's name, fit to be kept and shown: some write the password behind a colon or a comma."""
    return _shown(_PASSWORD.sub(":…", name, count=1))


def _shown(text: str) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean if len(clean) <= MAX_SHOWN else f"{clean[: MAX_SHOWN - 1]}…"


class ForeignPoolEvidence:
    """Explains a verdict, for the few rows that need it."""

    __slots__ = ("_now", "_view")

    reasons = frozenset({Reason.FOREIGN_POOL})

    def __init__(self, view: SiteView, now: float) -> None:
        self._view = view
        self._now = now

    def reason(self, row: int) -> Reason:
        """Return why that row fires."""
        return Reason.FOREIGN_POOL

    def domain(self, _: int) -> str:
        """Return nothing: each miner's configuration is its own."""
        return ""

    def of(self, row: int) -> Evidence:
        """Return what was seen of that row, units in the keys; None where never measured."""
        view = self._view
        worker_ok, told_s = view.worker_ok.value[row], self._now - view.pool_at[row]
        url, worker = view.foreign_work.get(row, (None, None))
        return {
            "security": None if url is None else BREAK_IN,
            "foreign_pool": None if url is None else shown_pool(url),
            "foreign_worker": None if worker is None else shown_worker(worker),
            "pool": pool_name(view, int(view.pool[row])),
            "worker_ok": None if np.isnan(worker_ok) else bool(worker_ok),
            "pool_told_s": None if np.isnan(told_s) else round(float(told_s), 1),
        }
