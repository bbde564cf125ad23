"""A change that takes a moment: looked for until it is so; what was accepted and is not so in time may yet be."""

import pytest

from agent.drivers.miners.settle import WITHIN_S, settled
from agent.model.errors import AgentError, SilentError, TransportError
from simulators import virtual_time


async def look(answers: list[bool | AgentError]) -> bool:
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, AgentError):
        raise answer
    return answer


async def ends(answers: list[bool | AgentError], lost: AgentError | None = None) -> None:
    await settled(lambda: look(answers), "m1: expected it to sleep", lost)


@pytest.mark.parametrize("answers", [[True], [False, SilentError("it starts"), True]])
def test_it_ends_when_it_is_so(answers: list[bool | AgentError]) -> None:
    virtual_time.run(ends(answers), timeout_wall_s=10.0)


def test_what_was_accepted_and_is_not_so_in_time_is_open() -> None:
    with pytest.raises(TransportError, match=f"is not so after {WITHIN_S:g} s: the outcome is open"):
        virtual_time.run(ends([False]), timeout_wall_s=10.0)


def test_a_lost_answer_is_what_is_told_of_it() -> None:
    lost = SilentError("no answer")
    with pytest.raises(SilentError, match="no answer"):
        virtual_time.run(ends([False], lost), timeout_wall_s=10.0)
