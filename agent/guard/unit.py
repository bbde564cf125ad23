"""A cooling unit that must be left alone: it leaks, shows an alarm, is worked at by hand, is not heard of, or lies."""

from agent.guard.request import Request
from agent.model.guard import Allow, GuardReason, Refuse, Verdict
from agent.model.loops import FRESH_S


def unit(request: Request) -> Verdict:
    """Refuse an action on a cooling unit whose last reading is old, or forbids it."""
    if request.action.unit is None:
        return Allow()
    columns = request.view.cooling
    row = columns.rows.get(request.action.unit)
    if row is None or not request.now - columns.read_at[row] <= FRESH_S:
        return Refuse(GuardReason.UNIT_UNREAD)
    if columns.leak.value[row] == 1.0:
        return Refuse(GuardReason.LEAK)
    if columns.alarms[row]:
        return Refuse(GuardReason.UNIT_ALARM)
    if columns.is_remote.value[row] != 1.0:
        return Refuse(GuardReason.LOCAL_MODE)
    return Refuse(GuardReason.UNIT_DOUBTED) if columns.doubted[row] else Allow()
