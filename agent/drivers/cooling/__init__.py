"""Cooling units: what drives a coolant loop, read and set over Modbus TCP. One kind of unit, one file of data."""

from typing import TYPE_CHECKING

from agent.drivers.cooling.profile import load_profile, profile_names
from agent.drivers.net import Dialer
from agent.model.topology import CoolingUnit

if TYPE_CHECKING:
    from agent.drivers.cooling.unit import CoolingModbus

__all__ = ["cooling_driver", "profile_names"]


def cooling_driver(unit: CoolingUnit, dialer: Dialer) -> "CoolingModbus":
    """Return the driver for a unit of the site; PolicyError for a profile nobody knows, listing the known ones."""
    from agent.drivers.cooling.unit import CoolingModbus  # noqa: PLC0415 - 200 ms that only a site with units needs

    return CoolingModbus(unit, load_profile(unit.profile), dialer)
