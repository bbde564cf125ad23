"""How commands reach the running agent: by the local API beside its ledger, and in words where nobody answers there."""

import fcntl
from pathlib import Path
from typing import TypeVar

from agent.api import client
from agent.api.socket import socket_beside
from agent.model.errors import PolicyError, RefusedError

T = TypeVar("T")


class NotRunningError(PolicyError):
    """No agent answers for that ledger."""


def ask(ledger: Path, method: str, target: str, answer: type[T], body: object = None) -> T:
    """Ask the agent that keeps that ledger; the arguments are those of `agent.api.client.ask`.

    Raises:
        NotRunningError: none runs, or it does not answer yet. What only reads may read the ledger instead.
        PolicyError: it refused, and why.
        TransportError, CodecError: what came back is no answer.
    """
    try:
        return client.ask(socket_beside(ledger), method, target, answer, body)
    except RefusedError as error:
        if owns(ledger):
            raise NotRunningError(
                f"ledger {ledger}: an agent is running on it and does not answer (yet): it is in its first full poll, "
                "or could not have its socket; its log says which"
            ) from error
        raise NotRunningError(
            f"ledger {ledger}: no agent is running on it: start it with terrahash run, or name the ledger of the one "
            "that runs (--ledger, --config)"
        ) from error


def owns(ledger: Path) -> bool:
    """Whether a running agent owns that ledger."""
    try:
        with ledger.with_name(f"{ledger.name}.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
