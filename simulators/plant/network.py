"""The network as a switch sees it: link states and octets received from miners."""

from agent.model.ids import MinerId
from agent.model.topology import Port, Site
from simulators.plant.miner import MinerPlant
from simulators.plant.state import Board


class NetworkPlant:
    """All switch ports of a site.

    A port's link is up while the board behind it has power and the cable is in; a hung board keeps its link and sends
    nothing.

    Attributes:
        unplugged: ports whose cable is out.
    """

    def __init__(self, site: Site, miners: dict[MinerId, MinerPlant]) -> None:
        self.unplugged: set[Port] = set()
        self._behind = {m.port: miners[m.id] for m in site.miners if m.port is not None}

    def port_up(self, port: Port) -> bool:
        """Whether the link is up now; a port with nothing behind it is down."""
        miner = self._behind.get(port)
        return miner is not None and port not in self.unplugged and miner.board is not Board.OFF

    def in_octets(self, port: Port) -> int:
        """Return how many octets the port ever received from the miner behind it; 0 where there is none."""
        miner = self._behind.get(port)
        return 0 if miner is None else miner.octets_sent()
