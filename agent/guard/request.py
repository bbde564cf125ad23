"""What a gate is asked: one wanted action, and all it may look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.guard.limits import GuardLimits
from agent.model.action import Action, Risk, Verb
from agent.model.columns import Bools
from agent.model.guard import Mode
from agent.model.ids import RunId
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
        run, state: what wants it; None, and the duty's name, where it is wanted outside a run.
        calm_at: UTC s until which a storm is not over; 0 where there is none.
        braked: miners to which nothing is done alone for now, shape (n,); None where there are none.
        drowsy: those of them that somebody may want asleep, as most around them sleep; None where there are none.
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
    drowsy: Bools | None = None
    calm_at: float = 0.0
    run: RunId | None = None
    state: str = ""

    @property
    def busy(self) -> list[Action]:
        """Every action in flight or about to be, of other incidents."""
        flying = [i.action for i in self.memory.flying.values() if i.incident != self.incident.id]
        return [*flying, *self.wanted]

    @property
    def is_duty(self) -> bool:
        """Whether it undoes what the agent itself has done: switches on, brings a setpoint back, ends a derating."""
        memory, action = self.memory, self.action
        match action.verb:
            case Verb.SET_SUPPLY | Verb.SET_FLOW:
                return self.leads_back
            case Verb.WAKE:
                return all(target in memory.asleep for target in action.targets)
            case Verb.DERATE:
                return action.share == 1.0 and all(target in memory.derated for target in action.targets)
            case _:
                pass
        return bool(self.action.outlets) and all(o in self.memory.duties for o in self.action.outlets)

    @property
    def unproven(self) -> list[Outlet]:
        """Its outlets of which no power cycle has shown yet that they feed its miner."""
        action = self.action
        return [outlet for outlet in action.outlets if not self.memory.is_mapped(outlet, action.miner)]

    @property
    def leads_back(self) -> bool:
        """Whether it moves a setpoint towards what it was before the agent first moved it, and no further."""
        action = self.action
        record = None if action.unit is None else self.memory.setpoints.get((action.unit, action.verb))
        target = action.supply_c if action.verb is Verb.SET_SUPPLY else action.flow_lpm
        if record is None or target is None or action.was is None:
            return False
        return min(action.was, record.base) <= target <= max(action.was, record.base)

    def bank_of(self, outlet: Outlet) -> str:
        """Return the printed name of the bank behind an outlet; the outlet's own name where none is known."""
        bank = self.view.site.bank.get(outlet)
        return str(outlet if bank is None else bank)
