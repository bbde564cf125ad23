"""Who goes with a recorded incident: its members, their neighbours, and whoever is not well meanwhile. Bounded."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.model.domains import Kind
from agent.model.incident import Category, Incident
from agent.model.memory import Memory
from agent.model.recording import MINERS, OUTLETS, PORTS, UNITS, Group, Loss, Note
from agent.model.site_view import SiteView
from agent.model.topology import Miner
from agent.observe.settings import RecordSettings
from agent.observe.tape import Selection

Rows = NDArray[np.int64]

HEARD = 32
"""Of so many members of an incident, exchanges are kept: of those of a whole site the readings say enough."""

NEAR = frozenset({Kind.BREAKER, Kind.PDU, Kind.SWITCH, Kind.RACK})
"""The domains whose miners go with a member first; then, as far as there is room, those of wider ones."""

COUNTED = frozenset({Category.POOL, Category.REJECTS})
"""What is one miner's, and what is its pool's, is decided by counts over all that work for it."""


def sizes(view: SiteView) -> Mapping[Group, int]:
    """Return how many rows each group has."""
    return {
        MINERS: len(view.reach),
        OUTLETS: len(view.outlet_rows),
        PORTS: len(view.port_rows),
        UNITS: len(view.site.cooling_units),
    }


class Company:
    """Who goes with one incident.

    Attributes:
        rows: the miners, ascending. selection: the same, with their outlets and ports and all cooling units.
        notes: who does not, though he should.
        devices: the addresses of the members and of what they hang on.
        until: UTC s from which on the incident is not recorded any more; None while that is not known.
    """

    def __init__(self, view: SiteView, settings: RecordSettings) -> None:
        self._view = view
        self._settings = settings
        self._members: tuple[str, ...] = ()
        self._near: Rows = np.zeros(0, dtype=np.int64)
        self.rows: Rows = np.zeros(0, dtype=np.int64)
        self.selection = Selection({group: np.zeros(n, dtype=np.bool_) for group, n in sizes(view).items()})
        self.notes: tuple[Note, ...] = ()
        self.devices: frozenset[str] = frozenset()
        self.until: float | None = None

    def follow(self, incident: Incident, others: Rows, now: float) -> Rows:
        """Bring it up to date; return the miners that are new in it.

        Args:
            incident: as it stands.
            others: the miners that are not well.
            now: UTC s.
        """
        self._note_end(incident, now)
        if incident.members != self._members:
            self._members = incident.members
            self._gather(incident, now)
        rows = np.union1d(self._near, others)
        new = np.setdiff1d(rows, self.rows, assume_unique=True)
        if new.size:
            self.rows = np.union1d(self.rows, rows)
            self.selection = self._selected(self.rows)
        return new

    def _note_end(self, incident: Incident, now: float) -> None:
        settings = self._settings
        is_over = not (incident.is_open and incident.escalated_at is None) and not incident.is_running
        if not is_over:
            self.until = incident.began + settings.longest_s
        elif self.until is None or self.until > now + settings.after_s:
            self.until = now + settings.after_s

    def _gather(self, incident: Incident, now: float) -> None:
        view, settings = self._view, self._settings
        site = view.site
        rows = [site.rows[miner] for miner in incident.members if miner in site.rows]
        most = settings.most_counted if incident.category in COUNTED else settings.most_peers
        members = np.array(rows[: settings.most_members], dtype=np.int64)
        near, wanted = self._peers(incident, rows, most + settings.most_members)
        near = near[~np.isin(near, members)]
        if (left := min(wanted, near.size) - most) > 0:
            self.notes += (Note(at=now, loss=Loss.PEERS, count=int(left)),)
        if len(rows) > members.size:
            self.notes += (Note(at=now, loss=Loss.OTHERS, count=len(rows) - int(members.size)),)
        self._near = np.union1d(members, near[:most])
        self.devices = frozenset(_devices(view, [site.miners[row] for row in members[:HEARD].tolist()]))

    def _peers(self, incident: Incident, rows: Sequence[int], most: int) -> tuple[Rows, int]:
        """Return who shares something with a member, the narrowest domains first, few more than `most`.

        And how many of them should go with it, whatever room there is.
        """
        found: dict[int, None] = {}
        wanted = NEAR | ({Kind.LOOP} if incident.category is Category.THERMAL else set())
        wanted |= {Kind.POOL} if incident.category in COUNTED else set()
        for kinds in (wanted, frozenset(Kind) - wanted):
            for row in rows:
                if len(found) > most:
                    break
                for domain in self._view.domains.of(row):
                    if domain.kind in kinds:
                        found.update(dict.fromkeys(domain.rows.tolist()))
            if kinds is wanted:
                due = len(found)
        return np.array(list(found), dtype=np.int64), due

    def _selected(self, rows: Rows) -> Selection:
        view = self._view
        masks = {group: np.zeros(n, dtype=np.bool_) for group, n in sizes(view).items()}
        masks[MINERS][rows] = True
        masks[UNITS][:] = True
        miners = [view.site.miners[row] for row in rows.tolist()]
        pdus = {outlet.pdu for miner in miners for outlet in miner.outlets}
        switches = {miner.port.switch for miner in miners if miner.port is not None}
        masks[OUTLETS][[row for outlet, row in view.outlet_rows.items() if outlet.pdu in pdus]] = True
        masks[PORTS][[row for port, row in view.port_rows.items() if port.switch in switches]] = True
        return Selection(masks)


def not_well(view: SiteView, memory: Memory, most: int) -> Rows:
    """Return the miners that do not answer, or have an incident, those first; no more than so many."""
    site = view.site
    ill = [site.rows[m] for i in memory.open_incidents for m in i.members[: most + 1] if m in site.rows]
    silent = (view.misses > 0).nonzero()[0].tolist()
    return np.array(list(dict.fromkeys((*ill, *silent)))[:most], dtype=np.int64)


def _devices(view: SiteView, miners: Iterable[Miner]) -> Iterator[str]:
    site = view.site
    hosts = {switch.id: switch.host for switch in site.switches}
    for miner in miners:
        yield miner.host
        yield from (site.pdu[outlet.pdu].host for outlet in miner.outlets if outlet.pdu in site.pdu)
        if miner.port is not None and miner.port.switch in hosts:
            yield hosts[miner.port.switch]
        if (unit := site.unit_of_loop.get(miner.loop or "")) is not None:
            yield unit.host
        yield from (pool.host for pool in site.pools_of(miner))
