"""The machine that the agent runs on, as far as it can be out of order: network, nameservers, clock, disk, haste.

It is no part of the site: nothing that befalls it reaches a miner, only what the agent sees and can do.
"""

from collections.abc import Callable

from agent.model.errors import PolicyError


class AgentHostPlant:
    """The machine.

    Attributes:
        linked: its interface has a link; without one nobody hears it, and it hears nobody.
        routed: its router answers. Devices are on its own side of that one.
        named: its nameservers answer.
        wall_ahead_s: by how much its wall clock is ahead of the site's time.
        disk_s: what its disk takes for a commit.
        lag_s, lag_every_s: for so long it is busy with something else, and how often that comes.
        on_kill: whoever looks after the agent's process; called when it dies, with how long it takes to be started
            again, in s.
    """

    def __init__(self) -> None:
        self.linked = self.routed = self.named = True
        self.wall_ahead_s = 0.0
        self.disk_s = 0.0
        self.lag_s = 0.0
        self.lag_every_s = 5.0
        self.on_kill: Callable[[float], None] | None = None

    def kill_agent(self, down_s: float) -> None:
        """Have the agent's process die where it stands. Raises PolicyError where nobody would start it again."""
        if self.on_kill is None:
            raise PolicyError(
                "expected an agent that is started again, as in a scenario; end this one's process by hand"
            )
        self.on_kill(down_s)

    @property
    def reaches_names(self) -> bool:
        """Whether it gets an answer to a name."""
        return self.linked and self.routed and self.named

    @property
    def reaches_pools(self) -> bool:
        """Whether it gets out of the site."""
        return self.linked and self.routed
