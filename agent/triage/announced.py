"""What announced windows do to incidents: they wait, they are excused, and what lay wholly within one does not count.

An incident whose miners are all curtailed or worked on is let alone until they are back: nobody can tell what is wrong
with them meanwhile. What is a danger, and what the agent itself owes, goes on.
"""

from agent.model.action import Verb
from agent.model.events import AnyEvent, WindowEnded
from agent.model.ids import MinerId
from agent.model.incident import Incident, Phase, Reason
from agent.model.memory import Memory
from agent.model.safety import is_heat
from agent.model.site_view import SiteView
from agent.model.topology import FAMILY_TRAITS, Miner
from agent.model.windows import EndReason, Windows


def ended_by(windows: Windows, now: float) -> list[AnyEvent]:
    """Return the ends of the windows whose time is over; `now` is UTC s."""
    due = [window.id for window in windows.open.values() if now >= window.until]
    return [WindowEnded(window=window, reason=EndReason.EXPIRED) for window in due]


def waits(view: SiteView, memory: Memory, incident: Incident, now: float) -> bool:
    """Whether all that an incident is about are in a window, or sleep for another's sake, or only come back from that.

    Heat waits for no window, and nothing waits that is owed a switch-on, is a window's own question or no miner's.
    """
    if incident.is_of_device or owes(memory, incident):
        return False
    if incident.members and all(_sleeps_for_another(memory, miner, incident) for miner in incident.members):
        return True  # whatever would start it would have it hash with nothing to cool it, and who sleeps proves nothing
    if is_heat(incident) or incident.cause is Reason.CURTAILED:
        return False
    rows = [view.site.rows[miner] for miner in incident.members if miner in view.site.rows]
    if rows and all(_was_woken_for_another(memory, view.site.miners[row], incident, now) for row in rows):
        return True
    return bool(rows) and bool(view.excused[rows].all())


def _was_woken_for_another(memory: Memory, miner: Miner, incident: Incident, now: float) -> bool:
    """Whether a miner has just been told to wake for the sake of another incident, and has its time to start.

    Meanwhile it shows nothing that would be a symptom: a supply that is dead is not mended by that.
    """
    done = memory.settled.get(miner.id)
    if done is None or done.action.verb is not Verb.WAKE or now - done.at >= FAMILY_TRAITS[miner.family].boot_grace_s:
        return False
    return all(attempt.verb is not Verb.WAKE for attempt in incident.attempts)


def _sleeps_for_another(memory: Memory, miner: MinerId, incident: Incident) -> bool:
    """Whether a miner was told to sleep for the sake of another incident than this one, and not yet to wake."""
    by, _ = memory.asleep.get(miner, (incident.id, 0.0))
    return by != incident.id


def was_interrupted(memory: Memory, incident: Incident) -> bool:
    """Whether an announced window, or a sleep for its safety, came between what the run had last seen and now."""
    run = incident.run
    undecided = run is not None and incident.phase is Phase.REMEDIATING and incident.in_flight is None
    if run is None or not undecided or owes(memory, incident):
        return False
    members = frozenset(incident.members)
    past = memory.windows.past
    if any(w.ended_at is not None and w.ended_at > run.entered_at and members <= w.miners for w in past):
        return True
    done = [memory.settled.get(miner) for miner in incident.members]
    return all(d is not None and d.action.verb is Verb.WAKE and d.at > run.entered_at for d in done)


def owes(memory: Memory, incident: Incident) -> bool:
    """Whether an outlet that an incident had switched off is not on again yet."""
    return incident.id in memory.duties.values()


def is_within(windows: Windows, incident: Incident, now: float) -> bool:
    """Whether an incident that ends now lay within announced windows from its beginning to its end, nothing done."""
    if incident.attempts or is_heat(incident):
        return False
    lasted_s = now - incident.detected_at
    return lasted_s > 0.0 and windows.excused_s(incident.members, incident.detected_at, now) >= lasted_s
