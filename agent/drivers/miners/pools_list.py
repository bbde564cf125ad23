"""A miner's list of pools, as configured and as wanted: what counts as the same, and what is to be done. No IO.

How a list is read and written is each family's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from agent.model.errors import DeviceError, PolicyError, RefusedError, TransportError
from agent.model.ids import MinerId
from agent.model.topology import Pool

NO_PASSWORD = "x"  # noqa: S105 - what everybody writes where pools do not look at it
"""The password of a worker for whom the miner knows none."""

_TLS_SCHEMES = frozenset({"ssl", "tls", "stratum+ssl", "stratum+tls", "stratums"})
_NAMED_LINES = 4


@dataclass(frozen=True, slots=True)
class PoolLine:
    """One line of a miner's pool configuration."""

    url: str
    user: str
    password: str = field(default=NO_PASSWORD, repr=False, compare=False)

    def agrees(self, other: "PoolLine") -> bool:
        """Tell whether both mean the same work: same endpoint and same worker, however the address is written."""
        return self.user == other.user and endpoint(self.url) == endpoint(other.url)


def endpoint(url: str) -> tuple[str, bool]:
    """Return a pool's host and port, and whether it is spoken to through TLS; no scheme at all is plain stratum."""
    scheme, _, rest = url.strip().rpartition("://")
    return rest.rstrip("/").lower(), scheme.lower() in _TLS_SCHEMES


def wanted_lines(miner: MinerId, pools: Sequence[Pool], worker: str, slots: int) -> list[PoolLine]:
    """Return the list to configure: the first `slots` of the pools, each under that worker.

    Raises PolicyError where there is no pool, one pool twice, or no worker.
    """
    lines = [PoolLine(pool.url, worker) for pool in pools]
    if not lines or not worker or len({endpoint(line.url) for line in lines}) != len(lines):
        raise PolicyError(
            f"{miner}: expected one pool or more, each once, and a worker, came {len(lines)} pools and worker "
            f"{worker!r}; check the miner's pool_group"
        )
    return lines[:slots]


def agree(lines: Sequence[PoolLine], wanted: Sequence[PoolLine]) -> bool:
    """Tell whether the two lists mean the same, in the same order."""
    return len(lines) == len(wanted) and all(map(PoolLine.agrees, lines, wanted))


def with_passwords(wanted: Sequence[PoolLine], known: Sequence[PoolLine]) -> list[PoolLine]:
    """Return the wanted lines with the passwords known for the same worker at the same pool, else for either."""
    return [PoolLine(line.url, line.user, _password(line, known)) for line in wanted]


def _password(line: PoolLine, known: Sequence[PoolLine]) -> str:
    same_user = [other for other in known if other.user == line.user]
    same_pool = [other for other in known if endpoint(other.url) == endpoint(line.url)]
    both = [other for other in same_user if other in same_pool]
    return next((other.password for other in (*both, *same_user, *same_pool)), NO_PASSWORD)


def promotions(lines: Sequence[PoolLine], wanted: Sequence[PoolLine]) -> list[int]:
    """Return the places in `lines` of those to be put in front, one after the other, so that the wanted come in order.

    The first of the wanted ends up before everything; what is not wanted stays between or behind. As few as can be:
    each makes the miner connect anew. Every wanted line must be in `lines`.
    """
    places = [next(at for at, line in enumerate(lines) if line.agrees(want)) for want in wanted]
    settled = len(places) - 1
    while settled > 0 and places[settled - 1] < places[settled]:
        settled -= 1
    return places[:settled][::-1] or ([] if places[0] == 0 else [places[0]])


def differs(miner: MinerId, wanted: Sequence[PoolLine], found: Sequence[PoolLine]) -> DeviceError:
    """Return the error for a list that is another than was written."""
    return DeviceError(
        f"{miner}: expected the pools {_named(wanted)} after the change, the miner has {_named(found)}; "
        "check its pool configuration"
    )


@contextmanager
def once_written() -> Iterator[None]:
    """Take a refused connection for an unknown outcome, as something may have been written before it."""
    try:
        yield
    except RefusedError as error:
        raise TransportError(f"{error}; whether its pools were changed is unknown") from None


def _named(lines: Sequence[PoolLine]) -> str:
    told = [f"{line.url!r} as {line.user!r}" for line in lines[:_NAMED_LINES]]
    more = f" and {len(lines) - _NAMED_LINES} more" if len(lines) > _NAMED_LINES else ""
    return (", ".join(told) or "none") + more
