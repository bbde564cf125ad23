"""What makes a quiet tick cheap: detectors screen all rows, and look closely at the few that the screen lets through.

A screen is a handful of comparisons over whole columns. It lets through every row whose verdict may be anything but
healthy, and every row that the detector's own state follows; it may let through more, never less. All that takes more
than a comparison is worked out for these rows alone, so that what a tick costs follows what goes on, not the site.
"""

import numpy as np
from numpy.typing import NDArray

from agent.model.columns import Bools, Ints
from agent.model.incident import Health

Rows = NDArray[np.int64]
"""Places of rows, in order."""

_SUSPECT, _FIRING = int(Health.SUSPECT), int(Health.FIRING)
"""As plain numbers: numpy takes five times as long to compare or store a member of an enumeration."""


def let_through(*suspicions: Bools) -> Rows:
    """Return the rows with any of these suspicions, each of shape (n,)."""
    first, *others = suspicions
    any_of = first.copy()
    for suspicion in others:
        any_of |= suspicion
    return any_of.nonzero()[0]


def health(n: int, *, suspect: Rows, firing: Rows) -> Ints:
    """Return `Health` for n rows, of which these are suspect and these fire; who is in both fires."""
    of: Ints = np.zeros(n, dtype=np.int8)
    of[suspect] = _SUSPECT
    of[firing] = _FIRING
    return of
