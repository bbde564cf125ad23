"""What a look at a pool from the gateway found: how far it got, how long each stage took, and what that means.

How the look is done is the pool driver's business; what follows from it, triage's and the playbooks'.
"""

from dataclasses import dataclass
from enum import StrEnum

from agent.model.ids import PoolId


class Stage(StrEnum):
    """What the way to a pool's work consists of, in order."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    SUBSCRIBE = "subscribe"
    AUTHORIZE = "authorize"
    WORK = "work"


class Verdict(StrEnum):
    """What a pool is worth, seen from the gateway."""

    GOOD = "good"
    """It took the login; whether it also sent work is told beside."""
    DNS = "dns"
    """Its name could not be resolved; `NameFault` tells whose fault that is."""
    REFUSED = "refused"
    """The host is up and nothing listens there."""
    UNREACHABLE = "unreachable"
    """No connection: nothing answers, or there is no way there."""
    TLS = "tls"
    """The connection could not be secured: no TLS spoken there, or a certificate that is not to be trusted."""
    SILENT = "silent"
    """It accepts connections and never answers."""
    DROPPED = "dropped"
    """It accepts connections and ends them before the login is through, as a proxy does whose own pool is gone."""
    PROTOCOL = "protocol"
    """What answers there does not speak stratum as it should."""
    LOGIN_REFUSED = "login_refused"
    """It speaks stratum and does not take the worker."""
    DIFFERENT = "different"
    """It sends its clients to another host or port, where the probe does not follow."""


class NameFault(StrEnum):
    """Why a name led to no address."""

    UNKNOWN = "unknown"
    """The nameserver says that there is no such name: the pool's own fault, or a wrong configuration."""
    NO_ADDRESS = "no_address"
    """The name exists, and no usable address is behind it."""
    SERVER_FAILED = "server_failed"
    """The nameserver itself failed or would not answer."""
    SILENT = "silent"
    """No nameserver answered: the site's DNS, or the way to it, is broken."""
    GARBAGE = "garbage"
    """What came was no answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the look.

    Attributes:
        took_s: how long it took, or lasted until it failed.
    """

    stage: Stage
    took_s: float


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one look at one pool found.

    Attributes:
        at: UTC s at which it began.
        steps: the stages gone through; where the verdict is not GOOD, the last one is the one that failed.
        detail: what was seen, in words for a person; empty where the pool is good. It never holds the password.
        has_work: a job came.
        name_fault: why there was no address; set with Verdict.DNS alone.
    """

    pool: PoolId
    at: float
    steps: tuple[Step, ...]
    verdict: Verdict
    detail: str = ""
    has_work: bool = False
    name_fault: NameFault | None = None

    @property
    def took_s(self) -> float:
        """Return how long the whole look took, in s."""
        return sum(step.took_s for step in self.steps)
