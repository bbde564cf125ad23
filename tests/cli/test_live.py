"""The live view on terminals of several sizes and kinds: what it shows is whole, and fits."""

import re
from collections.abc import Mapping
from io import StringIO

import pytest
from rich.console import Console

from agent.cli.live import LiveView
from agent.config import load
from agent.config.example import example_path
from agent.ledger.fold import State
from agent.model.action import Verb
from agent.model.ids import IncidentId, MinerId
from agent.model.incident import Attempt, Category, Incident, Outcome, Phase, Reason, Severity
from agent.model.site_view import SiteView

MENDED = Incident(
    id=IncidentId("inc-000001"),
    category=Category.STUCK,
    cause=Reason.UNRESPONSIVE,
    severity=Severity.HIGH,
    members=(MinerId("r1-02"),),
    evidence={},
    detected_at=100.0,
    alerted_at=100.0,
    phase=Phase.CLOSED,
    outcome=Outcome.AUTO_RESOLVED,
    resolved_at=830.0,
    attempts=(
        Attempt(seq=1, verb=Verb.POWER_OFF, state="power_off", at=200.0, result="ok"),
        Attempt(seq=2, verb=Verb.POWER_ON, state="power_on", at=240.0, result="unknown"),
    ),
)
HANDED_OVER = Incident(
    id=IncidentId("inc-000002"),
    category=Category.STUCK,
    cause=Reason.UNRESPONSIVE,
    severity=Severity.HIGH,
    members=(MinerId("r2-13"),),
    evidence={},
    detected_at=100.0,
    alerted_at=100.0,
    phase=Phase.ESCALATED,
    escalated_at=400.0,
    escalation_reason="no_power_draw",
)


def drawn(width: int, height: int, environ: Mapping[str, str]) -> str:
    """Return what a terminal of that size gets from one look at a site with both incidents."""
    state = State()
    state.incidents.update({incident.id: incident for incident in (MENDED, HANDED_OVER)})
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=height, no_color=True, _environ=environ)
    with LiveView(SiteView(load(example_path()).site), state, console, 3600.0) as view:
        view.update(900.0)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (150, 44)])
def test_a_line_of_the_picture_is_whole(width: int, height: int) -> None:
    text = drawn(width, height, {"TERM": "xterm-256color"})
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= width
    words = [" ".join(line.split()) for line in lines]
    assert "inc-000001 r1-02 unresponsive auto resolved in 12 min 10 s off✓ on?" in words
    assert "inc-000002 r2-13 unresponsive asks a person: no power draw" in words


def test_a_terminal_that_cannot_move_its_cursor_gets_one_line_a_change() -> None:
    lines = [line.rstrip() for line in drawn(80, 24, {"TERM": "dumb"}).splitlines()]
    assert lines == [
        "   15 min  inc-000001  r1-02          unresponsive  closed            auto resolved in 12 min 10 s",
        "   15 min  inc-000002  r2-13          unresponsive  escalated         asks a person: no power draw",
    ]
