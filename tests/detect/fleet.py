"""A fleet of miners as columns, for detectors that are tried on many rows for long."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Floats
from agent.model.incident import Health
from agent.model.site_view import SiteView
from agent.model.verdicts import Detector, Verdicts
from tests.factory import EPOCH, NOMINAL_TH, miner, pooled, site

SHARE_DIFF = 84_000.0
SHARES_PER_S = NOMINAL_TH * 1e3 / (SHARE_DIFF * 2**32 / 1e9)
"""18.3 shares a minute."""

SHARES_PER_DAY = SHARES_PER_S * 86_400.0


class Fleet:
    """Miners that work at full rate for the first of two pools, polled together.

    Attributes:
        told: what the next polls tell, by column; change it to make something happen.
    """

    def __init__(self, miners: int, detector: Detector, *, seed: int = 1) -> None:
        self.rows = miners
        self.view = SiteView(pooled(site(tuple(miner(k, outlets=(1,)) for k in range(1, miners + 1))), "alpha", "beta"))
        self.detector = detector
        self.rng = np.random.default_rng(seed)
        self.now = EPOCH
        self.everyone: Bools = np.ones(miners, dtype=np.bool_)
        self.pool = np.zeros(miners, dtype=np.int16)
        ones = np.ones(miners)
        self.told: dict[str, Floats] = {
            "hashrate_th": NOMINAL_TH * ones,
            "expected_th": NOMINAL_TH * ones,
            "share_diff": SHARE_DIFF * ones,
            "pool_alive": ones.copy(),
            "work_gh": 0.0 * ones,
            "accepted": 0.0 * ones,
            "rejected": 0.0 * ones,
            "stale": 0.0 * ones,
        }
        self.poll(0.0, {})

    def shares(self, after_s: float) -> NDArray[np.int64]:
        """Draw how many shares each row finds in that time."""
        return self.rng.poisson(SHARES_PER_S * after_s, self.rows)

    def poll(self, after_s: float, grown: Mapping[str, NDArray[np.generic]], *, work: bool = True) -> Verdicts:
        """Let time pass and counters grow, poll every row, judge."""
        self.now += after_s
        at = np.full(self.rows, self.now)
        if work:
            self.told["work_gh"] = self.told["work_gh"] + self.told["hashrate_th"] * 1e3 * after_s
        for name, by in grown.items():
            self.told[name] = self.told[name] + by
        self.view.put_answers(
            self.everyone,
            at,
            np.ones(self.rows, dtype=np.int32),
            {name: (self.everyone, values) for name, values in self.told.items()},
        )
        self.view.put_pools(self.everyone, at, self.pool, np.ones(self.rows))
        self.verdicts = self.detector.judge(self.view, self.now)
        return self.verdicts

    def run(self, after_s: float, rejected: float = 0.0, stale: float = 0.0) -> Verdicts:
        """Poll once, after shares of which so many are rejected or stale."""
        shares = self.shares(after_s)
        bad = self.rng.binomial(shares, rejected) if rejected else np.zeros_like(shares)
        old = self.rng.binomial(shares - bad, stale) if stale else np.zeros_like(shares)
        return self.poll(after_s, {"accepted": shares - bad - old, "rejected": bad, "stale": old})

    @property
    def firing(self) -> Bools:
        """The rows that fire."""
        fires: Bools = self.verdicts.health == Health.FIRING
        return fires
