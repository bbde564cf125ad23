"""A subnet lost, or the site's whole network: give it time to return, and tell a person. No miner is touched.

Addresses that are given out no more, a router's interface, the switch in the middle: nothing of it can be mended from
here, and the miners work on what they have (facts "failures", row 1). Whether the gateway itself is the one that is cut
off, it finds out for itself.
"""

from agent.model.domains import Kind
from agent.model.incident import Category, Reason
from agent.model.playbook import Arm, Check, Escalate, Playbook, Resolve, Situation, Step, Transition

RESTART_S = 60.0
"""One that restarts is back by then, two minutes after it went: the verdict took one. An estimate."""


def is_the_site(s: Situation) -> bool:
    """It is all of the site's miners."""
    return s.incident.domain.startswith(f"{Kind.SITE}:")


_STEPS: dict[str, Step] = {
    "hold": Check((), RESTART_S, "stays_away"),
    "judge": Check((Arm(is_the_site, "site"),), 0.0, "subnet"),
    "resolved": Resolve(),
    "ask_site": Escalate("site_network_down"),
    "ask_subnet": Escalate("subnet_lost"),
}

_TRANSITIONS = (
    Transition("stays_away", "hold", "judge"),
    Transition("site", "judge", "ask_site"),
    Transition("subnet", "judge", "ask_subnet"),
    *(Transition("recovered", state, "resolved") for state in ("hold", "judge")),
)

PLAYBOOK = Playbook(
    name="network_part_lost",
    category=Category.NETWORK,
    causes=frozenset({Reason.CUT_OFF}),
    domains=frozenset({Kind.SUBNET, Kind.SITE}),
    initial="hold",
    steps=_STEPS,
    transitions=_TRANSITIONS,
)
