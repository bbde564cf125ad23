"""Figures and texts that several families print the same way. Pure functions of readings and inventory."""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

from simulators.plant.readings import PoolReading, Readings


def antminer_type(model: str) -> str:
    """Return the model as the firmware prints it, with the maker's product name in front."""
    return model if model.lower().startswith("antminer") else f"Antminer {model}"


def share_age(last_share_at: float | None, at: float) -> str:
    """Return how long ago the last share was sent, as H:MM:SS; "0" before the first. Both are loop time in s."""
    return "0" if last_share_at is None else clock_text(at - last_share_at)


def clock_text(age_s: float) -> str:
    """Return an age as H:MM:SS."""
    age = max(0, int(age_s))
    return f"{age // 3600}:{age // 60 % 60:02d}:{age % 60:02d}"


def short_difficulty(diff: float) -> str:
    """Return a share difficulty as cgminer abbreviates it: 524288 is 524K."""
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if diff >= unit:
            return f"{diff / unit:.3g}{suffix}"
    return f"{diff:.3g}"


def percent(part: float, whole: float) -> float:
    """Return a share in percent, 0 where there is no whole."""
    return round(100.0 * part / whole, 4) if whole else 0.0


def best_share(r: Readings) -> int:
    """Return a best share that fits: about as many times the difficulty as shares were found."""
    return int(r.diff * (1 + r.accepted) * 1.37) if r.accepted else 0


@lru_cache(maxsize=65_536)
def serial(miner: str, kind: str) -> str:
    """Return a stable serial number of 16 characters for a part of that miner."""
    return hashlib.sha256(f"{kind} {miner}".encode()).hexdigest()[:16]


def mac(miner: str, given: str | None) -> str:
    """Return the inventory's MAC address, or a stable locally administered one, in upper case with colons."""
    if given is not None:
        return given.upper().replace("-", ":")
    digest = hashlib.sha256(f"mac {miner}".encode()).digest()
    return ":".join(f"{octet:02X}" for octet in (0x02, *digest[:5]))


def pool_figures(pools: Sequence[PoolReading], last_share: Callable[[float | None], object]) -> dict[str, object]:
    """Return what changes about pools from one reply to the next, under names that begin with `pool_`.

    Those are the counters of the one worked for, and of each when its last share was sent (`pool_last_share0` and so
    on) in the family's own format, which `last_share` makes of the loop time in s.
    """
    found: dict[str, object] = {
        f"pool_last_share{n}": last_share(pool.tally.last_share_at) for n, pool in enumerate(pools)
    }
    active = next((pool for pool in pools if pool.active), None)
    if active is None:
        return found
    tally = active.tally
    shares = max(tally.accepted + tally.rejected + tally.stale, 1)
    found["pool_getworks"] = active.getworks
    found["pool_accepted"] = tally.accepted
    found["pool_rejected"] = tally.rejected
    found["pool_stale"] = tally.stale
    found["pool_accepted_diff"] = tally.accepted_diff
    found["pool_rejected_diff"] = tally.rejected_diff
    found["pool_stale_diff"] = tally.stale_diff
    found["pool_rejected_percent"] = 100.0 * tally.rejected / shares
    found["pool_stale_percent"] = 100.0 * tally.stale / shares
    return found


def address_of(url: str) -> str:
    """Return host and port of a pool's URL."""
    return url.rpartition("://")[2]
