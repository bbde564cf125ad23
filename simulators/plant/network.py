"""The network as a switch sees it: links, what is received from miners, VLANs, and which address is where."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network

from agent.model.errors import PolicyError
from agent.model.ids import MinerId, SwitchId
from agent.model.topology import Port, Site
from simulators.plant.clockwork import Clockwork
from simulators.plant.miner import MinerPlant
from simulators.plant.state import Board

LINK_S = 3.0
"""From "up" to a link: both ends agree on a speed. An estimate."""

FOREIGN_NETWORK = IPv4Network("10.255.254.0/24")
"""Where a DHCP server that has no business there would put a miner."""

USUAL_VLAN = 20
"""Where the miners are."""

AGEING_S = 300.0
"""A bridge forgets an address it has not heard for so long (IEEE 802.1D, the default)."""

FRAMES_PER_S = 2.0
"""Frames that a miner sends, and damaged ones in step with them: requests it repeats, mostly. An estimate."""


@dataclass(slots=True)
class _Trouble:
    """What is unusual about one port. Times are site seconds.

    Attributes:
        admin_up: whether it is wanted up. link_at: no link before this. hung: it passes nothing on.
        vlan: the VLAN of frames without a tag. loss: share of frames that are damaged, since `since`.
        errors: damaged frames counted before that. cut_at: since when nothing is passed on; None while it is.
    """

    admin_up: bool = True
    link_at: float = 0.0
    hung: bool = False
    vlan: int = USUAL_VLAN
    loss: float = 0.0
    since: float = 0.0
    errors: float = 0.0
    cut_at: float | None = None


_NONE = _Trouble()


class NetworkPlant:
    """All switch ports of a site.

    A port's link is up while its switch lives, nobody has taken it down, the board behind it has power and the cable is
    in. A hung board keeps its link and sends nothing; a hung port keeps its link, hears the miner and passes nothing
    on, until it is taken down and up.

    Attributes:
        unplugged: ports whose cable is out. dead: switches that are down.
        elsewhere: ports whose cable runs to another switch and another network than the inventory says: what befalls
            these does not reach them.
        admin_changes: every time that a port was set down or up: (site s, port, up).
    """

    def __init__(self, site: Site, miners: dict[MinerId, MinerPlant], clockwork: Clockwork) -> None:
        self.unplugged: set[Port] = set()
        self.dead: set[SwitchId] = set()
        self.elsewhere: set[Port] = set()
        self.admin_changes: list[tuple[float, Port, bool]] = []
        self._clock = clockwork
        self._behind = {m.port: miners[m.id] for m in site.miners if m.port is not None}
        self._fixed = site.hosts
        self._troubles: dict[Port, _Trouble] = {}
        self._lost: set[IPv4Network] = set()
        self._core_down = False

    # -- what a switch shows -----------------------------------------------------------------------------------------

    def lives(self, switch: SwitchId) -> bool:
        """Whether a switch is up."""
        return switch not in self.dead

    def answers(self, switch: SwitchId) -> bool:
        """Whether a switch is up, and anybody reaches it."""
        return self.lives(switch) and not self._core_down

    def port_up(self, port: Port) -> bool:
        """Whether the link is up now; a port with nothing behind it is down."""
        miner = self._behind.get(port)
        return miner is not None and miner.board is not Board.OFF and self._has_line(port)

    def admin_up(self, port: Port) -> bool:
        """Whether the port is wanted up."""
        return self._trouble(port).admin_up

    def in_octets(self, port: Port) -> int:
        """Return how many octets the port ever received from the miner behind it; 0 where there is none."""
        miner = self._behind.get(port)
        return 0 if miner is None else miner.octets_sent()

    def in_errors(self, port: Port) -> int:
        """Return how many damaged frames it ever received."""
        t = self._trouble(port)
        return int(t.errors + self._damaged(port, t))

    def pvid(self, port: Port) -> int:
        """Return the VLAN of frames without a tag."""
        return self._trouble(port).vlan

    def mac(self, port: Port) -> tuple[int, ...] | None:
        """Return the octets of the address of the miner behind a port; None where there is none, or none is known."""
        miner = self._behind.get(port)
        if miner is None or miner.spec.mac is None:
            return None
        return tuple(bytes.fromhex(miner.spec.mac.replace(":", "")))

    def heard(self, port: Port) -> bool:
        """Whether the bridge still knows the address behind the port."""
        miner = self._behind.get(port)
        if miner is None or miner.board is Board.OFF:
            return False
        cut_at = self._trouble(port).cut_at
        return cut_at is None or self._clock.now - cut_at < AGEING_S

    # -- what is done to it ------------------------------------------------------------------------------------------

    def set_admin(self, port: Port, up: bool) -> None:
        """Take a port down, which cures a hung one, or bring it up: at the time the plant was brought up to."""
        now = self._clock.now
        self.admin_changes.append((now, port, up))

        def switch(t: _Trouble) -> None:
            if up and not t.admin_up:
                t.link_at = now + LINK_S
            t.admin_up = up
            t.hung &= up

        self._change(port, now, switch)
        if up:
            self._clock.plan(now + LINK_S, lambda at: self._follow(port, at))

    def hang(self, port: Port, hung: bool, now: float) -> None:
        """Let a port pass nothing on any more, or mend it."""

        def jam(t: _Trouble) -> None:
            t.hung = hung

        self._change(port, now, jam)

    def plug(self, port: Port, plugged: bool, now: float) -> None:
        """Put the cable in, or pull or cut it."""
        self._clock.advance(now)
        (self.unplugged.discard if plugged else self.unplugged.add)(port)
        self._follow(port, now)

    def damage(self, port: Port, loss: float, now: float) -> None:
        """Let that share of the frames be damaged from now on; 0 is a sound cable."""
        self._clock.advance(now)

        def harm(t: _Trouble) -> None:
            t.errors += self._damaged(port, t)
            t.loss, t.since = loss, now

        self._change(port, now, harm)

    def set_vlan(self, port: Port, vlan: int, now: float) -> None:
        """Put a port into a VLAN."""

        def place(t: _Trouble) -> None:
            t.vlan = vlan

        self._change(port, now, place)

    def move(self, port: Port, now: float, *, within: bool) -> None:
        """Let the miner behind a port have another address: a free one of its own network, or one of quite another."""
        self._clock.advance(now)
        miner = self._behind[port]
        miner.lan.change(now, host=self._free_address(miner.spec.host, within=within))

    def move_back(self, port: Port, now: float) -> None:
        """Let the miner behind a port have the address again at which it is looked for."""
        self._clock.advance(now)
        lan = self._behind[port].lan
        lan.change(now, host=lan.known_at)

    def kill(self, switch: SwitchId, dead: bool, now: float) -> None:
        """Let a whole switch go down, or come back."""
        self._clock.advance(now)
        (self.dead.add if dead else self.dead.discard)(switch)
        for port in self._behind:
            if port.switch == switch:
                self._follow(port, now)

    def lose(self, network: IPv4Network, lost: bool, now: float) -> None:
        """Let nobody have an address of a network any more, or give them all theirs back."""
        self._clock.advance(now)
        (self._lost.add if lost else self._lost.discard)(network)
        for port, miner in self._behind.items():
            if _network_of(miner.lan.host) == network:
                self._follow(port, now)

    def cut_core(self, down: bool, now: float) -> None:
        """Let what connects the switches with each other and with everybody else go down, or come back."""
        self._clock.advance(now)
        self._core_down = down
        for port in self._behind:
            self._follow(port, now)

    def _free_address(self, host: str, *, within: bool) -> str:
        """Return the highest free address of its own network, else of another of the site's; or of quite another."""
        taken = self._fixed | {miner.lan.host for miner in self._behind.values()}
        own = (_network_of(host), *self._networks) if within else ()
        for network in (*dict.fromkeys(own), FOREIGN_NETWORK):
            free = (str(address) for address in reversed(list(network.hosts())) if str(address) not in taken)
            if (address := next(free, None)) is not None:
                return address
        raise PolicyError(f"{host}: expected a free address, found none on the site or off it; move fewer miners")

    @cached_property
    def _networks(self) -> tuple[IPv4Network, ...]:
        """The networks of the site's miners."""
        return tuple(dict.fromkeys(_network_of(miner.spec.host) for miner in self._behind.values()))

    # -- what follows ------------------------------------------------------------------------------------------------

    def _trouble(self, port: Port) -> _Trouble:
        return self._troubles.get(port, _NONE)

    def _change(self, port: Port, now: float, change: Callable[[_Trouble], None]) -> None:
        self._clock.advance(now)
        change(self._troubles.setdefault(port, _Trouble()))
        self._follow(port, now)

    def _has_line(self, port: Port) -> bool:
        t = self._trouble(port)
        lives = port in self.elsewhere or self.lives(port.switch)
        return lives and t.admin_up and self._clock.now >= t.link_at and port not in self.unplugged

    def _leads_on(self, port: Port, miner: MinerPlant) -> bool:
        """Whether beyond its switch there is anything."""
        return port in self.elsewhere or not (self._core_down or _network_of(miner.lan.host) in self._lost)

    def _damaged(self, port: Port, t: _Trouble) -> float:
        """Return how many frames came damaged since the cable last changed."""
        return (self._clock.now - t.since) * t.loss * FRAMES_PER_S if t.loss > 0.0 and self.port_up(port) else 0.0

    def _follow(self, port: Port, now: float) -> None:
        """Let the miner behind a port feel what the port has become."""
        miner = self._behind.get(port)
        if miner is None:
            return
        t = self._troubles.setdefault(port, _Trouble())
        passes = self._has_line(port) and not t.hung and t.vlan == USUAL_VLAN and self._leads_on(port, miner)
        t.cut_at = None if passes else now if t.cut_at is None else t.cut_at
        miner.lan.change(now, passes=passes, loss=t.loss)


def _network_of(host: str) -> IPv4Network:
    """Return the network that a miner's address is of; one whose address is a name is looked for anywhere."""
    try:
        return IPv4Network(f"{host}/24", strict=False)
    except ValueError:
        return FOREIGN_NETWORK
