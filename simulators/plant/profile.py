"""Figures of each miner family: how long it takes to start, what it draws, how warm it runs. No behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.model.topology import Family, Miner

Span = tuple[float, float]
"""Least and greatest value; each miner draws its own once, from the seed."""


@dataclass(frozen=True, slots=True)
class FamilyProfile:
    """Timing and physics of one family.

    Attributes:
        boot_s: power or reboot until the operating system runs and its services listen.
        init_s: start of the mining process until the first work is computed.
        ramp_s: first work until full rate, rising evenly from `ramp_from` of the full rate.
        watchdog_s: a missing mining process is started again after so long; None where nothing looks after it.
        heartbeat_s: hashboards switch off so long after their controller fell silent.
        standby_w: a PSU that feeds nothing but its own supply. idle_w: the same with the control board alive.
        init_share: share of nominal power while the process starts. unfed_share: while boards have power but no work.
        freezes: averages longer than 5 s stand still when hashing stops, instead of decaying.
        boards, chips, fans: how many, chips per board.
        chip_c: hottest chip sensor at full rate in 25 °C air. pcb_below_c: how much cooler its board is.
        fan_rpm: at full rate. idle_rpm: with cold boards.
        gives_up_s: without a network the hashboards are switched off after so long, and all starts afresh when it is
            back; None where firmware does not do so. Source: facts "failures", row 25.
        pools_restart: another list of pools means another mining process; else it connects anew.
        wants_fans: it does not hash while one of its fans stands still.
        reject_share, stale_share: of the shares sent, when all is well.
        hw_error_share: of nonces at difficulty 256.
    """

    boot_s: Span
    init_s: Span
    ramp_s: Span
    ramp_from: float
    watchdog_s: float | None
    heartbeat_s: Span
    standby_w: Span
    idle_w: Span
    init_share: float
    unfed_share: float
    freezes: bool
    boards: int
    chips: int
    fans: int
    chip_c: Span
    pcb_below_c: float
    fan_rpm: Span
    idle_rpm: float
    gives_up_s: Span | None = None
    pools_restart: bool = True
    wants_fans: bool = True
    reject_share: float = 0.0025
    stale_share: float = 0.0005
    hw_error_share: float = 0.0003


PROFILES: Mapping[Family, FamilyProfile] = {
    Family.ANTMINER_STOCK: FamilyProfile(
        boot_s=(38.0, 60.0),
        init_s=(122.0, 140.0),
        ramp_s=(5.0, 20.0),
        ramp_from=0.8,
        watchdog_s=22.0,
        heartbeat_s=(20.0, 60.0),
        standby_w=(10.0, 14.0),
        idle_w=(14.0, 20.0),
        init_share=0.12,
        unfed_share=0.55,
        freezes=True,
        boards=3,
        chips=114,
        fans=4,
        chip_c=(66.0, 78.0),
        pcb_below_c=5.0,
        fan_rpm=(4800.0, 6000.0),
        idle_rpm=1560.0,
        gives_up_s=(301.0, 600.0),
    ),
    Family.LUXOS: FamilyProfile(
        boot_s=(50.0, 80.0),
        init_s=(80.0, 130.0),
        ramp_s=(40.0, 80.0),
        ramp_from=0.4,
        watchdog_s=None,
        heartbeat_s=(20.0, 60.0),
        standby_w=(10.0, 14.0),
        idle_w=(12.0, 18.0),
        init_share=0.15,
        unfed_share=0.55,
        freezes=False,
        boards=3,
        chips=77,
        fans=4,
        chip_c=(47.0, 60.0),
        pcb_below_c=0.0,
        fan_rpm=(1900.0, 4200.0),
        idle_rpm=1200.0,
        pools_restart=False,
        wants_fans=False,
        hw_error_share=0.0001,
    ),
    Family.WHATSMINER: FamilyProfile(
        boot_s=(40.0, 60.0),
        init_s=(20.0, 35.0),
        ramp_s=(340.0, 400.0),
        ramp_from=0.3,
        watchdog_s=None,
        heartbeat_s=(20.0, 60.0),
        standby_w=(12.0, 18.0),
        idle_w=(18.0, 25.0),
        init_share=0.15,
        unfed_share=0.6,
        freezes=False,
        boards=3,
        chips=105,
        fans=2,
        chip_c=(85.0, 95.0),
        pcb_below_c=18.0,
        fan_rpm=(5400.0, 6500.0),
        idle_rpm=2370.0,
        reject_share=0.002,
    ),
}
"""Start-up times, sensor and fan ranges: facts "detection", sections 1.1 and 1.2. Standby and idle watts are estimates
that keep below every metering threshold used to call an outlet dead or idle."""

_CHIPS: Mapping[str, int] = {
    "s19": 76, "s19 pro": 114, "s19j pro": 126, "s19k pro": 77, "s19 xp": 110, "t19": 76,
    "s21": 108, "s21 pro": 65, "t21": 108,
}  # fmt: skip


def chips_per_board(spec: Miner, profile: FamilyProfile) -> int:
    """Return how many chips a hashboard of that miner has: a stock Antminer by its model, others by their family."""
    model = spec.model.lower().removeprefix("antminer").strip()
    return _CHIPS.get(model, profile.chips) if spec.family is Family.ANTMINER_STOCK else profile.chips
