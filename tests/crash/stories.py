"""What goes wrong, for each playbook: a small site and a short story in which its run goes from end to end.

An agent that died before it had anything on record starts from what the site still shows. So the miners are of families
on which what tells one fault from another lasts: one that goes on drawing in full though nobody reaches it, one whose
codes tell that it stopped for its heat.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EASY = {
    "tick_s": 10,
    "poll": {
        "interval_s": 20,
        "focus_interval_s": 20,
        "pdu_interval_s": 30,
        "switch_interval_s": 60,
        "cooling_interval_s": 20,
    },
}
SLOW = {
    "tick_s": 15,
    "poll": {
        "interval_s": 30,
        "focus_interval_s": 30,
        "pdu_interval_s": 60,
        "switch_interval_s": 120,
        "cooling_interval_s": 20,
    },
}
SELDOM = {
    "tick_s": 30,
    "poll": {
        "interval_s": 60,
        "focus_interval_s": 60,
        "pdu_interval_s": 120,
        "switch_interval_s": 300,
        "cooling_interval_s": 20,
    },
}
"""Poll and tick as seldom as the story bears: polling is what a case costs."""

ANTMINERS, LUXOS, WHATSMINERS = {"antminer_stock": 1.0}, {"luxos": 1.0}, {"whatsminer": 1.0}


@dataclass(frozen=True)
class Story:
    """One story.

    Attributes:
        playbook: whose run it is about.
        fault: what goes wrong, as in a scenario's file.
        site: of a generated site.
    """

    playbook: str
    fault: Mapping[str, Any]
    site: Mapping[str, Any]
    duration: str = "2h"
    agent: Mapping[str, Any] = field(default_factory=lambda: EASY)

    def tree(self) -> dict[str, Any]:
        """Return the scenario's file."""
        return {
            "name": self.playbook.replace("_", "-"),
            "seed": 5,
            "duration": self.duration,
            "tier": "memory",
            "agent": dict(self.agent),
            "site": {"generate": {"miners_per_pdu": 6, **self.site}},
            "faults": [{"at": "30s", **self.fault}],
        }


def _on_miner(kind: str, **params: Any) -> dict[str, Any]:
    return {"kind": kind, "target": "miner:r1-01", **params}


STORIES: Mapping[str, Story] = {
    "restart": Story("stuck_miner", _on_miner("miner.process_died"), {"miners": 1, "families": ANTMINERS}),
    "power cycle": Story(
        "stuck_miner",
        _on_miner("miner.control_board_hung"),
        {"miners": 2, "families": ANTMINERS, "outlets_per_miner": 2},
    ),
    "psu dead": Story("stuck_miner", _on_miner("miner.psu_dead"), {"miners": 1, "families": ANTMINERS}),
    "board lost": Story("hardware", _on_miner("miner.board_lost", cold_cures=True), {"miners": 3, "families": LUXOS}),
    "foreign pool": Story("foreign_pool", _on_miner("miner.unauthorised_pool"), {"miners": 2, "pools": 2}),
    "port hung": Story("network_loss", _on_miner("network.port_hung"), {"miners": 3, "families": LUXOS}),
    "address moved": Story("network_loss", _on_miner("network.address_moved"), {"miners": 3, "families": ANTMINERS}),
    "pool flaps": Story(
        "pool_loss",
        {"kind": "pool.flaps", "target": "pool:primary", "period_s": 800, "for": "50m"},
        {"miners": 3, "pools": 2},
        "3h",
        SLOW,
    ),
    "pool times out": Story(
        "unsteady_pool",
        {"kind": "pool.times_out", "target": "pool:primary", "period_s": 120, "for": "45m"},
        {"miners": 4, "pools": 2},
        agent=SELDOM,
    ),
    "rejects": Story(
        "high_rejects", _on_miner("miner.rejects_board", share=0.2, eases=True), {"miners": 6, "pools": 2}, "3h", SELDOM
    ),
    "clogged": Story("hot_miner", _on_miner("miner.clogged"), {"miners": 3, "families": LUXOS}, "3h"),
    "cut out": Story(
        "overtemp_cut_out", _on_miner("miner.overtemp_cut_out"), {"miners": 2, "families": WHATSMINERS}, "3h"
    ),
    "loop hot": Story(
        "loop_hot",
        {"kind": "loop.heat_rejection_weak", "target": "loop:c1-loop", "for": "15m"},
        {"miners": 2, "cooling": "hydro", "families": LUXOS},
        "6h",
        SELDOM,
    ),
    "pumps failed": Story(
        "cooling_lost",
        {"kind": "loop.pump_failed", "target": "loop:c1-loop", "for": "10m"},
        {"miners": 2, "cooling": "hydro", "families": ANTMINERS},
        agent=SLOW,
    ),
    "unit leaks": Story(
        "cooling_unit",
        {"kind": "cdu.leak", "target": "cdu:c1-cdu", "for": "10m"},
        {"miners": 2, "cooling": "hydro", "families": ANTMINERS},
        agent=SLOW,
    ),
    "curtailed": Story(
        "curtailed",
        {"kind": "site.curtailed_unannounced", "target": "switch:c1-sw", "for": "15m"},
        {"miners": 12, "containers": 2},
        agent=SLOW,
    ),
    "boot loop": Story(
        "firmware_crash",
        _on_miner("miner.crash_loop", every_s=300),
        {"miners": 1, "families": LUXOS},
        "6h",
        SELDOM,
    ),
    "firmware corrupt": Story(
        "firmware_crash", _on_miner("miner.firmware_corrupt"), {"miners": 1, "families": LUXOS}, "6h", SELDOM
    ),
    "breaker": Story(
        "breaker_tripped",
        {"kind": "pdu.breaker_trip", "target": "pdu:c1-p1", "bank": 1, "for": "10m"},
        {"miners": 24, "miners_per_pdu": 12},
    ),
    "pdu dark": Story(
        "pdu_dark",
        {"kind": "pdu.dark", "target": "pdu:c1-p1", "for": "10m"},
        {"miners": 12, "miners_per_pdu": 6},
    ),
    "outage": Story(
        "power_lost",
        {"kind": "site.outage", "target": "site:generated", "for": "10m"},
        {"miners": 12, "containers": 2},
    ),
    "switch down": Story(
        "switch_down",
        {"kind": "network.switch_down", "target": "switch:c1-sw", "for": "10m"},
        {"miners": 12, "containers": 2},
    ),
    "core down": Story(
        "network_part_lost",
        {"kind": "network.core_down", "target": "site:generated", "for": "10m"},
        {"miners": 12, "containers": 2},
    ),
}
