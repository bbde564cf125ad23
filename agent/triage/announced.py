"""What announced windows do to incidents: they wait, they are excused, and what lay wholly within one does not count.

An incident whose miners are all curtailed or worked on is let alone until they are back: nobody can tell what is wrong
with them meanwhile. What is a danger, and what the agent itself owes, goes on.
"""

from agent.model.events import AnyEvent, WindowEnded
from agent.model.incident import Incident, Reason
from agent.model.memory import Memory
from agent.model.safety import is_heat
from agent.model.site_view import SiteView
from agent.model.windows import EndReason, Windows


def ended_by(windows: Windows, now: float) -> list[AnyEvent]:
    """Return the ends of the windows whose time is over; `now` is UTC s."""
    due = [window.id for window in windows.open.values() if now >= window.until]
    return [WindowEnded(window=window, reason=EndReason.EXPIRED) for window in due]


def waits(view: SiteView, memory: Memory, incident: Incident) -> bool:
    """Whether all that an incident is about are in a window, or only coming back from one, or sleep for their safety.

    Heat does not wait, nor does an outlet that is owed a switch-on, nor what is a window's own question or no miner's.
    """
    if is_heat(incident) or incident.cause is Reason.CURTAILED or owes(memory, incident):
        return False
    if incident.is_of_device:
        return False
    rows = [view.site.rows[miner] for miner in incident.members if miner in view.site.rows]
    if incident.members and all(miner in memory.asleep for miner in incident.members):
        return True  # whatever would start it would have it hash with nothing to cool it
    return bool(rows) and bool(view.excused[rows].all())


def owes(memory: Memory, incident: Incident) -> bool:
    """Whether an outlet that an incident had switched off is not on again yet."""
    return incident.id in memory.duties.values()


def is_within(windows: Windows, incident: Incident, now: float) -> bool:
    """Whether an incident that ends now lay within announced windows from its beginning to its end, nothing done."""
    if incident.attempts or is_heat(incident):
        return False
    lasted_s = now - incident.detected_at
    return lasted_s > 0.0 and windows.excused_s(incident.members, incident.detected_at, now) >= lasted_s
