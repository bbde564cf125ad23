"""What a gate is asked: one wanted action, and all it may look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.guard.limits import GuardLimits, Mode
from agent.model.action import Action, Risk
from agent.model.columns import Bools
from agent.model.incident import Incident
from agent.model.memory import Memory
from agent.model.site_view import SiteView
from agent.model.topology import Outlet


@dataclass(frozen=True, slots=True)
class Request:
    """One wanted action.

    Attributes:
        now: UTC s.
        wanted: actions already allowed in this very tick, not yet committed.
        mode: the mode in force for each risk of the playbook that asks.
        braked: miners to which nothing is done alone for now, shape (n,); None where there are none.
    """

    action: Action
    incident: Incident
    now: float
    view: SiteView
    memory: Memory
    wanted: Sequence[Action]
    limits: GuardLimits
    mode: Mapping[Risk, Mode]
    braked: Bools | None = None

    @property
    def busy(self) -> list[Action]:
        """Every action in flight or about to be, of other incidents."""
        flying = [i.action for i in self.memory.flying.values() if i.incident != self.incident.id]
        return [*flying, *self.wanted]

    @property
    def is_duty(self) -> bool:
        """Whether it switches on again what the agent itself has switched off."""
        return bool(self.action.outlets) and all(o in self.memory.duties for o in self.action.outlets)

    def bank_of(self, outlet: Outlet) -> str:
        """Return the printed name of the bank behind an outlet; the outlet's own name where none is known."""
        bank = self.view.site.bank.get(outlet)
        return str(outlet if bank is None else bank)
