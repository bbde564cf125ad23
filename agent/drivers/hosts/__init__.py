"""Control boards as hosts: logs, firmware images, and the ways they get into a miner."""

from collections.abc import Mapping

from agent.drivers.hosts.access import SshBook
from agent.drivers.hosts.firmware import AntminerFirmware, LuxOsFirmware, WhatsminerFirmware
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.drivers.net import Credentials, Dialer
from agent.model.topology import Family

__all__ = ["firmware_drivers"]


def firmware_drivers(
    dialer: Dialer, credentials: Credentials, logins: Mapping[Family, MinerLogin], ssh: SshBook
) -> dict[Family, AntminerFirmware | LuxOsFirmware | WhatsminerFirmware]:
    """Return what there is of each family. A way in that needs a login raises PolicyError when it is asked for."""
    adapter = PyasicAdapter(dialer, credentials)
    return {
        Family.ANTMINER_STOCK: AntminerFirmware(dialer, credentials, logins.get(Family.ANTMINER_STOCK)),
        Family.LUXOS: LuxOsFirmware(dialer, credentials, ssh),
        Family.WHATSMINER: WhatsminerFirmware(dialer, adapter, logins.get(Family.WHATSMINER)),
    }
