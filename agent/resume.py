"""What became of actions that had no outcome when the agent went down. Pure: ledger, first poll and playbooks tell."""

from agent.act import Outcome
from agent.model.action import Action, Repeat, Result, Risk, Verb
from agent.model.events import Intended
from agent.model.loops import SAME
from agent.model.memory import Memory
from agent.model.playbook import Act, Situation
from agent.model.site_view import SiteView
from agent.model.telemetry import Reach
from agent.remediate.tables import Tables

_SET_AGAIN = frozenset({Verb.SWITCH_POOL, Verb.DERATE, Verb.SLEEP, Verb.WAKE})
"""What is set again after a restart of the agent, for as long as it is wanted."""

NOT_WANTED = "the agent was restarted in between; it is not wanted any more"


class Resume:
    """Looks at intents without an outcome, once the ledger is folded and the whole site has been polled."""

    def __init__(self, view: SiteView, memory: Memory, tables: Tables) -> None:
        self._view = view
        self._memory = memory
        self._tables = tables

    def look(self, intent: Intended, now: float) -> Outcome | None:
        """Tell from the ledger and the first poll what became of an intent; None where it is to be done now (UTC s).

        A switch-on is always done. A switch-off, or a port's bounce, is done again only while its run goes on and its
        playbook does not see that it is needless: somebody may have put it right in the meantime. A restart is never
        repeated, only looked for in the age of the process that answers.
        """
        verb, row = intent.action.verb, self._view.site.rows.get(intent.action.miner)
        if verb is Verb.POWER_ON:
            return None
        if intent.action.unit is not None:
            return self._look_at_unit(intent.action)
        if verb in _SET_AGAIN or intent.action.traits.risk is Risk.OBSERVE:
            # Whoever is as wanted already is left alone by the driver, and looking once more changes nothing. A duty,
            # which has no run, is always done.
            wanted = intent.run is None or self._is_current(intent)
            return None if wanted else Outcome(Result.UNKNOWN, NOT_WANTED)
        answers = row is not None and self._view.reach[row] == Reach.ANSWERED
        if intent.action.traits.repeat is not Repeat.SAFE:
            return self._look_at_process(intent, row if answers else None)
        again = row is not None and self._is_current(intent) and not self._is_needless(intent, now)
        return None if again else Outcome(Result.UNKNOWN, NOT_WANTED)

    def asked_at(self, intent: Intended) -> float:
        """Return when an intent without an outcome was committed, UTC s."""
        return self._memory.incidents[intent.incident].attempts[-1].at

    def is_of_this_boot(self, intent: Intended) -> bool:
        """Whether the agent's machine has been up since the intent, so that the time since is known.

        A machine that keeps no time while it is off wakes in the past.
        """
        started = self._memory.started
        since = None if started is None else started[0].boot_since
        return since is not None and since <= self.asked_at(intent)

    def _is_needless(self, intent: Intended, now: float) -> bool:
        """Whether its playbook sees what makes it needless; where that names nothing, whether the miner answers."""
        incident = self._memory.incidents[intent.incident]
        table, run, row = self._tables.running(incident), incident.run, self._view.row(intent.action.miner)
        step = table.playbook.steps.get(intent.state) if table is not None else None
        if run is None or not isinstance(step, Act) or step.unless is None:
            return row.reach is Reach.ANSWERED
        miner = self._view.site.miner(intent.action.miner)
        return step.unless(Situation(now, incident, run, miner, row, recovered=False))

    def _look_at_process(self, intent: Intended, row: int | None) -> Outcome:
        """Tell from the age of the process that answers whether it was restarted; `row` None where none does."""
        intended_at, elapsed_s = self.asked_at(intent), self._view.elapsed_s
        if row is not None and float(elapsed_s.at[row] - elapsed_s.value[row]) >= intended_at:
            return Outcome(Result.OK, "seen after a restart of the agent: the process is younger than the intent")
        return Outcome(Result.UNKNOWN, "the agent was restarted in between, and nothing shows that it happened")

    def _look_at_unit(self, action: Action) -> Outcome:
        """Tell from the first read what became of a setpoint's write; it is never written again on that account."""
        columns = self._view.cooling
        unit = None if action.unit is None else columns.rows.get(action.unit)
        if unit is not None:
            is_supply = action.verb is Verb.SET_SUPPLY
            found = float((columns.setpoint_c if is_supply else columns.flow_setpoint_lpm).value[unit])
            for value, result in (
                (action.supply_c if is_supply else action.flow_lpm, Result.OK),
                (action.was, Result.FAILED),
            ):
                if value is not None and abs(found - value) < SAME:
                    return Outcome(result, f"seen after a restart of the agent: it aims at {found:g}")
        return Outcome(Result.UNKNOWN, "the agent was restarted in between, and nothing shows what it aims at")

    def _is_current(self, intent: Intended) -> bool:
        """Whether the run that wanted this may go on under the playbooks of today."""
        incident = self._memory.incidents[intent.incident]
        return self._tables.running(incident) is not None
