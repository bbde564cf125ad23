"""The gates, in the order they are asked. The first that does not allow decides."""

from collections.abc import Callable

from agent.guard.approval import approval
from agent.guard.bank import bank
from agent.guard.blast_radius import blast_radius
from agent.guard.brake import brake
from agent.guard.budget import budget
from agent.guard.cooldown import cooldown
from agent.guard.expected import expected
from agent.guard.flash import flash
from agent.guard.hold import hold
from agent.guard.hot import hot
from agent.guard.in_flight import in_flight
from agent.guard.itself import itself
from agent.guard.mode import mode
from agent.guard.moved import moved
from agent.guard.one_writer import one_writer
from agent.guard.outlet_map import outlet_map
from agent.guard.proof import proof
from agent.guard.protected import protected
from agent.guard.request import Request
from agent.guard.setpoint import setpoint
from agent.guard.shared import shared
from agent.guard.stale import stale
from agent.guard.step import step
from agent.guard.storm import storm
from agent.guard.target import target
from agent.guard.unit import unit
from agent.model.guard import Allow, Verdict

Gate = Callable[[Request], Verdict]

GATES: tuple[Gate, ...] = (
    target,
    protected,
    mode,
    shared,
    outlet_map,
    flash,
    unit,
    moved,
    one_writer,
    setpoint,
    hold,
    itself,
    expected,
    stale,
    hot,
    storm,
    brake,
    in_flight,
    proof,
    step,
    cooldown,
    bank,
    blast_radius,
    budget,
    approval,
)
"""What can never be allowed comes first, what only has to wait comes last: a refusal is not hidden behind a wait. A
person is asked last of all, and about nothing that could not be done at once."""


def judge(request: Request) -> tuple[str, Verdict]:
    """Return the name of the deciding gate and its verdict; ("all", Allow) when every gate allows."""
    for gate in GATES:
        verdict = gate(request)
        if not isinstance(verdict, Allow):
            return gate.__name__, verdict
    return "all", Allow()
