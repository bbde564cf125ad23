"""Whatsminer with API V2: telemetry in clear and control encrypted, both on TCP 4028."""

from agent.codecs import cgminer
from agent.codecs.cgminer import Row, flag, within
from agent.codecs.telemetry import (
    GH_PER_MH,
    MAX_FAN_RPM,
    TH_PER_GH,
    TH_PER_MH,
    age_s,
    count,
    hottest,
    pool_facts,
    power_w,
    rate_th,
    section,
    target_th,
    usable,
    work_gh,
)
from agent.drivers.miners.connection import request
from agent.drivers.miners.contract import MinerLogin
from agent.drivers.miners.pyasic_adapter import PyasicAdapter
from agent.drivers.net import Dialer
from agent.model.errors import PolicyError
from agent.model.telemetry import Telemetry
from agent.model.topology import Family, Miner

STATUS = b'{"command":"status"}'
STATUS_DEADLINE_S = 5.0
STATUS_LIMIT_BYTES = 16_384


class Whatsminer:
    """MicroBT's own firmware. Rates are in MH/s, except `Factory GHS`; `HS RT` is misnamed and in MH/s too."""

    family = Family.WHATSMINER
    port = 4028
    request = b'{"command":"summary+pools+devs"}'

    def __init__(self, dialer: Dialer, adapter: PyasicAdapter, login: MinerLogin | None) -> None:
        self._dialer = dialer
        self._adapter = adapter
        self._login = login

    def decode(self, reply: bytes) -> Telemetry:
        """Return what a reply to `request` tells."""
        sections = cgminer.decode(reply)
        summary = section(sections, "summary").widest
        boards = section(sections, "devs").rows
        pool_alive, share_diff = pool_facts(section(sections, "pools"))
        hashrate_th = rate_th(summary.get("MHS 5s"), TH_PER_MH)
        elapsed_s = age_s(summary.get("Elapsed"))
        total_mh = count(summary.get("Total MH"))
        average_mh = count(summary.get("MHS av"))
        average_gh = None if average_mh is None else average_mh * GH_PER_MH
        return usable(
            sections,
            Telemetry(
                hashrate_th=rate_th(summary.get("HS RT"), TH_PER_MH) if hashrate_th is None else hashrate_th,
                expected_th=target_th(summary.get("Target MHS"), TH_PER_MH)
                or target_th(summary.get("Factory GHS"), TH_PER_GH),
                work_gh=work_gh(average_gh, elapsed_s) if total_mh is None else total_mh * GH_PER_MH,
                elapsed_s=elapsed_s,
                accepted=count(summary.get("Accepted")),
                rejected=count(summary.get("Rejected")),
                stale=count(summary.get("Stale")),
                accepted_diff=count(summary.get("Difficulty Accepted")),
                share_diff=share_diff,
                hw_errors=count(summary.get("Hardware Errors")),
                chip_max_c=hottest([*(board.get("Chip Temp Max") for board in boards), summary.get("Chip Temp Max")]),
                fans_rpm=_fans_rpm(summary),
                power_w=power_w(summary.get("Power"), summary.get("Power_RT")),
                pool_alive=pool_alive,
                suspended=flag(summary.get("btmineroff", summary.get("mineroff"))),
                tuned=_tuned(boards),
            ),
        )

    async def is_suspended(self, miner: Miner) -> bool | None:
        """Ask `status`, which no joined command may hold, whether the mining process was told to be off."""
        endpoint = self._dialer.endpoint(miner.host, self.port)
        reply = await request(endpoint, STATUS, deadline_s=STATUS_DEADLINE_S, limit_bytes=STATUS_LIMIT_BYTES)
        for answer in cgminer.decode(reply).values():
            return flag(answer.widest.get("btmineroff"))
        return None

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process (`restart_btminer`)."""
        await self._adapter.whatsminer_restart(miner, self._credential(miner))

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board (`reboot`)."""
        await self._adapter.whatsminer_reboot(miner, self._credential(miner))

    def _credential(self, miner: Miner) -> str:
        if self._login is None:
            raise PolicyError(f"{miner.id}: control of {self.family} needs a login; configure logins.{self.family}")
        return self._login.credential


def _fans_rpm(summary: Row) -> tuple[float, ...]:
    """Return inlet and outlet fans in rpm; none on a liquid-cooled machine, whose fields read 0."""
    if flag(summary.get("Liquid Cooling")):
        return ()
    rpms = (within(summary.get(key), 0.0, MAX_FAN_RPM) for key in ("Fan Speed In", "Fan Speed Out"))
    return tuple(rpm for rpm in rpms if rpm is not None)


def _tuned(boards: list[Row]) -> bool | None:
    """Return whether every board's frequency ramp has ended; None where no board says."""
    ends = [end for board in boards if (end := flag(board.get("Upfreq Complete"))) is not None]
    return all(ends) if ends else None
