"""What miners last told of their parts: hashboards, fans and error codes, for those who look at one miner.

Whole columns of it, for those who look at all, are the site view's.
"""

import re

import numpy as np

from agent.model.columns import Bools, Floats, Signal, cells
from agent.model.telemetry import BoardReading, Telemetry
from agent.model.topology import Site

CRASHES = re.compile(r"(90|71|80)[0-9]|ERROR_SOC_INIT|REBOOT_SYSINIT")
"""Codes of a firmware that crashed, was rebooted over an exception, or fails its checksum (Whatsminer), or does not get
through its own start (bmminer, LuxOS): facts "detection", sections 1.3, 1.4. None of EEPROMs, chips and boards is here:
no other firmware mends those."""


HEAT_STOPS = re.compile(r"35[0-9]|36[0-3]|OVERTEMP_PROTECTION|ERROR_TEMP_TOO_HIGH")
"""Codes of a firmware that protects hashboards from their heat: facts "detection", sections 1.3 and 1.4. That the
air is too warm (600, 610) is a warning."""


def is_heat_stop(code: str) -> bool:
    """Whether the code says that hashboards were switched off for their heat."""
    return HEAT_STOPS.fullmatch(code) is not None


def is_crash(code: str) -> bool:
    """Whether the code speaks of the firmware itself."""
    return CRASHES.fullmatch(code) is not None


class HardwareColumns:
    """The parts of n miners; arrays have shape (n,), lists one entry a row.

    Attributes:
        boards_up: hashboards of which any chip answers. chips_up: chips that answer, over all boards.
        boards_most, chips_most: the most of them that the miner, or what is known of its model, ever showed.
        boards, fans_rpm, codes: as told last; empty for never.
        crashed: whether a code that stands says that the firmware crashed. protects: ... that it stopped for heat.
    """

    __slots__ = (
        "_most",
        "boards",
        "boards_most",
        "boards_up",
        "chips_most",
        "chips_up",
        "codes",
        "crashed",
        "fans_rpm",
        "protects",
    )

    def __init__(self, site: Site, boards_up: Signal, chips_up: Signal) -> None:
        n = len(site.miners)
        self.boards_up, self.chips_up = boards_up, chips_up
        self.boards_most: Floats = np.array([miner.boards or 0.0 for miner in site.miners], dtype=np.float64)
        self.chips_most: Floats = np.zeros(n)
        self._most = cells(self.boards_most), cells(self.chips_most)
        self.boards: list[tuple[BoardReading, ...]] = [()] * n
        self.fans_rpm: list[tuple[float, ...]] = [()] * n
        self.codes: list[tuple[str, ...]] = [()] * n
        self.crashed: Bools = np.zeros(n, dtype=np.bool_)
        self.protects: Bools = np.zeros(n, dtype=np.bool_)

    def follow(self) -> None:
        """Keep the most that was ever shown, after whole columns were written."""
        np.fmax(self.boards_most, self.boards_up.value, out=self.boards_most)
        np.fmax(self.chips_most, self.chips_up.value, out=self.chips_most)

    def put(self, row: int, t: Telemetry, now: float) -> None:
        """Store what a reply tells; a reply without boards or fans leaves what was told before."""
        if t.codes or self.codes[row]:
            self.codes[row] = t.codes
            self.crashed[row] = any(map(is_crash, t.codes))
            self.protects[row] = any(map(is_heat_stop, t.codes))
        if t.fans_rpm:
            self.fans_rpm[row] = t.fans_rpm
        if not t.boards:
            return
        self.boards[row] = t.boards
        up = chips_up = 0
        for board in t.boards:
            if board.chips is None:
                return
            if board.chips:
                up += 1
                chips_up += board.chips
        self.boards_up.put(row, float(up), now)
        self.chips_up.put(row, float(chips_up), now)
        boards_most, chips_most = self._most
        boards_most[row] = max(boards_most[row], up)
        chips_most[row] = max(chips_most[row], chips_up)
