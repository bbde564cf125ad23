"""Which incident belongs to which fault: the rules by which a ledger is held against the ground truth. Pure.

An incident is taken apart into its *spells*: it begins with a detection and ends when the agent takes it for solved; a
relapse within the minimum healthy period re-opens the same incident and begins another spell. A fault lasts from its
beginning until the miner is really well again (a disturbance: until it ends), or for ever.

1. A spell *fits* a fault if they share a miner, or both are the agent's own and have none, and the spell was detected
   between the fault's beginning and its end plus MATCH_SLACK_S, both included. What lingers, a broken pool or a clog,
   goes on fitting incidents of its category until it is itself again, though its miners are well by then, with another
   pool or at less power: it is broken still. What is wrong with a device that serves miners, a cooling unit, is told
   by incidents about that device and by no other; a disturbance of it may show in its miners besides.
2. A spell *belongs* to one of the faults it fits: one that counts before a disturbance, then one of the incident's
   category, then the one that began last. A miner that breaks again within the hour is found by the relapse, and the
   delay counts from the second fault to that relapse.
3. A fault that counts and has no spell of its own is *carried* by an incident that was open on its miner all along: one
   that was open, or opened, before the fault's end plus the slack, and was not taken for solved before the fault was
   over. This is the miner that breaks again while the clear window of the repair before still runs, and the fault that
   passed before it was seen while another took its place. The incident must be of the fault's category or about no
   other miners, so that an incident of a whole pool or PDU does not hide that one miner's own trouble was never seen.
   Nor need it have lasted where it belongs to a fault of the same kind, fits this one too and names all its miners:
   three PDUs whose miners are put to sleep at once are one question, and its end is the end of all.
   The agent does not diagnose again what it is working on already: what is carried was found and its end is judged, but
   neither its category, nor its cause, nor its delay is.
4. A fault that counts is *found* if a spell belongs to it or carries it. Its category, cause and delay are judged by
   the first spell of its own, how it ended by the last one.
5. An incident is *true* if one of its spells belongs to a fault that counts or carries one, *false* if no spell belongs
   to anything; one that belongs to disturbances alone is neither. A later spell of any incident that belongs to nothing
   is a false relapse.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.model.ids import MinerId
from agent.model.incident import Incident, Spell
from simulators.truth import FaultTruth

OWN = MinerId("")
"""Stands for the agent's own machine where miners stand otherwise; no miner is called so."""

MATCH_SLACK_S = 300.0
"""A detector's memory: a symptom may still be reported for so long after its fault is over."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One spell of an incident, and what it is of.

    Attributes:
        fault: the place in the truth of the fault it belongs to; None where it belongs to none.
        carries: places of further faults that this spell is the only sign of.
    """

    incident: Incident
    spell: Spell
    fault: int | None
    carries: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Find:
    """How one fault was found: its own spells in order of detection, and the spell that carries it."""

    own: tuple[Sighting, ...]
    carried_by: Sighting | None

    @property
    def last(self) -> Spell:
        """The spell that tells how it ended."""
        return self.own[-1].spell if self.own or self.carried_by is None else self.carried_by.spell


@dataclass(frozen=True, slots=True)
class Matches:
    """Every spell with what it is of, in order of detection; every fault that was found, by its place in the truth."""

    sightings: tuple[Sighting, ...]
    finds: dict[int, Find]


def match(faults: Sequence[FaultTruth], incidents: Iterable[Incident], epoch_s: float) -> Matches:
    """Decide what belongs to what, by the rules of this module's docstring.

    Args:
        faults: the truth; times are site seconds.
        incidents: what the ledger has, without suppressed ones; times are UTC s.
        epoch_s: UTC s of site time 0.
    """
    at_miner: dict[str, list[int]] = {}
    for place, fault in enumerate(faults):
        for miner in _befallen(fault):
            at_miner.setdefault(miner, []).append(place)
    spells = sorted(
        ((spell, incident) for incident in incidents for spell in incident.spells),
        key=lambda both: (both[0].detected_at, both[1].id),
    )
    sightings = []
    own: dict[int, list[Sighting]] = {}
    for spell, incident in spells:
        places = dict.fromkeys(place for miner in _about(incident) for place in at_miner.get(miner, ()))
        sighting = Sighting(incident, spell, _best(faults, places, incident, spell.detected_at - epoch_s))
        sightings.append(sighting)
        if sighting.fault is not None:
            own.setdefault(sighting.fault, []).append(sighting)
    carriers = _carriers(faults, [p for p, f in enumerate(faults) if f.counts and p not in own], sightings, epoch_s)
    carried: dict[int, list[int]] = {}
    for place, index in carriers.items():
        carried.setdefault(index, []).append(place)
    told = tuple(
        Sighting(s.incident, s.spell, s.fault, tuple(carried.get(index, ()))) for index, s in enumerate(sightings)
    )
    finds = {place: Find(tuple(found), None) for place, found in own.items() if faults[place].counts}
    finds |= {place: Find((), told[index]) for place, index in carriers.items()}
    return Matches(told, dict(sorted(finds.items())))


def _befallen(fault: FaultTruth) -> Sequence[str]:
    """Return by whom it is told: its miners; in place of none the agent's own machine; the device that it befalls."""
    device = (fault.target,) if fault.is_of_device else ()
    return device if device and fault.counts else (*(fault.miners or (OWN,)), *device)


def _about(incident: Incident) -> Sequence[str]:
    """Return what an incident is about: its miners; in place of none the agent's own machine; or a device."""
    return (incident.domain,) if incident.is_of_device else incident.members or (OWN,)


def _best(faults: Sequence[FaultTruth], places: Iterable[int], incident: Incident, at: float) -> int | None:
    """Return the fault that a spell detected at site time `at` belongs to; None if it fits none."""
    fitting = [p for p in places if faults[p].started_at <= at <= _seen_until(faults[p], incident)]
    return max(
        fitting,
        key=lambda p: (faults[p].counts, faults[p].category is incident.category, faults[p].started_at, p),
        default=None,
    )


def _carriers(
    faults: Sequence[FaultTruth], places: Sequence[int], sightings: Sequence[Sighting], epoch_s: float
) -> dict[int, int]:
    """Return for each of those faults that was carried the index of the spell that carried it, the earliest one."""
    if not places:
        return {}
    at_miner: dict[str, list[int]] = {}
    for index, sighting in enumerate(sightings):
        for miner in _about(sighting.incident):
            at_miner.setdefault(miner, []).append(index)
    found = {}
    for place in places:
        near = sorted({index for miner in _befallen(faults[place]) for index in at_miner.get(miner, ())})
        carrier = next((i for i in near if _carries(sightings[i], faults, place, epoch_s)), None)
        if carrier is not None:
            found[place] = carrier
    return found


def _carries(sighting: Sighting, faults: Sequence[FaultTruth], place: int, epoch_s: float) -> bool:
    spell, incident, fault = sighting.spell, sighting.incident, faults[place]
    detected_at = spell.detected_at - epoch_s
    if detected_at > _seen_until(fault, incident):
        return False
    if detected_at >= fault.started_at and _is_same_elsewhere(sighting, faults, fault):
        return True
    over_at = math.inf if fault.over_at is None else fault.over_at
    until = math.inf if spell.resolved_at is None else spell.resolved_at - epoch_s
    if until < over_at or until < fault.started_at:
        return False
    return incident.category is fault.category or set(incident.members) <= set(fault.miners)


def _is_same_elsewhere(sighting: Sighting, faults: Sequence[FaultTruth], fault: FaultTruth) -> bool:
    """Whether a spell belongs to a fault of that kind on other miners, and its incident names all of these."""
    if sighting.fault is None or not fault.miners:
        return False
    named, its_own = set(sighting.incident.members), faults[sighting.fault]
    return its_own.kind == fault.kind and named.issuperset(fault.miners) and not set(its_own.miners) & set(fault.miners)


def _seen_until(fault: FaultTruth, incident: Incident) -> float:
    until = fault.gone_at if fault.lingers and incident.category is fault.category else fault.over_at
    return math.inf if until is None else until + MATCH_SLACK_S
