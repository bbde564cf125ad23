"""What a miner would show on its own displays at one moment, before any protocol dresses it. Data only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readings:
    """One miner's true counters and gauges.

    Attributes:
        rate_5s, rate_1m, rate_5m, rate_15m, rate_30m: exponential averages in GH/s with that time constant.
        rate_av: work since the process started over its age, in GH/s.
        elapsed_s: age of the mining process in s; 0 while there is none.
        uptime_s: age of the control board's boot in s.
        accepted, rejected, stale: shares since the process started.
        diff: the pool's share difficulty.
        work_gh: hashes computed since the process started, in GH.
        last_share_at: site time in s of the last share sent, None before the first.
        board_rates_gh: rate of each hashboard in GH/s, over about 5 s.
        chips_ok: every chip answers its controller.
        chip_temp_c, pcb_temp_c: hottest sensor of each hashboard in °C.
        target_gh: the rate the device itself aims at, in GH/s.
        upfreq_complete: the start-up ramp is over.
        suspended: told to sleep.
    """

    rate_5s: float
    rate_1m: float
    rate_5m: float
    rate_15m: float
    rate_30m: float
    rate_av: float
    elapsed_s: int
    uptime_s: int
    accepted: int
    rejected: int
    stale: int
    diff: float
    accepted_diff: float
    rejected_diff: float
    stale_diff: float
    work_gh: float
    hw_errors: int
    last_share_at: float | None
    board_rates_gh: tuple[float, ...]
    chips_ok: bool
    chip_temp_c: tuple[float, ...]
    pcb_temp_c: tuple[float, ...]
    fans_rpm: tuple[int, ...]
    power_w: float
    target_gh: float
    upfreq_complete: bool
    suspended: bool
    pool_url: str
    pool_user: str
    pool_alive: bool
