"""All that a replay shows of one incident: its story, the signals that mattered, and the time both are shown over."""

from collections.abc import Sequence

import msgspec

from agent.model.events import Record
from agent.model.incident import Incident
from agent.model.recording import Recording
from agent.report.recorded import recorded_signals
from agent.report.signals import MOST_SIGNALS, Signal, Window, named_signals, told_signals
from agent.report.story import Guide, Story, story


class Replay(msgspec.Struct, frozen=True):
    """A story with its plots.

    Attributes:
        signals: those that the incident's evidence names.
        window: from the first to the last that is shown.
    """

    story: Story
    signals: tuple[Signal, ...]
    window: Window


def replay(
    incident: Incident,
    records: Sequence[Record],
    started: Record | None,
    guide: Guide,
    recording: Recording | None = None,
) -> Replay:
    """Return what a replay shows of an incident; arguments as of `story`, and its recording where there is one."""
    told = story(incident, records, started, guide)
    names = named_signals(records)
    read, covered = ([], frozenset[str]()) if recording is None else recorded_signals(recording, told.miners, names)
    signals = [*read, *told_signals(records, [name for name in names if name not in covered])]
    times = [moment.at for moment in told.moments] + [
        at for signal in read for trace in signal.traces for at in (trace.points[0][0], trace.points[-1][0])
    ]
    return Replay(told, tuple(signals[:MOST_SIGNALS]), Window(min(times), max(*times, min(times) + 1.0)))
