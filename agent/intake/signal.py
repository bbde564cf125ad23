"""The curtailment signal: one number and when it was said. Parsing, freshness, and which changes count. Pure.

    {"target": 0, "timestamp": 1772370000}

`target` is per cent of nominal power: 0 for asleep, 100 for as usual. Facts "detection", section 6.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from agent.model.errors import CodecError, PolicyError
from agent.model.windows import Window

MAX_BYTES = 1024
MAX_SKEW_S = 86_400.0
"""What was said longer ago, or is to be said so far ahead, is refused: somebody's clock or memory is wrong."""

DEBOUNCE_S = 5.0
"""An end of a curtailment counts once nothing else was said for so long; a beginning counts at once."""

FULL = 100


class Signal(msgspec.Struct, frozen=True):
    """What a source says: `target` in per cent of nominal power, `timestamp` in UTC s."""

    target: Annotated[int, Meta(ge=0, le=FULL)]
    timestamp: float


def parse(payload: bytes) -> Signal:
    """Return what a message says. Raises CodecError for what is none."""
    if len(payload) > MAX_BYTES:
        raise CodecError(f"expected a message of at most {MAX_BYTES} bytes; got {len(payload)}")
    try:
        signal = msgspec.json.decode(payload, type=Signal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f'expected {{"target": 0 to 100, "timestamp": UTC s}}; got something else: {error}') from error
    if not math.isfinite(signal.timestamp):
        raise CodecError("expected a timestamp in UTC s; got no finite number")
    return signal


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done: miners run at `share` of their power from now on, 1 for as usual; said at `told_at`.

    `again`: nothing new was said, the same goes on.
    """

    share: float
    told_at: float
    again: bool = False


class Feed:
    """What one source has said so far.

    Args:
        window: the window that it has open by the ledger; None where it has none.
        hold_s: what it said holds for so long without a word.
    """

    def __init__(self, window: Window | None, hold_s: float) -> None:
        self._hold_s = hold_s
        self._share = 1.0 if window is None else window.share
        self._told_at = -math.inf if window is None or window.told_at is None else window.told_at
        self._until = -math.inf if window is None else window.until
        self._wanted = self._share
        self._ends_at: float | None = None

    def take(self, signal: Signal, now: float) -> None:
        """Take in a message at `now`, UTC s.

        Raises:
            PolicyError: it is not fresh, or nothing new.
        """
        if abs(now - signal.timestamp) > MAX_SKEW_S:
            raise PolicyError(
                f"expected a timestamp within {MAX_SKEW_S / 3600.0:.0f} h of now; got one "
                f"{(signal.timestamp - now) / 3600.0:+.1f} h away: set the sender's clock"
            )
        told_at = min(signal.timestamp, now)
        if told_at <= self._told_at:
            raise PolicyError(
                "expected a timestamp later than the one before; got one that is not: sent twice, or late"
            )
        self._told_at = told_at
        if signal.target == FULL:
            self._ends_at = now if self._ends_at is None else self._ends_at
        else:
            self._ends_at = None
            self._wanted = signal.target / FULL

    def due(self, now: float) -> Change | None:
        """Return what is to be done now about what was said; None for nothing.

        A curtailment that goes on being said is prolonged when half of the time for which it holds is over. One of
        which nothing is heard any more ends by itself with its window.
        """
        if self._ends_at is not None:
            if now - self._ends_at < DEBOUNCE_S:
                return None
            self._ends_at, self._wanted = None, 1.0
            was, self._share, self._until = self._share, 1.0, -math.inf
            return Change(1.0, self._told_at) if was < 1.0 else None
        if self._wanted == 1.0:
            return None
        heard = now - self._told_at < self._hold_s / 2.0
        if self._wanted == self._share and not (heard and self._until - now < self._hold_s / 2.0):
            return None
        again = self._wanted == self._share
        self._share, self._until = self._wanted, now + self._hold_s
        return Change(self._share, self._told_at, again)
