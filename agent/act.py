"""Act: the only place that does something to the world. An intent is committed before anything here is called."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, assert_never

import structlog

from agent.model.action import TOGETHER, Action, Result, Verb
from agent.model.errors import AgentError, DeviceError, PolicyError, RefusedError, SilentError
from agent.model.ids import CoolingUnitId, MinerId, PduId, SwitchId
from agent.model.incident import LOGS, Evidence
from agent.model.topology import Bank, Family, Image, Miner, Outlet, Pool, Site
from agent.model.words import one_line

_log = structlog.get_logger(__name__)


class MinerControl(Protocol):
    """What is done to a miner of one family. That it returns means the device accepted it, no more."""

    async def restart(self, miner: Miner) -> None:
        """Restart the mining process; raises an error of the agent's tree where that was not accepted."""

    async def reboot(self, miner: Miner) -> None:
        """Reboot the control board; raises an error of the agent's tree where that was not accepted."""

    async def switch_pool(self, miner: Miner, pools: Sequence[Pool], worker: str) -> None:
        """Have it work for the first pool, with the others behind it; writes nothing where it is so; read back.

        Raises an error of the agent's tree where that is not so afterwards.
        """

    async def derate(self, miner: Miner, share: float) -> None:
        """Have it run at that share of its nominal power, 1 for in full; writes nothing where it is so; read back.

        Raises as `switch_pool` does; PolicyError where its firmware knows no such thing.
        """

    async def sleep(self, miner: Miner) -> None:
        """Have it stop hashing until it is woken; writes nothing where it is so; read back. Raises as `derate` does."""

    async def wake(self, miner: Miner) -> None:
        """Have it hash that was told to sleep; writes nothing where it is so; read back. Raises as `derate` does."""


class FirmwareControl(Protocol):
    """What is done to the firmware of one family's miners: docs/decisions/0014-flashing.md."""

    async def collect_logs(self, miner: Miner) -> str:
        """Return what the miner has written of its troubles, without secrets; raises an error of the agent's tree."""

    async def flash(self, miner: Miner, image: Image) -> str:
        """Put the image in and have the miner start it; return in a line what was seen of it.

        Raises:
            PolicyError, DeviceError, RefusedError: nothing was written, and nothing will be.
            TransportError, CodecError: it may be under way, or over; never repeat it, never cut its power.
        """

    async def not_begun(self, miner: Miner, image: Image, ago_s: float) -> str:
        """Return in a line what shows that a flash wanted `ago_s` ago was never begun, and will not be.

        It is of an agent that died. Raises an error of the agent's tree where nothing shows that for sure.
        """

    async def verify(self, miner: Miner, image: Image) -> str:
        """Return in a line that the miner runs the image's version; raises DeviceError where it runs another.

        Raises another error of the agent's tree where it could not be told.
        """


class FindsMiners(Protocol):
    """Finds a miner that is not where the inventory says."""

    async def find(self, miner: Miner) -> str:
        """Return the one address of the site at which the miner is, by its hardware address.

        Raises PolicyError where it is not known by one, DeviceError where it is at no address or at several.
        """


class PortControl(Protocol):
    """What is done to the ports of one switch."""

    async def bounce(self, port: int) -> None:
        """Take a port down and up again and see its link back; raises an error of the agent's tree otherwise."""

    async def bring_up(self, port: int) -> None:
        """See to it that a port is up; writes nothing where it is. Raises as `bounce` does."""


class OutletControl(Protocol):
    """What is done to the outlets of one PDU."""

    async def switch(self, outlet: int, on: bool) -> None:
        """Switch one outlet and return once that is verified; raises an error of the agent's tree otherwise."""


class CoolingControl(Protocol):
    """What is done to one cooling unit: one write, never a second, and a look at what it aims at then.

    Both raise PolicyError where nothing was written, as the unit has a leak or an alarm, takes no orders from a
    network, or aims at something else than `was`; DeviceError where it was seen not to take it; TransportError where
    the outcome is unknown.
    """

    async def set_supply(self, supply_c: float, was: float) -> None:
        """Have it aim at a supply temperature in °C; `was` is what it aimed at when that was decided."""

    async def set_flow(self, flow_lpm: float, was: float) -> None:
        """Have it aim at a flow in L/min; `was` is what it aimed at when that was decided."""


Errand = Callable[[Miner], Awaitable[None]]
"""What is done to each of several miners."""

VERIFIED = "verified at the outlet"
LOG_CHARS = 16_000
"""What is kept of a miner's logs in the ledger."""
DETAIL_CHARS = 1_000
"""What is kept of how an action went: the devices have a say in it."""
LOOK_BACK_S = 240.0
"""How long a miner may take to show that a flash was never begun: two looks, and the checksum of what was uploaded."""
SURELY_NOT = (RefusedError, DeviceError, PolicyError)
"""Errors after which it is sure that nothing was done; after any other of them it may have been."""

NAMED = 5
"""Targets that are named, with what they said, when an action on many did not reach all of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an action went.

    Attributes:
        detail: one line for a person.
        evidence: what it brought back.
        host: where a miner was found that was looked for; empty for all other actions.
    """

    result: Result
    detail: str
    evidence: Evidence = field(default_factory=dict)
    host: str = ""


class Actor:
    """Performs actions through the drivers, each under its verb's deadline.

    Args:
        on_spacing_s: least time between two switch-ons of one bank within one action.
        firmware: by family; a family without one can be neither flashed nor asked for logs.
        finder: finds miners that have moved; without it none are.
        scrub: returns a text without secrets. Whatever devices said becomes a fact here and nowhere else, so it passes
            here, whole, before it is cut: a device may repeat what it was just sent.
    """

    def __init__(
        self,
        site: Site,
        miner_drivers: Mapping[Family, MinerControl],
        pdu_drivers: Mapping[PduId, OutletControl],
        switch_drivers: Mapping[SwitchId, PortControl],
        on_spacing_s: float,
        *,
        firmware: Mapping[Family, FirmwareControl] | None = None,
        cooling_drivers: Mapping[CoolingUnitId, CoolingControl] | None = None,
        finder: FindsMiners | None = None,
        scrub: Callable[[str], str] = str,
    ) -> None:
        self._finder = finder
        self._scrub = scrub
        self._firmware = firmware or {}
        self._site = site
        self._miners = miner_drivers
        self._pdus = pdu_drivers
        self._switches = switch_drivers
        self._cooling = cooling_drivers or {}
        self._on_spacing_s = on_spacing_s

    async def perform(self, action: Action) -> Outcome:
        """Perform the action and say how it went. Never raises but on cancellation; a lost wire is `unknown`."""
        return self._fit_to_keep(await self._perform(action))

    async def _perform(self, action: Action) -> Outcome:
        limit_s = action.limit_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._do(action)
        except TimeoutError:
            return Outcome(Result.UNKNOWN, f"expected {action.verb} to settle within {limit_s:.0f} s; it did not")
        except SURELY_NOT as error:
            return Outcome(Result.FAILED, str(error))
        except AgentError as error:
            return Outcome(Result.UNKNOWN, str(error))
        except Exception as error:  # a driver's bug must not leave an intent without an outcome
            _log.exception("driver_bug", verb=action.verb, miner=action.miner)
            return Outcome(Result.UNKNOWN, f"driver bug: {type(error).__name__}")

    async def finish(self, action: Action) -> Outcome:
        """Bring to its end what an interruption may have left half done: a port that is being bounced ends up."""
        return self._fit_to_keep(await self._finish(action))

    async def not_begun(self, action: Action, ago_s: float) -> Outcome | None:
        """Return that a flash which a dead agent wanted `ago_s` ago was never begun; None where nobody knows."""
        try:
            async with asyncio.timeout(LOOK_BACK_S):
                miner, image = self._site.miner(action.miner), self._image(action)
                shown = await self._firmware_of(miner).not_begun(miner, image, ago_s)
        except (AgentError, TimeoutError) as error:
            _log.info("flash_may_have_begun", miner=action.miner, why=str(error))
            return None
        except Exception:  # as in perform
            _log.exception("driver_bug", verb=action.verb, miner=action.miner)
            return None
        return self._fit_to_keep(Outcome(Result.FAILED, f"seen after a restart of the agent: {shown}"))

    async def _finish(self, action: Action) -> Outcome:
        miner = self._site.miner(action.miner)
        driver = self._switches.get(miner.port.switch) if miner.port is not None else None
        if driver is None or miner.port is None:
            return Outcome(Result.UNKNOWN, "its port is not in the inventory any more")
        try:
            await driver.bring_up(miner.port.number)
        except AgentError as error:
            return Outcome(Result.FAILED, str(error))
        return Outcome(Result.OK, "brought up after an interruption")

    def _fit_to_keep(self, outcome: Outcome) -> Outcome:
        """Return it without secrets, bounded; a log keeps its end, as what came last tells most."""
        detail = one_line(self._scrub(outcome.detail), DETAIL_CHARS)
        logs = outcome.evidence.get(LOGS)
        if not isinstance(logs, str):
            return replace(outcome, detail=detail)
        return replace(outcome, detail=detail, evidence={LOGS: self._scrub(logs)[-LOG_CHARS:]})

    async def _do(self, action: Action) -> Outcome:  # noqa: PLR0912 - one arm for each verb
        """Do it and return what came of it."""
        said, host = "accepted", ""
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
                said = VERIFIED
            case Verb.POWER_ON:
                await self._switch_on(action.outlets)
                said = VERIFIED
            case Verb.SWITCH_POOL:
                said = await self._tell(action, self._switch_pool(action), f"work for {action.pool}")
            case Verb.BOUNCE_PORT:
                await self._bounce(self._site.miner(action.miner))
                said = "its link came back"
            case Verb.REBIND:
                miner = self._site.miner(action.miner)
                host = await self._find(miner)
                said = f"it answers at {host} as {miner.mac}; correct the inventory, which has {miner.host}"
            case Verb.DERATE:
                said = await self._tell(action, self._derate(action), f"run at {action.share or 0:.0%}")
            case Verb.SLEEP:
                said = await self._tell(action, lambda miner: self._miners[miner.family].sleep(miner), "sleep")
            case Verb.WAKE:
                said = await self._tell(action, lambda miner: self._miners[miner.family].wake(miner), "are awake")
            case Verb.SET_SUPPLY | Verb.SET_FLOW:
                await self._set(action)
                said = "read back"
            case Verb.COLLECT_LOGS:
                return await self._collect_logs(self._site.miner(action.miner))
            case Verb.FLASH:
                miner, image = self._site.miner(action.miner), self._image(action)
                said = await self._firmware_of(miner).flash(miner, image)
            case Verb.VERIFY_FIRMWARE:
                miner, image = self._site.miner(action.miner), self._image(action)
                said = await self._firmware_of(miner).verify(miner, image)
            case _:
                assert_never(action.verb)
        return Outcome(Result.OK, said, host=host)

    async def _find(self, miner: Miner) -> str:
        if self._finder is None:
            raise PolicyError(f"{miner.id}: expected a way to look for it at other addresses; there is none")
        return await self._finder.find(miner)

    async def _collect_logs(self, miner: Miner) -> Outcome:
        """Return the miner's logs as evidence."""
        logs = await self._firmware_of(miner).collect_logs(miner)
        return Outcome(Result.OK, f"{min(len(logs), LOG_CHARS)} of {len(logs)} characters kept", {LOGS: logs})

    def _firmware_of(self, miner: Miner) -> FirmwareControl:
        control = self._firmware.get(miner.family)
        if control is None:
            raise PolicyError(f"{miner.id}: no way into the firmware of {miner.family} is known; see to it by hand")
        return control

    def _image(self, action: Action) -> Image:
        """Return the image that the action names, as the configuration has it now."""
        image = None if action.image is None else self._site.image.get(action.image)
        if image is None:
            raise PolicyError(f"{action.miner}: expected an image of the configuration; add it under `images`")
        return image

    async def _tell(self, action: Action, tell: Errand, told: str) -> str:
        """Tell every target, in order; those that refuse or do not answer do not hold up the others.

        Raises what became of them where none took it: of one that may have taken it, if there is any.
        """
        room = asyncio.Semaphore(TOGETHER)
        tried = await asyncio.gather(*(self._tell_one(room, action, target, tell) for target in action.targets))
        failed = [(target, error) for target, error in zip(action.targets, tried, strict=True) if error is not None]
        if len(failed) == len(action.targets):
            raise next((error for _, error in failed if not isinstance(error, SURELY_NOT)), failed[0][1])
        reached = f"{len(action.targets) - len(failed)} of {len(action.targets)} {told}"
        named = "; ".join(f"{target}: {error}" for target, error in failed[:NAMED])
        more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        return f"{reached}; not {named}{more}" if failed else reached

    async def _tell_one(
        self, room: asyncio.Semaphore, action: Action, target: MinerId, tell: Errand
    ) -> AgentError | None:
        """Return what kept one miner from it; None where it took it."""
        async with room:
            try:
                async with asyncio.timeout(action.traits.timeout_s):
                    await tell(self._site.miner(target))
            except TimeoutError:
                return SilentError(f"no end within {action.traits.timeout_s:.0f} s")
            except AgentError as error:
                return error
        return None

    def _switch_pool(self, action: Action) -> Errand:
        async def switch(miner: Miner) -> None:
            pools = self._site.pools_of(miner)
            chosen = [pool for pool in pools if pool.id == action.pool]
            if not chosen or miner.pool_group is None:
                raise PolicyError(f"expected {action.pool} among the pools of {miner.id}; see its pool_group")
            order = [*chosen, *(pool for pool in pools if pool.id != action.pool)]
            worker = self._site.pool_group[miner.pool_group].worker_of(miner.id)
            await self._miners[miner.family].switch_pool(miner, order, worker)

        return switch

    def _derate(self, action: Action) -> Errand:
        share = action.share
        if share is None or not 0.0 < share <= 1.0:
            raise PolicyError(f"expected a share of the nominal power, above 0 and at most 1; got {share}")
        return lambda miner: self._miners[miner.family].derate(miner, share)

    async def _set(self, action: Action) -> None:
        """Have a cooling unit aim at something else."""
        driver = self._cooling.get(action.unit) if action.unit is not None else None
        if driver is None:
            raise PolicyError(f"expected cooling unit {action.unit} to be configured; add it under `cooling`")
        if action.was is None:
            raise PolicyError(f"{action.unit}: expected to be told what it aims at now; nothing was written")
        if action.verb is Verb.SET_SUPPLY and action.supply_c is not None:
            await driver.set_supply(action.supply_c, action.was)
        elif action.verb is Verb.SET_FLOW and action.flow_lpm is not None:
            await driver.set_flow(action.flow_lpm, action.was)
        else:
            raise PolicyError(f"{action.unit}: expected what {action.verb} is to set; nothing was written")

    async def _bounce(self, miner: Miner) -> None:
        driver = self._switches.get(miner.port.switch) if miner.port is not None else None
        if driver is None or miner.port is None:
            raise PolicyError(f"{miner.id}: expected a switch port that is configured; add it to the inventory")
        await driver.bounce(miner.port.number)

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
