"""The figures the gates enforce."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Limits power actions and flashes are held to. Sources: facts "control", section 2.

    Attributes:
        cooldown_s: least time between two power cycles of one miner.
        power_cycles_per_day: most power cycles of one miner in 24 h.
        on_spacing_s: least time between two switch-ons of one bank (inrush).
        bank_share: share of a bank's rating that continuous load may reach.
        flashes_at_once: most firmware flashes that may be under way on the site.
        at_once_share, site_at_once_share: share of a PDU's, rack's or switch's miners, and of the site's, that the
            agent may have out of service at the same time.
        hour_share, site_hour_share, site_day_share: the same for an hour, and for a day: rate budgets.
        storm_share: share of the site's miners with an incident from which on nothing new is begun.
        storm_calm_s: for so long after fewer have one.
        approval_s: for so long a person may answer whether an action may be done, and the answer may be used.
    """

    cooldown_s: float = 1200.0
    power_cycles_per_day: int = 2
    on_spacing_s: float = 5.0
    bank_share: float = 0.8
    flashes_at_once: int = 1
    at_once_share: float = 0.25
    site_at_once_share: float = 0.10
    hour_share: float = 0.5
    site_hour_share: float = 0.15
    site_day_share: float = 0.30
    storm_share: float = 0.4
    storm_calm_s: float = 600.0
    approval_s: float = 1800.0
