"""A simulated site without devices: the plant, its truth, what writes the agent's columns, and what acts on it."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping

from agent.model.ids import CoolingUnitId, MinerId, PduId, SwitchId
from agent.model.site_view import SiteView
from agent.model.topology import Family, Site
from simulators.fast_forward.cooling import CoolingReads, PlantCooling
from simulators.fast_forward.drivers import PlantFinder, PlantMiners, PlantPdu, PlantSwitch
from simulators.fast_forward.firmware import PlantFirmware
from simulators.fast_forward.itself import OwnGauges
from simulators.fast_forward.polls import MinerPolls, Phase
from simulators.fast_forward.pools import PoolProbes
from simulators.fast_forward.sleepers import SleepQuestions
from simulators.fast_forward.surroundings import Surroundings
from simulators.plant.history import HistorySettings
from simulators.plant.site import SitePlant
from simulators.truth import Truth

COOLING_S = 10.0
"""How often coolant units are read where nobody says."""

SETTLE_S = 0.05
"""Every tick comes so long after the columns were written."""


class ColumnFeed:
    """Keeps a view current from the plant, at the pace of the agent's ticks.

    Args:
        epoch_s: UTC s of site time 0.
        step_s: distance of two ticks; what fell due since the last one is written just before the next.
        phase: each device's place within a period, 0 ≤ phase < 1, by its name.
    """

    def __init__(
        self,
        view: SiteView,
        plant: SitePlant,
        *,
        epoch_s: float,
        step_s: float,
        poll_s: float,
        deadline_s: float,
        pdu_s: float,
        switch_s: float,
        focus_s: float,
        phase: Phase,
        cooling_s: float = COOLING_S,
    ) -> None:
        self._site = view.site
        self._plant = plant
        self._step_s = step_s
        self._miners = MinerPolls(view, plant, epoch_s=epoch_s, period_s=poll_s, deadline_s=deadline_s, phase=phase)
        self._rest = Surroundings(
            view,
            plant,
            self._miners,
            epoch_s=epoch_s,
            pdu_s=pdu_s,
            switch_s=switch_s,
            focus_s=focus_s,
            first_within_s=poll_s,
            phase=phase,
        )
        names = [m.id for m in view.site.miners] + [p.id for p in view.site.pdus] + [s.id for s in view.site.switches]
        self._first_round_s = max(map(phase, names), default=0.0) * poll_s
        self._itself = OwnGauges(view, plant, epoch_s=epoch_s, period_s=poll_s)
        self._sleepers = SleepQuestions(view, plant, epoch_s=epoch_s)
        self._pools = PoolProbes(view, plant, epoch_s=epoch_s)
        self._in_focus: list[MinerId] = []
        self._waiting: asyncio.Future[None] | None = None
        self._miners.on_earlier = self._wake
        self._cooling = CoolingReads(
            view,
            plant,
            epoch_s=epoch_s,
            period_s=cooling_s,
            focus_s=focus_s,
            first_s={unit.id: plant.now + phase(unit.id) * poll_s for unit in view.site.cooling_units},
        )
        self._feeding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write."""
        self._feeding = asyncio.create_task(self._feed(), name="column feed")

    async def stop(self) -> None:
        """Write nothing any more."""
        feeding, self._feeding = self._feeding, None
        if feeding is not None:
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feeding

    async def first_full_poll(self) -> None:
        """Return a little after everybody was polled once."""
        await asyncio.sleep(self._first_round_s + SETTLE_S)

    def focus(self, miners: Collection[MinerId]) -> None:
        """Watch these miners, their PDUs and their switches, and no others, closely."""
        if miners == self._in_focus:
            return
        self._in_focus = list(miners)
        rows = [self._site.rows[miner] for miner in miners if miner in self._site.rows]
        members = [self._site.miners[row] for row in rows]
        self._miners.focus(rows)
        self._rest.focus(
            {outlet.pdu for miner in members for outlet in miner.outlets},
            {miner.port.switch for miner in members if miner.port is not None},
            self._plant.now,
        )
        units = {unit.id for m in members if (unit := self._site.unit_of_loop.get(m.loop or "")) is not None}
        self._cooling.focus(units, self._plant.now)
        self._pools.focus({pool.id for miner in members for pool in self._site.pools_of(miner)}, self._plant.now)

    def rehost(self, miner: MinerId, host: str) -> None:
        """Poll a miner at another address from now on."""
        self._miners.rehost(self._site.rows[miner], host)

    @property
    def is_running(self) -> bool:
        """Whether columns are being written."""
        return self._feeding is not None and not self._feeding.done()

    async def _feed(self) -> None:
        """Write singly what is due singly, and at the end of each step all the rest."""
        loop = asyncio.get_running_loop()
        begun_s, step = loop.time() + self._first_round_s, 0
        while True:
            step_at = begun_s + step * self._step_s
            await self._wait_until(step_at)
            now = loop.time()
            self._plant.advance(now)
            self._itself.write(now)
            self._miners.poll_singles(now)
            if now >= step_at:
                self._miners.poll(now)
                self._rest.hurry(self._miners.newly_silent(), now)
                self._rest.read(now)
                self._cooling.read(now)
                self._pools.look(now)
                self._sleepers.look(now)
                step += 1

    async def _wait_until(self, step_at: float) -> None:
        """Return at the next step, or when a single row is due, which may be sooner than it was when the wait began."""
        loop = asyncio.get_running_loop()
        while (left_s := min(step_at, self._miners.next_single_s) - loop.time()) > 0:
            self._waiting = loop.create_future()
            timer = loop.call_later(left_s, self._wake)
            try:
                await self._waiting
            finally:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class FastForwardSite:
    """An inventory's plant in fast-forward.

    Attributes:
        plant, truth: the simulated world and what is wrong with it.
        miners, firmware, pdus, switches, cooling, finder: what the agent acts through.
        addresses: where the agent has found miners that are not where the inventory says.
    """

    def __init__(self, site: Site, *, seed: int, history: HistorySettings | None = None) -> None:
        self.plant = SitePlant(
            site, seed=seed, start_s=asyncio.get_running_loop().time(), history=history or HistorySettings()
        )
        self.truth = Truth(self.plant)
        control = PlantMiners(self.plant)
        self.addresses = control.addresses
        self.finder = PlantFinder(self.plant)
        self.miners: Mapping[Family, PlantMiners] = dict.fromkeys(Family, control)
        self.firmware: Mapping[Family, PlantFirmware] = dict.fromkeys(Family, PlantFirmware(self.plant, control))
        self.pdus: Mapping[PduId, PlantPdu] = {pdu.id: PlantPdu(self.plant, pdu.id) for pdu in site.pdus}
        self.cooling: Mapping[CoolingUnitId, PlantCooling] = {
            name: PlantCooling(self.plant, unit) for name, unit in self.plant.units.items()
        }
        self.switches: Mapping[SwitchId, PlantSwitch] = {s.id: PlantSwitch(self.plant, s.id) for s in site.switches}
