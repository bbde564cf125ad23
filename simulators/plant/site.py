"""The whole simulated site: plant parts wired together after an inventory, one seed, one site time."""

import hashlib
import random

import numpy as np

from agent.model.ids import CoolingUnitId, MinerId
from agent.model.topology import Site
from simulators.plant.agent_host import AgentHostPlant
from simulators.plant.clockwork import Clockwork
from simulators.plant.cooling import CoolingPlant
from simulators.plant.curtailer import Curtailer
from simulators.plant.history import History, HistorySettings
from simulators.plant.image import ImageShelf
from simulators.plant.journal import Journal
from simulators.plant.miner import MinerPlant
from simulators.plant.network import NetworkPlant
from simulators.plant.pools import PoolsPlant
from simulators.plant.power import PowerPlant
from simulators.plant.unit import UnitPlant
from simulators.plant.weather import Weather


class SitePlant:
    """A site that has been running well for hours when the simulation begins.

    Site time is seconds of the event loop's clock; `start_s` is what that clock shows at the beginning (0 on a virtual
    loop). Everything random follows from `seed`, each part from a stream of its own.

    Attributes:
        site: the inventory. miners, power, network, pools, cooling: the parts. units: those that drive its loops.
        journal: what was done to the plant, and who was healthy when.
        clockwork: what the plant will do by itself.
        history: the surroundings: blocks, share difficulties, shifts. weather: over the site.
        images: what the site's firmware images really are. host: the machine the agent runs on.
        curtailer: who puts miners to sleep, and is not the agent.
        visits: where people are at work on miners, and since when, in UTC s.
    """

    def __init__(self, site: Site, *, seed: int, start_s: float = 0.0, history: HistorySettings | None = None) -> None:
        self.site = site
        self.seed = seed
        self.clockwork = Clockwork(start_s)
        self.journal = Journal()
        self.history = History(history or HistorySettings(), seed=seed, start_s=start_s)
        self.images = ImageShelf(site.images)
        self.host = AgentHostPlant()
        self.weather = Weather(self.history.settings.climate, seed=seed)
        self.cooling = CoolingPlant(site, self.clockwork, self.weather)
        self.units: dict[CoolingUnitId, UnitPlant] = {
            spec.id: UnitPlant(spec, self.cooling.loops[spec.loop], self.weather)
            for spec in site.cooling_units
            if spec.loop in self.cooling.loops
        }
        self.pools = PoolsPlant(site, self.clockwork)
        self.miners: dict[MinerId, MinerPlant] = {
            spec.id: MinerPlant(
                spec,
                clockwork=self.clockwork,
                journal=self.journal,
                history=self.history,
                pools=self.pools,
                coolant=self.cooling.of(spec),
                rng=self.rng(f"miner/{spec.id}"),
                nonce_rng=self.generator(f"nonces/{spec.id}"),
                share_rng=self.generator(f"shares/{spec.id}"),
            )
            for spec in site.miners
        }
        self.cooling.start()
        self.power = PowerPlant(site, self.miners, self.clockwork, self.journal)
        self.curtailer = Curtailer(self.miners, self.clockwork)
        self.network = NetworkPlant(site, self.miners, self.clockwork)
        self.visits: dict[str, float] = {}

    @property
    def now(self) -> float:
        """Site time in s that the plant has been brought up to."""
        return self.clockwork.now

    def rng(self, name: str) -> random.Random:
        """Return a random stream of its own for `name`; the same name and seed give the same stream."""
        return random.Random(self._key(name))  # noqa: S311 -- a simulation wants repeatable chance

    def generator(self, name: str) -> np.random.Generator:
        """Return a stream as `rng` does, for many draws at once."""
        return np.random.Generator(np.random.PCG64(self._key(name)))

    def _key(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:8])

    def advance(self, now: float) -> None:
        """Bring everything up to site time `now`; a time in the past changes nothing."""
        self.clockwork.advance(now)
