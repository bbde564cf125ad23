"""Builds the simulated copy of a configured site: the one place where the agent's settings meet the simulators."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from agent.clock import Clock
from agent.config import Settings
from agent.drivers.snmp import SnmpAccess
from simulators.devices.snmp_devices import SnmpLogin
from simulators.site import SimulatedSite


@contextlib.asynccontextmanager
async def simulated_site(settings: Settings, clock: Clock, *, seed: int) -> AsyncIterator[SimulatedSite]:
    """Yield the running copy; every device of the inventory answers on its loopback address until the end."""
    site = SimulatedSite(
        settings.site,
        seed=seed,
        epoch_s=clock.now() - asyncio.get_running_loop().time(),
        logins={family: (login.user, login.credential) for family, login in settings.logins.items()},
        pdu_access={pdu: _login(access) for pdu, access in settings.pdu_access.items()},
        switch_access={switch: _login(access) for switch, access in settings.switch_access.items()},
    )
    try:
        await site.start()
        yield site
    finally:
        await site.stop()


def _login(access: SnmpAccess) -> SnmpLogin:
    return SnmpLogin(
        version=access.version,
        community=access.community,
        write_community=access.write_community,
        user=access.user,
        auth=access.auth,
        auth_credential=access.auth_credential,
        priv=access.priv,
        priv_credential=access.priv_credential,
        port=access.port,
    )
