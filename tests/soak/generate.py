"""Random scenarios, each wholly determined by its seed: a small site, what goes wrong on it, when the agent dies.

There are two phases. In the first things go wrong; in the second nothing new does, and every disturbance has passed:
by the end of it every incident has to be over or a person's.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.faults import FAULT_KINDS
from simulators.faults.kind import FaultKind, Knob, On

TROUBLE_S = (1800, 7200)
"""How long the first phase lasts, in s."""

QUIET_S = 12 * 3600
"""How long the second one lasts: longer than any run of a playbook on a site that has its senses again. A firmware's
may prove a restart and a reboot for an hour and a half each, and then wait six hours for its turn to flash."""

PEACE_S = 1800
"""It is over as soon as nothing has been in the agent's hands for so long, in s."""

SAID = {"site.curtailed": "curtail", "site.maintenance": "maintain"}
"""What people say before they do it, and the word for it; perhaps of more miners than it befalls."""

PASSES_S = (120, 1800)
"""How long what befalls the surroundings lasts, in s."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One scenario, as a tree that can be written as YAML.

    Attributes:
        trouble_s: site time in s at which the second phase begins.
        faults: what goes wrong, one entry each: what is left out of them leaves the others as they are.
    """

    seed: int
    trouble_s: int
    site: Mapping[str, Any]
    history: Mapping[str, Any]
    faults: tuple[Mapping[str, Any], ...]

    @property
    def passed_s(self) -> int:
        """Site time in s from which on nothing goes wrong that was not wrong before."""
        return max((_s(fault["at"]) + _s(fault.get("for", "0s")) for fault in self.faults), default=0)

    def tree(self, tier: str) -> dict[str, Any]:
        """Return the scenario's file."""
        return {
            "name": f"soak-{self.seed}",
            "seed": self.seed,
            "duration": f"{self.trouble_s + QUIET_S}s",
            "tier": tier,
            "site": {"generate": dict(self.site)},
            "history": dict(self.history),
            "orders": [_said(fault) for fault in self.faults if fault["kind"] in SAID],
            "faults": [dict(fault) for fault in self.faults],
        }


def trial(seed: int) -> Trial:
    """Return the scenario of that seed."""
    rng = random.Random(f"soak/{seed}")
    site = _site(rng)
    trouble_s = rng.randrange(*TROUBLE_S, 60)
    kinds = [kind for kind in FAULT_KINDS.values() if _has_place(kind, site)]
    faults = [_fault(rng, kind, site, trouble_s) for kind in rng.choices(kinds, k=rng.randint(2, 10))]
    kill = FAULT_KINDS["host.agent_killed"]
    faults += [_fault(rng, kill, site, trouble_s) for _ in range(rng.choice((0, 0, 1, 2)))]
    history = {"lost_polls": rng.choice((0.0, 0.002, 0.02))}
    return Trial(seed, trouble_s, site, history, tuple(sorted(faults, key=lambda fault: _s(fault["at"]))))


def _site(rng: random.Random) -> dict[str, Any]:
    containers = rng.choice((1, 1, 2))
    per_pdu = rng.choice((6, 12, 24))
    return {
        "miners": rng.randint(4, 16) * containers,
        "containers": containers,
        "racks_per_container": rng.choice((1, 2)),
        "miners_per_pdu": per_pdu,
        "outlets_per_miner": 2 if per_pdu <= 12 and rng.random() < 0.2 else 1,
        "cooling": rng.choice(("air", "air", "hydro", "immersion")),
        "pools": rng.choice((1, 2, 3)),
    }


def _has_place(kind: FaultKind, site: Mapping[str, Any]) -> bool:
    """Whether a generated site of that sort has anything that the kind can befall."""
    on_loops = kind.on <= {On.LOOP, On.CDU}
    return not (on_loops and site["cooling"] == "air")


def _fault(rng: random.Random, kind: FaultKind, site: Mapping[str, Any], trouble_s: int) -> dict[str, Any]:
    aim = rng.choice(sorted(kind.on))
    at_s = rng.randrange(60, trouble_s)
    fault: dict[str, Any] = {
        "at": f"{at_s}s",
        "kind": kind.name,
        "target": "host:agent" if aim is On.HOST else f"{aim}:*",
    }
    if aim is On.MINER:
        fault["count"] = rng.randint(1, min(3, site["miners"]))
    elif aim is not On.HOST:
        fault["count"] = 1
    if not kind.counts or aim is not On.MINER:
        fault["for"] = f"{rng.randint(*PASSES_S)}s"
    for name, knob in kind.knobs.items():
        if rng.random() < 0.5 and (value := _drawn(rng, knob)) is not None:
            fault[name] = value
    return fault


def _s(written: str) -> int:
    return int(written.removesuffix("s"))


def _said(fault: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": fault["at"], SAID[fault["kind"]]: fault["target"], "for": fault["for"], "why": "as announced"}


def _drawn(rng: random.Random, knob: Knob) -> Any:
    """Return a value for a parameter that has a few to choose from; None leaves it as it usually is."""
    if knob.choices:
        return rng.choice(knob.choices)
    return rng.random() < knob.odds if knob.odds is not None else None
