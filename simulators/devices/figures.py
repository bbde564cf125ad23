"""Figures and texts that several families print the same way. Pure functions of readings and inventory."""

import hashlib

from simulators.plant.readings import Readings


def antminer_type(model: str) -> str:
    """Return the model as the firmware prints it, with the maker's product name in front."""
    return model if model.lower().startswith("antminer") else f"Antminer {model}"


def share_age(r: Readings, at: float) -> str:
    """Return how long ago the last share was sent, as H:MM:SS; "0" before the first. `at` is loop time in s."""
    if r.last_share_at is None:
        return "0"
    age = max(0, int(at - r.last_share_at))
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


def serial(miner: str, kind: str) -> str:
    """Return a stable serial number of 16 characters for a part of that miner."""
    return hashlib.sha256(f"{kind} {miner}".encode()).hexdigest()[:16]


def mac(miner: str, given: str | None) -> str:
    """Return the inventory's MAC address, or a stable locally administered one, in upper case with colons."""
    if given is not None:
        return given.upper().replace("-", ":")
    digest = hashlib.sha256(f"mac {miner}".encode()).digest()
    return ":".join(f"{octet:02X}" for octet in (0x02, *digest[:5]))
