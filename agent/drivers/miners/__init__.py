"""Miner drivers: one family, one file, and the table of the families there are."""

from collections.abc import Mapping

from agent.drivers.miners.antminer_stock import AntminerStock
from agent.drivers.miners.contract import MinerDriver, MinerLogin
from agent.drivers.miners.luxos import LuxOs
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.drivers.miners.whatsminer import Whatsminer
from agent.drivers.net import Credentials, Dialer
from agent.model.topology import Family

__all__ = ["MinerDriver", "MinerLogin", "miner_drivers"]


def miner_drivers(
    dialer: Dialer, credentials: Credentials, logins: Mapping[Family, MinerLogin]
) -> dict[Family, MinerDriver]:
    """Return one driver per family. A control without a login raises PolicyError when it is asked for."""
    adapter = PyasicAdapter(dialer, credentials)
    return {
        Family.ANTMINER_STOCK: AntminerStock(dialer, credentials, logins.get(Family.ANTMINER_STOCK)),
        Family.LUXOS: LuxOs(dialer, adapter),
        Family.WHATSMINER: Whatsminer(dialer, adapter, logins.get(Family.WHATSMINER)),
    }
