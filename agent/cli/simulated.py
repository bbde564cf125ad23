"""Builds the simulated copy of a configured site: the one place where the agent's settings meet the simulators."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

from agent.clock import Clock
from agent.config import Settings
from agent.drivers.hosts.access import SshAccess, SshBook
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.snmp import SnmpAccess
from agent.ledger.chain import Body
from agent.ledger.store import Ledger
from agent.model.events import Actor, Record
from agent.model.ids import MinerId
from agent.model.topology import Family, Miner
from agent.touch import Touch
from simulators.devices.miners import SSH_LOGIN
from simulators.devices.snmp_devices import SnmpLogin
from simulators.devices.ssh_keys import HostKeys
from simulators.plant.agent_host import AgentHostPlant
from simulators.plant.history import HistorySettings
from simulators.plant.site import SitePlant
from simulators.rehearsal import Injection, rehearse
from simulators.site import SimulatedSite
from simulators.truth import Truth

STAND_INS = {
    Family.ANTMINER_STOCK: MinerLogin("root", "simulated-antminer"),
    Family.WHATSMINER: MinerLogin("admin", "simulated-whatsminer"),
}
"""Logins of simulated miners whose family the configuration names none for: a site that only observes needs none."""

FAULT_EVERY_S = 30.0


def with_logins(settings: Settings) -> Settings:
    """Return the settings with a login for every family of the site, so that a simulated copy can be acted upon."""
    used = {miner.family for miner in settings.site.miners}
    missing = {family: login for family, login in STAND_INS.items() if family in used - settings.logins.keys()}
    return dataclasses.replace(settings, logins={**settings.logins, **missing})


def with_host_keys(settings: Settings, seed: int) -> Settings:
    """Return the settings with what the simulated copy's control boards show for host keys, and a way in to each."""
    return dataclasses.replace(settings, ssh=SshBook(miners=_Pinned(settings, HostKeys(seed))))


class _Pinned(Mapping[MinerId, SshAccess]):
    """How each simulated miner is logged in to. A key is made when it is asked for: few ever are."""

    def __init__(self, settings: Settings, keys: HostKeys) -> None:
        self._site = settings.site
        self._ssh = settings.ssh
        self._keys = keys

    def __getitem__(self, miner: MinerId) -> SshAccess:
        if self._site.miner(miner).family is not Family.LUXOS:
            raise KeyError(miner)
        user, credential = ssh_login(self._ssh, self._site.miner(miner))
        return SshAccess(user, credential, (self._keys.public(miner),))

    def __iter__(self) -> Iterator[MinerId]:
        return (miner.id for miner in self._site.miners if miner.family is Family.LUXOS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def ssh_login(book: SshBook, miner: Miner) -> tuple[str, str]:
    """Return user and credential of a simulated control board: the configuration's, or a stand-in."""
    access = book.of(miner)
    return SSH_LOGIN if access is None else (access.user, access.credential)


class SimulatedDisk(Ledger):
    """A ledger on the simulated machine's disk, which takes what the plant says that it takes."""

    host: AgentHostPlant | None = None

    async def _commit(self, bodies: Sequence[Body], actor: Actor, *, proves: bool = False) -> list[Record]:
        if self.host is not None and self.host.disk_s > 0.0:
            await asyncio.sleep(self.host.disk_s)
        return await super()._commit(bodies, actor, proves=proves)


@dataclasses.dataclass(frozen=True, slots=True)
class Staged:
    """A simulated site that lives: what is true of it, and what each agent that is started on it touches it with."""

    plant: SitePlant
    truth: Truth
    touch: Callable[[], Touch]


@contextlib.asynccontextmanager
async def simulated_site(
    settings: Settings, clock: Clock, *, seed: int, history: HistorySettings | None = None
) -> AsyncIterator[SimulatedSite]:
    """Yield the running copy; every device of the inventory answers on its loopback address until the end.

    The settings name a login for each family on the site (`with_logins`).
    """
    site = SimulatedSite(
        settings.site,
        seed=seed,
        history=history,
        epoch_s=clock.now() - asyncio.get_running_loop().time(),
        logins={family: (login.user, login.credential) for family, login in settings.logins.items()},
        ssh_logins={m.id: ssh_login(settings.ssh, m) for m in settings.site.miners if m.family is Family.LUXOS},
        pdu_access={pdu: _login(access) for pdu, access in settings.pdu_access.items()},
        switch_access={switch: _login(access) for switch, access in settings.switch_access.items()},
    )
    try:
        await site.start()
        yield site
    finally:
        await site.stop()


@contextlib.asynccontextmanager
async def breaking(simulated: SimulatedSite, faults: Sequence[str]) -> AsyncIterator[None]:
    """Let faults written KIND=TARGET happen to a running copy, FAULT_EVERY_S apart.

    Raises:
        PolicyError: a fault is not of that form, or there is no such kind or target; before any of them happens.
    """
    now = asyncio.get_running_loop().time()
    planned = [
        Injection(now + FAULT_EVERY_S * place, kind, target)
        for place, (kind, _, target) in enumerate((fault.partition("=") for fault in faults), start=1)
    ]
    for injection in planned:
        simulated.truth.check(injection.kind, injection.target)
    playing = asyncio.create_task(rehearse(simulated.truth, planned))
    try:
        yield
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


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
