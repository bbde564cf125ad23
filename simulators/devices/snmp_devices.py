"""Every SNMP device of a simulated site: who may log in to each, where it listens, when it answers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from agent.model.errors import PolicyError
from agent.model.ids import PduId, SwitchId
from agent.model.topology import Pdu, Switch
from simulators.devices.pdu import SimulatedPdu
from simulators.devices.pdu_habits import HABITS
from simulators.devices.snmp_agent import Community, SnmpAgent
from simulators.devices.snmp_mib import Mib, system_group
from simulators.devices.snmp_usm import UsmUser
from simulators.devices.switch import SWITCH_DESCR, SWITCH_OBJECT_ID, switch_objects
from simulators.loopback import loopback_endpoint
from simulators.plant.site import SitePlant

SWITCH_REPLY_DELAY_S: Final = 0.02
SWITCH_REPLY_BYTES: Final = 8192
_ENTERPRISE: Final = 8072


class Secrets(Protocol):
    """Where the passwords set up on the devices come from."""

    def get(self, name: str) -> str:
        """Return the secret of that name."""
        ...


@dataclass(frozen=True, slots=True)
class SnmpLogin:
    """What is set up on one device. Credentials by name; the fields are those of the agent's own access data.

    A read community that is not the write community may not write. A v3 user may.
    """

    version: Literal["2c", "3"] = "2c"
    community: str | None = None
    write_community: str | None = None
    user: str | None = None
    auth: str | None = "sha1"
    auth_credential: str | None = None
    priv: str | None = "aes128"
    priv_credential: str | None = None
    port: int = 161


class SnmpDevices:
    """All PDUs and switches of a site that have a login, each at its own loopback address."""

    def __init__(
        self,
        plant: SitePlant,
        secrets: Secrets,
        pdu_access: Mapping[PduId, SnmpLogin],
        switch_access: Mapping[SwitchId, SnmpLogin],
    ) -> None:
        self._plant = plant
        self._secrets = secrets
        site = plant.site
        pdus = {
            loopback_endpoint(pdu.host, login.port): self._pdu(pdu, login)
            for pdu in site.pdus
            if (login := pdu_access.get(pdu.id)) is not None
        }
        switches = {
            loopback_endpoint(switch.host, login.port): self._switch(switch, login)
            for switch in site.switches
            if (login := switch_access.get(switch.id)) is not None
        }
        self._agents = pdus | switches

    async def start(self) -> None:
        """Listen everywhere; PolicyError names the endpoint that is taken."""
        for endpoint, agent in self._agents.items():
            try:
                await agent.start(endpoint)
            except OSError as taken:
                await self.stop()
                raise PolicyError(f"cannot listen on {endpoint[0]}:{endpoint[1]}/udp ({taken}): free it") from taken

    async def stop(self) -> None:
        """Stop listening."""
        for agent in self._agents.values():
            agent.stop()

    def _pdu(self, pdu: Pdu, login: SnmpLogin) -> SnmpAgent:
        habit = HABITS.get(pdu.profile)
        if habit is None:
            known = ", ".join(sorted(HABITS))
            raise PolicyError(f"{pdu.id}: no simulated PDU for profile {pdu.profile!r}: expected one of {known}")
        system = system_group(habit.descr, habit.object_id, pdu.id, self._uptime_s)
        faults = self._plant.power.pdu[pdu.id]
        simulated = SimulatedPdu(self._plant, pdu)
        return SnmpAgent(
            Mib([*system, *habit.objects(simulated)]),
            engine_id=_engine_id(pdu.host),
            communities=self._communities(login),
            users=self._users(login),
            before=simulated.begin,
            reply_delay_s=lambda: faults.reply_delay_s,
            lives=lambda: faults.is_reached and self._plant.host.linked,
            max_reply_bytes=habit.max_reply_bytes,
        )

    def _switch(self, switch: Switch, login: SnmpLogin) -> SnmpAgent:
        system = system_group(SWITCH_DESCR, SWITCH_OBJECT_ID, switch.id, self._uptime_s)
        return SnmpAgent(
            Mib([*system, *switch_objects(switch, self._plant.network)]),
            engine_id=_engine_id(switch.host),
            communities=self._communities(login),
            users=self._users(login),
            before=self._plant.advance,
            reply_delay_s=lambda: SWITCH_REPLY_DELAY_S,
            lives=lambda: self._plant.network.answers(switch.id) and self._plant.host.linked,
            max_reply_bytes=SWITCH_REPLY_BYTES,
        )

    def _uptime_s(self) -> float:
        return self._plant.now

    def _communities(self, login: SnmpLogin) -> tuple[Community, ...]:
        if login.version != "2c" or login.community is None:
            return ()
        read = Community(self._secrets.get(login.community), may_write=login.write_community is None)
        if login.write_community is None:
            return (read,)
        return read, Community(self._secrets.get(login.write_community), may_write=True)

    def _users(self, login: SnmpLogin) -> tuple[UsmUser, ...]:
        if login.version != "3":
            return ()
        auth = self._secrets.get(str(login.auth_credential))
        priv = self._secrets.get(str(login.priv_credential))
        return (UsmUser(str(login.user), str(login.auth), auth, str(login.priv), priv),)


def _engine_id(host: str) -> bytes:
    """Return an engine id of its own for each device (RFC 3411: enterprise with the top bit set, format 5, octets)."""
    return (0x80000000 | _ENTERPRISE).to_bytes(4, "big") + b"\x05" + hashlib.sha256(host.encode()).digest()[:8]
