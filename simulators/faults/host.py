"""Faults of the agent's own machine: no miner has anything, and nothing on the site is to be mended."""

from collections.abc import Callable

from agent.model.incident import Category, Reason
from agent.model.topology import Site
from simulators.faults.kind import FaultKind, Knob, On, Values, number
from simulators.plant.agent_host import AgentHostPlant
from simulators.plant.site import SitePlant


def _host_fault(
    name: str,
    *,
    cause: Reason,
    begin: Callable[[AgentHostPlant, Values], None],
    end: Callable[[AgentHostPlant], None],
    does: str,
    signature: str,
    **knobs: Knob,
) -> FaultKind:
    def start(plant: SitePlant, _target: str, _now: float, values: Values) -> None:
        begin(plant.host, values)

    def stop(plant: SitePlant, _target: str, _now: float) -> None:
        end(plant.host)

    def nobody(_site: Site, _target: str, _values: Values) -> tuple[()]:
        return ()

    return FaultKind(
        name=f"host.{name}",
        category=Category.OTHER,
        counts=True,
        remedy=None,
        causes=frozenset({cause}),
        does=does,
        signature=signature,
        on=frozenset({On.HOST}),
        start=start,
        stop=stop,
        knobs=knobs,
        hits=nobody,
    )


def _link(host: AgentHostPlant, linked: bool) -> None:
    host.linked = linked


def _route(host: AgentHostPlant, routed: bool) -> None:
    host.routed = routed


def _names(host: AgentHostPlant, named: bool) -> None:
    host.named = named


def _set_clock(host: AgentHostPlant, ahead_s: float) -> None:
    host.wall_ahead_s = ahead_s


def _slow_disk(host: AgentHostPlant, commit_s: float) -> None:
    host.disk_s = commit_s


def _lag(host: AgentHostPlant, lag_s: float, every_s: float) -> None:
    host.lag_s, host.lag_every_s = lag_s, every_s


def _kill(plant: SitePlant, _target: str, _now: float, values: Values) -> None:
    plant.host.kill_agent(number(values, "down_s"))


def _leave(_plant: SitePlant, _target: str, _now: float) -> None:
    """Do nothing: a process that was started again has nothing to be mended."""


HOST_FAULTS = (
    FaultKind(
        name="host.agent_killed",
        category=Category.OTHER,
        counts=False,
        remedy=None,
        causes=frozenset(),
        does="The agent's process dies where it stands, and is started again after a while.",
        signature="Nothing on the site; the ledger has a start without a stop before it.",
        on=frozenset({On.HOST}),
        start=_kill,
        stop=_leave,
        knobs={"down_s": Knob(15.0, "until it is started again, in s", span=(0.0, 86_400.0))},
        hits=lambda _site, _target, _values: (),
    ),
    _host_fault(
        "link_lost",
        cause=Reason.OWN_NETWORK,
        begin=lambda host, _: _link(host, False),
        end=lambda host: _link(host, True),
        does="The cable of the agent's own machine is out: it hears nobody, and nobody hears it.",
        signature="Every device falls silent in the same moment, and so does the router; the interface has no link.",
    ),
    _host_fault(
        "router_lost",
        cause=Reason.OWN_NETWORK,
        begin=lambda host, _: _route(host, False),
        end=lambda host: _route(host, True),
        does="The router between the agent and the world is gone; the devices are on its own side and go on.",
        signature="The router is silent, pools and nameservers too, seen from here; miners answer, and hash.",
    ),
    _host_fault(
        "dns_lost",
        cause=Reason.OWN_DNS,
        begin=lambda host, _: _names(host, False),
        end=lambda host: _names(host, True),
        does="The agent's nameservers do not answer it any more; the miners use others.",
        signature="No name leads anywhere, seen from here; everything else is well.",
    ),
    _host_fault(
        "clock_stepped",
        cause=Reason.OWN_CLOCK,
        begin=lambda host, values: _set_clock(host, number(values, "by_s")),
        end=lambda host: _set_clock(host, 0.0),
        does="The clock of the agent's machine is set, forwards or backwards.",
        signature="The wall clock stands elsewhere than the steady one has it; nothing else happens.",
        by_s=Knob(3600.0, "how far, in s; below 0 is backwards", span=(-864_000.0, 864_000.0)),
    ),
    _host_fault(
        "disk_slow",
        cause=Reason.OWN_LEDGER,
        begin=lambda host, values: _slow_disk(host, number(values, "commit_s")),
        end=lambda host: _slow_disk(host, 0.0),
        does="The disk of the agent's machine takes seconds for a write.",
        signature="Commits of the ledger take seconds, each of them.",
        commit_s=Knob(5.0, "what a commit takes, in s", span=(0.1, 60.0)),
    ),
    _host_fault(
        "overloaded",
        cause=Reason.OWN_LAG,
        begin=lambda host, values: _lag(host, number(values, "lag_s"), number(values, "every_s")),
        end=lambda host: _lag(host, 0.0, 5.0),
        does="Something else keeps the agent's machine busy: the agent does nothing for seconds, again and again.",
        signature="The agent wakes up late, by seconds.",
        lag_s=Knob(3.0, "for how long each time, in s", span=(0.1, 4.0)),
        every_s=Knob(5.0, "from the end of one to the next, in s", span=(1.0, 60.0)),
    ),
)
