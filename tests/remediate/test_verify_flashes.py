"""Playbooks that flash: every way to leave a flash unverified, disturb one or make two is found, by a shortest run."""

import pytest

from agent.model.action import Verb
from agent.model.playbook import Act, Wait
from agent.remediate.verify import verify
from tests.remediate.test_verify import ASK, DONE, OFF, ON, Case, book, checks, of

FLASH, LOOK = Act(Verb.FLASH, "ok", "no"), Act(Verb.VERIFY_FIRMWARE, "ok", "no")

CASES = {
    "resolved without a look at what was flashed": Case(
        book({"a": FLASH, "end": DONE, "ask": ASK}, ("ok", "a", "end"), ("no", "a", "ask")),
        ["flashes"],
        "is resolved with its firmware perhaps being written, and never asks what became of it",
        (("a", "flash ok: ok"), ("end", "")),
    ),
    "resolved although the look said no": Case(
        book(
            {"a": FLASH, "look": LOOK, "end": DONE, "ask": ASK},
            *(("ok", "a", "look"), ("no", "a", "ask"), ("ok", "look", "end"), ("no", "look", "end")),
        ),
        ["flashes"],
        "is resolved with its firmware perhaps being written",
        (("a", "flash ok: ok"), ("look", "verify_firmware failed: no"), ("end", "")),
    ),
    "a person is asked before the miner is": Case(
        book(
            {"a": FLASH, "wait": Wait(9.0, "go"), "ask": ASK, "end": DONE},
            *(("ok", "a", "wait"), ("no", "a", "end"), ("go", "wait", "ask")),
        ),
        ["flashes"],
        "is escalated with its firmware perhaps being written, and never asks",
        (("a", "flash ok: ok"), ("wait", "go"), ("ask", "")),
    ),
    "power while a flash may be under way": Case(
        book(
            {"a": FLASH, "off": OFF, "on": ON, "look": LOOK, "end": DONE, "ask": ASK},
            *(("ok", "a", "off"), ("no", "a", "ask"), ("ok", "off", "on"), ("no", "off", "on")),
            *(("ok", "on", "look"), ("no", "on", "look"), ("ok", "look", "end"), ("no", "look", "ask")),
        ),
        ["outlets", "flashes", "risk"],
        "of risk power, after something of risk flash",
        (("a", "flash ok: ok"), ("off", "power_off ok: ok")),
    ),
    "two flashes": Case(
        book(
            {"a": FLASH, "look": LOOK, "b": FLASH, "look_b": LOOK, "end": DONE, "ask": ASK},
            *(("ok", "a", "look"), ("no", "a", "ask"), ("ok", "look", "b"), ("no", "look", "ask")),
            *(("ok", "b", "look_b"), ("no", "b", "ask"), ("ok", "look_b", "end"), ("no", "look_b", "ask")),
        ),
        ["flashes"],
        "flashes a second time",
        (("a", "flash ok: ok"), ("look", "verify_firmware ok: ok"), ("b", "flash ok: ok")),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_playbook_that_flashes_carelessly_fails_where_it_does(case: Case) -> None:
    found = verify(case.broken)
    assert checks(found) == case.fails
    last = of(found, case.fails[-1])
    assert case.message in last.message
    assert last.trail == case.trail
