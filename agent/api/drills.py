"""What is said about drills: faults let loose on a simulated site while it runs, to train people."""

from typing import Annotated

import msgspec
from msgspec import Meta

Word = Annotated[str, Meta(min_length=1, max_length=128)]
Number = int | float
Param = str | bool | int | float | list[Number] | None

MAX_DRILLS = 256
"""So many are kept; more in one run of a dry run are refused."""

WEEK_S = 604_800.0


class DrillOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault to let loose now.

    Attributes:
        kind, target: as `terrahash faults list` and scenarios have them.
        params: the kind's parameters; what is left out is as usual.
        for_s: how long it lasts, in s; None until somebody mends it.
    """

    kind: Word
    target: Word
    params: Annotated[dict[Word, Param], Meta(max_length=16)] = {}
    for_s: Annotated[float, Meta(ge=1.0, le=WEEK_S)] | None = None


class Drill(msgspec.Struct, frozen=True):
    """One drill as it stands.

    Attributes:
        number: 1, 2, 3 … in the order in which they began.
        miners: whom it hits.
        fixable: whether anything remote mends it.
        began_s: how long ago it began, in s.
        over: its miners are well again, or it was ended.
    """

    number: int
    kind: str
    target: str
    miners: tuple[str, ...]
    fixable: bool
    began_s: float
    over: bool


class Drills(msgspec.Struct, frozen=True):
    """Every drill so far."""

    drills: tuple[Drill, ...]
