"""Act: the only place that does something to the world. An intent is committed before anything here is called."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, assert_never

import structlog

from agent.model.action import Action, Result, Verb
from agent.model.errors import AgentError, DeviceError, PolicyError, RefusedError
from agent.model.ids import PduId
from agent.model.topology import Bank, Family, Miner, Outlet, Site

_log = structlog.get_logger(__name__)


class MinerControl(Protocol):
    """What is done to a miner of one family. That it returns means the device accepted it, no more."""

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process; raises an error of the agent's tree where that was not accepted."""

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board; raises an error of the agent's tree where that was not accepted."""


class OutletControl(Protocol):
    """What is done to the outlets of one PDU."""

    async def switch(self, outlet: int, on: bool) -> None:
        """Switch one outlet and return once that is verified; raises an error of the agent's tree otherwise."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an action went; `detail` is one line for a person."""

    result: Result
    detail: str


class Actor:
    """Performs actions through the drivers, each under its verb's deadline.

    Args:
        on_spacing_s: least time between two switch-ons of one bank within one action.
    """

    def __init__(
        self,
        site: Site,
        miner_drivers: Mapping[Family, MinerControl],
        pdu_drivers: Mapping[PduId, OutletControl],
        on_spacing_s: float,
    ) -> None:
        self._site = site
        self._miners = miner_drivers
        self._pdus = pdu_drivers
        self._on_spacing_s = on_spacing_s

    async def perform(self, action: Action) -> Outcome:
        """Perform the action and say how it went. Never raises but on cancellation; a lost wire is `unknown`."""
        limit_s = action.traits.timeout_s * max(1, len(action.outlets))
        try:
            async with asyncio.timeout(limit_s):
                await self._do(action)
        except TimeoutError:
            return Outcome(Result.UNKNOWN, f"expected {action.verb} to settle within {limit_s:.0f} s; it did not")
        except (RefusedError, DeviceError, PolicyError) as error:
            return Outcome(Result.FAILED, str(error))
        except AgentError as error:
            return Outcome(Result.UNKNOWN, str(error))
        except Exception as error:  # a driver's bug must not leave an intent without an outcome
            _log.exception("driver_bug", verb=action.verb, miner=action.miner)
            return Outcome(Result.UNKNOWN, f"driver bug: {type(error).__name__}")
        return Outcome(Result.OK, "accepted" if not action.outlets else "verified at the outlet")

    async def _do(self, action: Action) -> None:
        match action.verb:
            case Verb.RESTART:
                miner = self._site.miner(action.miner)
                await self._miners[miner.family].restart(miner)
            case Verb.REBOOT:
                miner = self._site.miner(action.miner)
                await self._miners[miner.family].reboot(miner)
            case Verb.POWER_OFF:
                for outlet in action.outlets:
                    await self._switch(outlet, on=False)
            case Verb.POWER_ON:
                await self._switch_on(action.outlets)
            case Verb.SWITCH_POOL | Verb.BOUNCE_PORT:
                raise PolicyError(f"expected a driver that can {action.verb}; no playbook asks for it yet")
            case _:
                assert_never(action.verb)

    async def _switch_on(self, outlets: tuple[Outlet, ...]) -> None:
        done: set[Bank | None] = set()
        for outlet in outlets:
            bank = self._site.bank.get(outlet)
            if bank in done:
                await asyncio.sleep(self._on_spacing_s)
            await self._switch(outlet, on=True)
            done.add(bank)

    async def _switch(self, outlet: Outlet, *, on: bool) -> None:
        driver = self._pdus.get(outlet.pdu)
        if driver is None:
            raise PolicyError(f"outlet {outlet}: expected PDU {outlet.pdu} to be configured; add it under `pdus`")
        await driver.switch(outlet.number, on)
