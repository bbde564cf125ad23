"""Firmware images and control boards: what an image is for, what a miner has. Names and tables, no behaviour.

Which boards are in which model is an estimate after the vendors' own downloads: each model got whatever board could be
bought that year, and an image for one of them does not start another (facts "miners", section 6).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from agent.model.ids import ImageId
from agent.model.topology import Family, Miner
from agent.model.topology import Image as Allowed
from simulators.plant.history import History


class ControlBoard(StrEnum):
    """The kinds of control board, each as LuxOS or btminer names it."""

    ZYNQ = "zynq"
    BEAGLEBONE = "beaglebone"
    AMLOGIC = "amlogic"
    CVITEK = "cvitek"
    H3 = "H3OS"
    H6 = "H6OS"


_STOCK_NAMES: Mapping[ControlBoard, str] = {
    ControlBoard.ZYNQ: "ZYNQCtrl",
    ControlBoard.BEAGLEBONE: "BBCtrl",
    ControlBoard.AMLOGIC: "AMLCtrl",
    ControlBoard.CVITEK: "CVCtrl",
}


def board_name(family: Family, board: ControlBoard) -> str:
    """Return a control board's name as that family's software tells it."""
    return _STOCK_NAMES.get(board, board.value) if family is Family.ANTMINER_STOCK else board.value


def board_named(family: Family, name: str) -> ControlBoard | None:
    """Return the control board that the family calls so; None where it is none it knows."""
    return next((board for board in ControlBoard if board_name(family, board) == name), None)


@dataclass(frozen=True, slots=True)
class Image:
    """A firmware image, as a board that was given it finds out.

    Attributes:
        name: what tells it from others: the SHA-256 of its bytes, or part of it.
        models: what it is for, as `model_key` has them. boards: and on which control boards.
        whole: its bytes are those that its maker published. signed: the maker's signature on it holds.
        starts: a board that runs it comes up; not so with a bad release.
        misleads: whoever goes by what is written on it cannot know that it does not fit.
    """

    name: str
    family: Family
    version: str
    models: frozenset[str]
    boards: frozenset[ControlBoard]
    whole: bool = True
    signed: bool = True
    starts: bool = True
    misleads: bool = False

    @property
    def does_well(self) -> bool:
        """Whether boards that it is for by its label come up with it."""
        return self.whole and self.starts and not self.misleads

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


def board_of(miner: Miner, history: History) -> ControlBoard:
    """Return a miner's control board: the inventory's, else drawn from the seed, alone for each.

    The commonest where a site has no mix, or the inventory names one that nobody knows.
    """
    named = None if miner.control_board is None else board_named(miner.family, miner.control_board)
    shares = _shares(miner.family, miner.model)
    if named is not None:
        return named
    if not history.settings.firmware_mix or len(shares) == 1:
        return shares[0][0]
    boards, weights = zip(*shares, strict=True)
    chosen: ControlBoard = history.stream(f"board/{miner.id}").choices(boards, weights)[0]
    return chosen


def _shares(family: Family, model: str) -> tuple[tuple[ControlBoard, float], ...]:
    return _SHARES.get(model_key(model), _OF_FAMILY[family])


class ImageShelf:
    """What the site's allowed images really are.

    Args:
        allowed: the images of the site's configuration, taken at their word.
    """

    def __init__(self, allowed: Iterable[Allowed]) -> None:
        self._images = {image.sha256: _as_labelled(image) for image in allowed}
        self._labels = dict(self._images)

    def named(self, sha256: ImageId) -> Image:
        """Return what bytes with that SHA-256 are: one of the site's images, or nothing that a maker published."""
        found = self._images.get(sha256)
        if found is not None:
            return found
        nobody: frozenset[str] = frozenset()
        return Image(sha256, Family.ANTMINER_STOCK, "", nobody, frozenset(), whole=False, signed=False, starts=False)

    def of(self, data: bytes) -> Image:
        """Return what these bytes are."""
        return self.named(ImageId(hashlib.sha256(data).hexdigest()))

    def put(self, sha256: ImageId, image: Image) -> None:
        """Let bytes with that SHA-256 be this."""
        self._images[sha256] = self._labels[sha256] = image

    def spoil(self, sha256: ImageId) -> None:
        """Let it be a bad release: whole, signed, and a board that runs it does not come up."""
        self._images[sha256] = replace(self._images[sha256], starts=False, misleads=True)

    def swap(self, sha256: ImageId) -> None:
        """Let it be for another model than is written on it."""
        self._images[sha256] = replace(self._images[sha256], models=frozenset(), misleads=True)

    def restore(self, sha256: ImageId) -> None:
        """Let it be what is written on it."""
        self._images[sha256] = self._labels[sha256]


def _as_labelled(allowed: Allowed) -> Image:
    boards = (board_named(allowed.family, name) for name in allowed.control_boards)
    return Image(
        name=allowed.sha256,
        family=allowed.family,
        version=allowed.version,
        models=frozenset(model_key(model) for model in allowed.models),
        boards=frozenset(board for board in boards if board is not None),
    )
