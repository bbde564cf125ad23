"""All that a replay shows of one incident: its story, the signals that mattered, and the time both are shown over."""

from collections.abc import Sequence

import msgspec

from agent.model.events import Record
from agent.model.incident import Incident
from agent.report.signals import Signal, Window, named_signals, told_signals
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


def replay(incident: Incident, records: Sequence[Record], started: Record | None, guide: Guide) -> Replay:
    """Return what a replay shows of an incident; arguments as of `story`."""
    told = story(incident, records, started, guide)
    signals = tuple(told_signals(records, named_signals(records)))
    times = [moment.at for moment in told.moments]
    return Replay(told, signals, Window(min(times), max(*times, min(times) + 1.0)))
