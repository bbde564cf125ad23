"""LuxOS: telemetry and control on TCP 4028. The fields are Bitmain's, some of their meanings are not."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from agent.codecs import bitmain, cgminer
from agent.codecs.cgminer import Section
from agent.codecs.telemetry import power_w, section
from agent.drivers.miners.connection import request
from agent.drivers.miners.identity import told_mac
from agent.drivers.miners.pools_list import wanted_lines
from agent.drivers.miners.pools_luxos import LuxOsPools
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.drivers.miners.settle import attempted, settled
from agent.drivers.net import Dialer
from agent.model.errors import PolicyError
from agent.model.hardware import is_heat_stop
from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner, Pool

READ_DEADLINE_S = 5.0
READ_LIMIT_BYTES = 65_536

MAX_EVENTS = 64
"""More than that are not looked at; LuxOS knows some thirty."""

POOL_SLOTS = 8
"""As many pools as a group of the site may have; the firmware has no fixed number."""


class LuxOs:
    """Luxor's firmware. Its session needs no password."""

    family = Family.LUXOS
    port = 4028
    request = b'{"command":"summary+pools+stats+power+config+events"}'

    def __init__(self, dialer: Dialer, adapter: PyasicAdapter) -> None:
        self._dialer = dialer
        self._adapter = adapter

    def decode(self, reply: bytes) -> Telemetry:
        """Return what a reply to `request` tells.

        Work is the average since the start times the age: `Total MH` is no total here but that same average in MH/s.
        The sensors it calls chip temperatures stand on the board, about 15 °C cooler (facts "detection", section 0). It
        never tells how warm what comes in is, and may stop for that: then one of its events alone says why.
        """
        reading = bitmain.read(reply)
        return bitmain.telemetry(
            reading,
            cumulative=False,
            power_w=power_w(reading.power.get("Watts")),
            suspended=_suspended(reading.config.get("CurtailMode")),
            codes=_heat_stops(reading),
        )

    async def is_suspended(self, miner: Miner) -> bool | None:
        """Return None: every poll's reply says it already."""
        return None

    async def mac_at(self, host: str) -> str | None:
        """Ask `config` for its MACAddr."""
        return await told_mac(self._dialer.endpoint(host, self.port), "config", "MACAddr")

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process (`resetminer`)."""
        await self._adapter.luxos_restart(miner)

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board (`rebootdevice`)."""
        await self._adapter.luxos_reboot(miner)

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        """Add, promote and remove lines of the list until it is so; the mining process goes on."""
        wanted = wanted_lines(miner.id, pools, worker, POOL_SLOTS)
        await LuxOsPools(miner.id, self._dialer.endpoint(miner.host, self.port)).set(wanted)

    async def derate(self, miner: Miner, share: float) -> None:
        """Run by the profile that draws the most of those that draw no more than that share (`profileset`)."""
        profiles = (await self._ask(miner, "profiles")).rows
        wanted = chosen_profile(profiles, miner.power_w, share)
        if wanted is None:
            raise PolicyError(f"{miner.id}: expected a profile of at most {share:.0%} of its power, it lists none")
        if (await self._ask(miner, "config")).widest.get("Profile") == wanted:
            return
        lost = await attempted(self._adapter.luxos_set_profile(miner, wanted))
        # One that is hot goes down from there by itself, within seconds: it draws no more than it was told to.
        fits = {wanted} | (at_most(profiles, wanted) if share < 1.0 else set())

        async def is_so() -> bool:
            return (await self._ask(miner, "config")).widest.get("Profile") in fits

        await settled(is_so, f"{miner.id}: expected profile {wanted}", lost)

    async def sleep(self, miner: Miner) -> None:
        """Curtail it (`curtail sleep`)."""
        await self._curtail(miner, asleep=True)

    async def wake(self, miner: Miner) -> None:
        """End its curtailment (`curtail wakeup`)."""
        await self._curtail(miner, asleep=False)

    async def _curtail(self, miner: Miner, *, asleep: bool) -> None:
        async def is_so() -> bool:
            return _suspended((await self._ask(miner, "config")).widest.get("CurtailMode")) is asleep

        if not await is_so():
            lost = await attempted(self._adapter.luxos_sleep(miner, asleep=asleep))
            await settled(is_so, f"{miner.id}: expected it to {'sleep' if asleep else 'wake'}", lost)

    async def _ask(self, miner: Miner, command: str) -> Section:
        """Return what a query answers, without fields where it answers an error."""
        endpoint = self._dialer.endpoint(miner.host, self.port)
        payload = json.dumps({"command": command}).encode()
        reply = await request(endpoint, payload, deadline_s=READ_DEADLINE_S, limit_bytes=READ_LIMIT_BYTES)
        return section(cgminer.decode(reply), command)


def chosen_profile(profiles: Sequence[Mapping[str, object]], power_w: float, share: float) -> str | None:
    """Return the name of the profile that draws the most of those that draw no more than a share of the usual one.

    The usual one is the one whose draw is nearest to what the inventory has for the miner; for a share of 1 it is that.
    """
    known = _known(profiles)
    if not known:
        return None
    usual = min(known, key=lambda one: abs(one[1] - power_w))
    below = [one for one in known if one[1] <= share * usual[1]]
    if share >= 1.0:
        return usual[0]
    return max(below, key=lambda one: one[1])[0] if below else None


def at_most(profiles: Sequence[Mapping[str, object]], name: str) -> set[str]:
    """Return the names of the profiles that draw no more than the one of that name."""
    known = _known(profiles)
    most_w = dict(known)[name]
    return {other for other, watts in known if watts <= most_w}


def _known(profiles: Sequence[Mapping[str, object]]) -> list[tuple[str, float]]:
    """Return name and draw in W of each profile that tells both."""
    return [
        (name, watts)
        for row in profiles
        if (watts := watts_of(row)) and isinstance(name := row.get("Profile Name"), str)
    ]


def watts_of(row: Mapping[str, object]) -> float | None:
    """Return what a profile draws in W; None where it does not say."""
    return power_w(row.get("Watts"))


def _heat_stops(reading: bitmain.Reading) -> tuple[str, ...]:
    """Return the codes of the events that say that it stopped for its heat since its process began.

    Events stay on the list for days, whatever came after them.
    """
    age_s, told_at = reading.summary.elapsed_s, reading.told_at
    if not reading.events or age_s is None or told_at is None:
        return ()
    codes = (
        code
        for event in reading.events[:MAX_EVENTS]
        if isinstance(code := event.get("Code"), str) and is_heat_stop(code)
        if (at := _unix_s(event.get("CreatedAt"))) is not None and at >= told_at - age_s
    )
    return tuple(dict.fromkeys(codes))


def _unix_s(told: object) -> float | None:
    """Return a time as `events` writes it ("2026-04-08T03:38:27+00:00") in Unix s; None for anything else."""
    try:
        at = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else at.timestamp()


def _suspended(curtail_mode: object) -> bool | None:
    """Return whether the miner is curtailed: `CurtailMode` is "None" in service and "Sleep" while it sleeps."""
    return curtail_mode.lower() == "sleep" if isinstance(curtail_mode, str) else None
