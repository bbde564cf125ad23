"""Firmware images and control boards: what an image is for, what a miner has. Names and tables, no behaviour.

Which boards are in which model is an estimate after the vendors' own downloads: each model got whatever board could be
bought that year, and an image for one of them does not start another (facts "miners", section 6).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from agent.model.ids import MinerId
from agent.model.topology import Family, Miner
from simulators.plant.history import History


class ControlBoard(StrEnum):
    """The kinds of control board."""

    ZYNQ = "zynq"
    BEAGLEBONE = "beaglebone"
    AMLOGIC = "amlogic"
    CVITEK = "cvitek"
    H3 = "h3"
    H6 = "h6"


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware image, as a board that was given it finds out.

    Attributes:
        name: what tells it from others: the SHA-256 of its bytes, or part of it.
        models: what it is for, as `model_key` has them. boards: and on which control boards.
        whole: its bytes are those that its maker published.
        signed: the maker's signature on it holds.
    """

    name: str
    family: Family
    version: str
    models: frozenset[str]
    boards: frozenset[ControlBoard]
    whole: bool = True
    signed: bool = True

    def fits(self, miner: Miner, board: ControlBoard) -> bool:
        """Whether it is meant for that miner with that control board."""
        return miner.family is self.family and model_key(miner.model) in self.models and board in self.boards


@cache
def model_key(model: str) -> str:
    """Return a model's name as images are labelled: without brand, board variant, blanks and dashes."""
    bare = re.sub(r"^(bitmain|microbt)?\s*(antminer|whatsminer)?\s*", "", model.casefold().strip())
    return re.sub(r"[\s.-]+", "", bare.partition("_")[0])


_SHARES: Mapping[str, tuple[tuple[ControlBoard, float], ...]] = {
    "s19": ((ControlBoard.ZYNQ, 0.7), (ControlBoard.BEAGLEBONE, 0.3)),
    "s19pro": ((ControlBoard.ZYNQ, 0.7), (ControlBoard.BEAGLEBONE, 0.3)),
    "s19jpro": (
        (ControlBoard.ZYNQ, 0.3),
        (ControlBoard.BEAGLEBONE, 0.3),
        (ControlBoard.AMLOGIC, 0.2),
        (ControlBoard.CVITEK, 0.2),
    ),
    "s19kpro": ((ControlBoard.CVITEK, 0.6), (ControlBoard.AMLOGIC, 0.4)),
    "s19xp": ((ControlBoard.AMLOGIC, 0.6), (ControlBoard.CVITEK, 0.4)),
    "s21": ((ControlBoard.AMLOGIC, 0.7), (ControlBoard.CVITEK, 0.3)),
    "m20s": ((ControlBoard.H3, 1.0),),
    "m30s": ((ControlBoard.H3, 0.5), (ControlBoard.H6, 0.5)),
}
"""By model; one that is not named has its family's."""

_OF_FAMILY: Mapping[Family, tuple[tuple[ControlBoard, float], ...]] = {
    Family.ANTMINER_STOCK: ((ControlBoard.AMLOGIC, 0.6), (ControlBoard.CVITEK, 0.4)),
    Family.LUXOS: ((ControlBoard.CVITEK, 0.6), (ControlBoard.AMLOGIC, 0.4)),
    Family.WHATSMINER: ((ControlBoard.H6, 1.0),),
}


def boards_of(family: Family, model: str) -> tuple[ControlBoard, ...]:
    """Return the control boards that a model comes with, the commonest first."""
    return tuple(board for board, _ in _shares(family, model))


def board_of(miner: MinerId, family: Family, model: str, history: History) -> ControlBoard:
    """Return a miner's control board: drawn from the seed, alone for each; the commonest where a site has no mix."""
    shares = _shares(family, model)
    if not history.settings.firmware_mix or len(shares) == 1:
        return shares[0][0]
    boards, weights = zip(*shares, strict=True)
    chosen: ControlBoard = history.stream(f"board/{miner}").choices(boards, weights)[0]
    return chosen


def _shares(family: Family, model: str) -> tuple[tuple[ControlBoard, float], ...]:
    return _SHARES.get(model_key(model), _OF_FAMILY[family])
