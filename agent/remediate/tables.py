"""Which playbook is for which incident: by category and, where it has several, by cause and by where the cause lies."""

from collections.abc import Iterable, Iterator
from itertools import product

from agent.model.errors import InvariantError
from agent.model.incident import Category, Incident, Reason
from agent.model.playbook import Playbook
from agent.remediate.machine import Table


class Tables:
    """Every playbook's table.

    Raises:
        InvariantError: a table is unsound, two playbooks have one name, or two claim the same incidents.
    """

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        self._by_name: dict[str, Table] = {}
        self._by_cause: dict[tuple[Category, Reason | None, str], Table] = {}
        for playbook in playbooks:
            if playbook.name in self._by_name:
                raise InvariantError(f"playbook {playbook.name}: another one has that name; rename one of them")
            self._by_name[playbook.name] = table = Table(playbook)
            for cause, kind in product(playbook.causes or (None,), playbook.domains or ("",)):
                other = self._by_cause.setdefault((playbook.category, cause, kind), table)
                if other is not table:
                    what = "incidents no other playbook names" if cause is None else f"cause {cause}"
                    what += f" in a {kind}" if kind else ""
                    raise InvariantError(
                        f"playbook {playbook.name}: {other.playbook.name} is for {what} of category "
                        f"{playbook.category} already; write `causes` so that each has its own"
                    )

    def __iter__(self) -> Iterator[Table]:
        return iter(self._by_name.values())

    def of(self, incident: Incident) -> Table | None:
        """Return the table for an incident as it is seen now; None where no playbook is for it."""
        kind, category = incident.domain.partition(":")[0], incident.category
        ways = ((category, incident.cause, kind), (category, incident.cause, ""), (category, None, ""))
        return next((table for way in ways if (table := self._by_cause.get(way)) is not None), None)

    def running(self, incident: Incident) -> Table | None:
        """Return the table that the incident's run goes by; None without a run, or where its playbook changed since."""
        table = None if incident.run is None else self._by_name.get(incident.run.playbook)
        return table if table is not None and incident.run and incident.run.fingerprint == table.fingerprint else None
