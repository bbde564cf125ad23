"""Which firmware runs on how many miners of a family, and how it differs from the family's figures. No behaviour.

Sites grow over years and are never all on one version. The versions are real; how they are spread and how much slower
or faster they start are estimates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from agent.model.ids import MinerId
from agent.model.topology import Family
from simulators.plant.history import History
from simulators.plant.profile import PROFILES, FamilyProfile, Span


@dataclass(frozen=True, slots=True)
class Firmware:
    """One version.

    Attributes:
        version: as the device tells it.
        share: of the family's miners that run it; the shares of a family add up to 1.
        boot_factor, init_factor: on the family's times for boot and for the start of the mining process.
        freezes: long averages stand still when hashing stops; None for what the family does.
    """

    version: str
    share: float
    boot_factor: float = 1.0
    init_factor: float = 1.0
    freezes: bool | None = None


FIRMWARES: Mapping[Family, tuple[Firmware, ...]] = {
    Family.ANTMINER_STOCK: (
        Firmware("49.0.1.3", 0.6),
        Firmware("FR-1.12(251009-S21)", 0.4, boot_factor=1.1, init_factor=0.95, freezes=False),
    ),
    Family.LUXOS: (
        Firmware("2025.4.8.220305", 0.7),
        Firmware("2024.12.9.212031", 0.3, boot_factor=1.05, init_factor=1.1),
    ),
    Family.WHATSMINER: (
        Firmware("20230911.12.REL", 0.6),
        Firmware("20210322.22.REL", 0.3, boot_factor=1.15, init_factor=1.1),
        Firmware("20250214.16.REL", 0.1, boot_factor=0.9, init_factor=0.9),
    ),
}
"""The commonest of each family first: the one on every miner where a site has no mix."""


def firmware_of(miner: MinerId, family: Family, history: History) -> Firmware:
    """Return what a miner runs: drawn from the seed, by the shares, alone for each miner."""
    versions = FIRMWARES[family]
    if not history.settings.firmware_mix:
        return versions[0]
    return history.stream(f"firmware/{miner}").choices(versions, [v.share for v in versions])[0]


@cache
def profile_of(family: Family, firmware: Firmware, boards: int | None) -> FamilyProfile:
    """Return the family's figures as that firmware, and a model with so many hashboards, changes them."""
    profile = PROFILES[family]
    return replace(
        profile,
        boot_s=_scaled(profile.boot_s, firmware.boot_factor),
        init_s=_scaled(profile.init_s, firmware.init_factor),
        freezes=profile.freezes if firmware.freezes is None else firmware.freezes,
        boards=boards or profile.boards,
    )


def _scaled(span: Span, factor: float) -> Span:
    return span[0] * factor, span[1] * factor
