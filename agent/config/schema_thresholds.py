"""The shape of the detectors' thresholds in a configuration file. Their defaults come from the detectors."""

from pydantic import BaseModel, ConfigDict, Field

from agent.config.fields import Host, Number, Whole
from agent.detect.degraded import DegradedThresholds
from agent.detect.firmware import FirmwareThresholds
from agent.detect.foreign_pool import ForeignPoolThresholds
from agent.detect.hardware import HardwareThresholds
from agent.detect.heat import HeatThresholds
from agent.detect.hiccup import HiccupThresholds
from agent.detect.itself import SelfThresholds
from agent.detect.loop_thresholds import LoopThresholds
from agent.detect.pool import PoolThresholds
from agent.detect.rejects import RejectThresholds
from agent.detect.stuck import StuckThresholds
from agent.detect.unsteady_pool import UnsteadyPoolThresholds

_STUCK = StuckThresholds()
_POOL = PoolThresholds()
_UNSTEADY = UnsteadyPoolThresholds()
_REJECTS = RejectThresholds()
_FOREIGN = ForeignPoolThresholds()
_FIRMWARE = FirmwareThresholds()

DAY_S = 86_400.0
_HARDWARE = HardwareThresholds()
_DEGRADED = DegradedThresholds()
_HICCUP = HiccupThresholds()
_HEAT = HeatThresholds()
_LOOP = LoopThresholds()
_SELF = SelfThresholds()


class Section(BaseModel):
    """One mapping of the file; a key it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class StuckSection(Section):
    """When a miner counts as stuck, and when it counts as well again."""

    misses: Whole = Field(default=_STUCK.misses, ge=2, le=1000)
    """Polls in a row without telemetry before a miner counts as unresponsive."""
    not_hashing_ratio: Number = Field(default=_STUCK.not_hashing_ratio, ge=0.01, le=0.9)
    """Share of the expected hashrate below which a miner may be not hashing, 0.1 for 10 %."""
    not_hashing_s: Number = Field(default=_STUCK.not_hashing_s, ge=10, le=3600)
    """Seconds of hardly any hashrate and no share before a miner counts as not hashing."""
    share_gap: Number = Field(default=_STUCK.share_gap, ge=5, le=1000)
    """Expected share intervals without a share after which a rate that looks alive is not believed."""
    clear_polls: Whole = Field(default=_STUCK.clear_polls, ge=1, le=1000)
    """Answered polls in a row before an unresponsive miner counts as answering."""
    clear_ratio: Number = Field(default=_STUCK.clear_ratio, ge=0.1, le=1)
    """Share of the expected work done over the clear window that proves recovery, 0.95 for 95 %."""
    clear_window_s: Number = Field(default=_STUCK.clear_window_s, ge=30, le=3600)
    """Seconds over which recovery is proven."""


class PoolLossSection(Section):
    """When a miner counts as having lost its pool, and when it has one again."""

    dead_s: Number = Field(default=_POOL.dead_s, ge=5, le=600)
    """Seconds for which a miner says that its pool is not alive before the pool counts as lost."""
    share_gap: Number = Field(default=_POOL.share_gap, ge=5, le=1000)
    """Expected shares whose work was done without one coming back after which the pool counts as lost."""
    gap_floor_s: Number = Field(default=_POOL.gap_floor_s, ge=10, le=3600)
    """Least seconds without a share for that."""
    hashing_ratio: Number = Field(default=_POOL.hashing_ratio, ge=0.5, le=1)
    """Share of the expected hashrate from which work counts for that, 0.9 for 90 %."""
    change_s: Number = Field(default=_POOL.change_s, ge=0, le=600)
    """Seconds after a change of pools in which none counts as lost."""
    clear_shares: Whole = Field(default=_POOL.clear_shares, ge=1, le=1000)
    """Accepted shares before a pool can count as working again."""
    clear_share_s: Number = Field(default=_POOL.clear_share_s, ge=5, le=3600)
    """Most seconds since the last accepted share while that is proven."""
    clear_gap: Number = Field(default=_POOL.clear_gap, ge=1, le=100)
    """Most expected share intervals since then, where those are longer."""
    clear_window_s: Number = Field(default=_POOL.clear_window_s, ge=30, le=3600)
    """Seconds over which it is proven."""


class UnsteadyPoolSection(Section):
    """When a pool counts as dropping all its miners together, again and again."""

    together: Whole = Field(default=_UNSTEADY.together, ge=2, le=1000)
    """Miners of one pool that lose their connection in the same moment for that to count as a drop."""
    share: Number = Field(default=_UNSTEADY.share, ge=0.1, le=1)
    """Share of the pool's miners for that, 0.5 for 50 %."""
    drops: Whole = Field(default=_UNSTEADY.drops, ge=3, le=20)
    """Drops in a row at the same distance that are a time-out."""
    leaves: Whole = Field(default=_UNSTEADY.leaves, ge=2, le=20)
    """Drops in a row after which the miners left for another pool, while the gateway finds the pool good."""
    tolerance: Number = Field(default=_UNSTEADY.tolerance, ge=0.01, le=0.2)
    """Part of the period by which distances may differ, 0.05 for 5 %."""
    least_s: Number = Field(default=_UNSTEADY.least_s, ge=10, le=600)
    """Least seconds from one drop to the next."""
    longest_s: Number = Field(default=_UNSTEADY.longest_s, ge=60, le=900)
    """Most seconds from one drop to the next."""
    clear_share: Number = Field(default=_UNSTEADY.clear_share, ge=0.1, le=2)
    """Over when no drop has come for that part of the period beyond it ..."""
    clear_window_s: Number = Field(default=_UNSTEADY.clear_window_s, ge=30, le=3600)
    """... and for so many seconds from then on."""


class RejectsSection(Section):
    """When too many of a miner's shares are refused. Shares of shares: 0.01 for 1 %."""

    decision: Number = Field(default=_REJECTS.decision, ge=8, le=60)
    """Decision interval of the statistics: about e to the power of so many shares between two false alarms."""
    rejected_healthy: Number = Field(default=_REJECTS.rejected_healthy, ge=0.001, le=0.02)
    """Rejected shares: what is still well."""
    rejected_bad: Number = Field(default=_REJECTS.rejected_bad, ge=0.03, le=0.5)
    """Rejected shares: what is to be found."""
    stale_healthy: Number = Field(default=_REJECTS.stale_healthy, ge=0.001, le=0.03)
    """Stale shares: what is still well."""
    stale_bad: Number = Field(default=_REJECTS.stale_bad, ge=0.05, le=0.5)
    """Stale shares: what is to be found."""
    lasting_healthy: Number = Field(default=_REJECTS.lasting_healthy, ge=0.001, le=0.012)
    """Rejected and stale shares over hours: what is still well."""
    lasting_bad: Number = Field(default=_REJECTS.lasting_bad, ge=0.015, le=0.2)
    """Rejected and stale shares over hours: what is to be found."""
    min_shares: Whole = Field(default=_REJECTS.min_shares, ge=10, le=10_000)
    """Fewest shares that an alarm rests on."""
    clear_ratio: Number = Field(default=_REJECTS.clear_ratio, ge=0.001, le=0.1)
    """Share of rejected and stale shares below which a miner is well again."""
    clear_shares: Whole = Field(default=_REJECTS.clear_shares, ge=50, le=10_000)
    """Fewest shares over which that is proven."""
    endpoint_share: Number = Field(default=_REJECTS.endpoint_share, ge=0.05, le=1)
    """Share of a pool's miners half-way to an alarm from which the pool is at fault, 0.25 for 25 %."""


class ForeignPoolSection(Section):
    """When a miner works for somebody else: a pool that is not listed here, or under another name."""

    polls: Whole = Field(default=_FOREIGN.polls, ge=1, le=1000)
    """Answers in a row that name a foreign pool or worker before it counts."""
    clear_polls: Whole = Field(default=_FOREIGN.clear_polls, ge=1, le=1000)
    """Answers in a row that name a listed pool and the right worker before it is over."""


class FirmwareSection(Section):
    """When a miner's firmware counts as crashing, and when it is over."""

    restarts: Whole = Field(default=_FIRMWARE.restarts, ge=2, le=20)
    """Restarts that nobody ordered ..."""
    window_s: Number = Field(default=_FIRMWARE.window_s, ge=300, le=DAY_S)
    """... within so many seconds before they count as a boot loop."""
    together: Whole = Field(default=_FIRMWARE.together, ge=2, le=1000)
    """Miners of one PDU that start anew ..."""
    together_s: Number = Field(default=_FIRMWARE.together_s, ge=10, le=600)
    """... within so many seconds had no power, or were told to: that does not count."""
    code_s: Number = Field(default=_FIRMWARE.code_s, ge=10, le=3600)
    """Seconds for which a miner tells a crash code and falls short of its hashrate before it counts as crashed."""
    held_s: Number = Field(default=_FIRMWARE.held_s, ge=60, le=3600)
    """Seconds after the agent's own restart after which an API that is still down counts as crashed."""
    clear_ratio: Number = Field(default=_FIRMWARE.clear_ratio, ge=0.1, le=1)
    """Share of the expected work from which a miner is well, 0.95 for 95 % ..."""
    clear_s: Number = Field(default=_FIRMWARE.clear_s, ge=300, le=DAY_S)
    """... once its process has lived for so many seconds."""


class HeatSection(Section):
    """When a miner counts as hot. Its limits are its model's."""

    near_k: Number = Field(default=_HEAT.near_k, ge=1, le=20)
    """K below its limit, or below where its firmware begins to slow it down, from which a miner may be throttled."""
    slow_ratio: Number = Field(default=_HEAT.slow_ratio, ge=0.5, le=0.99)
    """Share of its work from which on downwards it is ..."""
    throttled_s: Number = Field(default=_HEAT.throttled_s, ge=30, le=3600)
    """... for so many seconds."""
    over_s: Number = Field(default=_HEAT.over_s, ge=5, le=600)
    """Seconds at its limit after which it is hot whatever it does."""
    cut_out_s: Number = Field(default=_HEAT.cut_out_s, ge=10, le=600)
    """Seconds without hashes, near its limit or with a code that says so, after which it has cut out."""
    clear_ratio: Number = Field(default=_HEAT.clear_ratio, ge=0.5, le=0.99)
    """Share of its work from which a cool miner is well ..."""
    clear_s: Number = Field(default=_HEAT.clear_s, ge=60, le=720)
    """... for so many seconds."""
    resistance: Number = Field(default=_HEAT.resistance, ge=1.02, le=3)
    """Thermal resistance over its own past, 1.15 for 15 % more, from which a miner's heat is its own doing ..."""
    mads: Number = Field(default=_HEAT.mads, ge=1, le=20)
    """... when it is so many median absolute deviations above its neighbours'."""


class LoopSection(Section):
    """When a coolant loop counts as hot, and when as not cooled any more. Its base and flow are its cooling unit's."""

    supply_k: Number = Field(default=_LOOP.supply_k, ge=0.5, le=15)
    """K by which the supply is above its base for the loop to be hot ..."""
    supply_s: Number = Field(default=_LOOP.supply_s, ge=30, le=3600)
    """... for so many seconds."""
    flow_share: Number = Field(default=_LOOP.flow_share, ge=0.5, le=0.99)
    """Share of the design flow below which it is ..."""
    flow_s: Number = Field(default=_LOOP.flow_s, ge=10, le=3600)
    """... for so many seconds."""
    hot_share: Number = Field(default=_LOOP.hot_share, ge=0.02, le=1)
    """Share of its miners that are hot, and not by themselves, from which the loop is."""
    runaway_k: Number = Field(default=_LOOP.runaway_k, ge=2, le=20)
    """K above its base from which a supply that rises read after read runs away ..."""
    runaway_k_per_min: Number = Field(default=_LOOP.runaway_k_per_min, ge=0.2, le=10)
    """... by so many K a minute, or more."""
    clear_s: Number = Field(default=_LOOP.clear_s, ge=60, le=720)
    """Seconds for which all of it is well before it is over."""
    silent_s: Number = Field(default=_LOOP.silent_s, ge=60, le=7200)
    """Seconds without an answer of a cooling unit before a person is told."""
    lie_k: Number = Field(default=_LOOP.lie_k, ge=2, le=20)
    """K by which what a unit tells of its supply contradicts what its miners show ..."""
    lie_s: Number = Field(default=_LOOP.lie_s, ge=60, le=3600)
    """... for so many seconds before a person is told that its sensor lies."""


class HardwareSection(Section):
    """When a hashboard or a fan counts as lost."""

    board_s: Number = Field(default=_HARDWARE.board_s, ge=30, le=3600)
    """Seconds in which no chip of a board answered before it counts as lost."""
    fan_s: Number = Field(default=_HARDWARE.fan_s, ge=15, le=3600)
    """Seconds in which a fan stood still before it counts as lost."""
    clear_ratio: Number = Field(default=_HARDWARE.clear_ratio, ge=0.1, le=0.99)
    """Share of the expected work that must be done before it is over."""
    clear_window_s: Number = Field(default=_HARDWARE.clear_window_s, ge=60, le=360)
    """Seconds over which that work is counted."""


class DegradedSection(Section):
    """When a miner counts as degraded: it hashes, steadily below what it aims at."""

    ratio: Number = Field(default=_DEGRADED.ratio, ge=0.5, le=0.99)
    """Share of the expected work below which a window of time is low."""
    window_s: Number = Field(default=_DEGRADED.window_s, ge=60, le=3600)
    """Length of a window in seconds."""
    windows: Whole = Field(default=_DEGRADED.windows, ge=1, le=50)
    """Low windows in a row before it counts."""
    clear_ratio: Number = Field(default=_DEGRADED.clear_ratio, ge=0.5, le=1.0)
    """Share of the expected work from which a window is good."""
    clear_windows: Whole = Field(default=_DEGRADED.clear_windows, ge=1, le=50)
    """Good windows in a row before it is over."""


class HiccupSection(Section):
    """When a power supply counts as cutting out: a miner at work is gone for moments, again and again."""

    times: Whole = Field(default=_HICCUP.times, ge=1, le=16)
    """How often within 24 hours before it counts."""
    uptime_s: Number = Field(default=_HICCUP.uptime_s, ge=0, le=86_400)
    """Seconds that a miner must have been up: one that was not starts again for another reason."""
    clear_s: Number = Field(default=_HICCUP.clear_s, ge=600, le=86_400)
    """Seconds without another one before it is over."""


class SelfSection(Section):
    """When the agent suspects itself, and holds everything but safety."""

    gateways: list[Host] = Field(default=[], max_length=8)
    """Routers of which one must answer; by default the one of this machine's default route."""
    dns_name: Host | None = None
    """The name that this machine's nameservers must answer for, at all; by default that of the first pool with one."""
    ledger_s: Number = Field(default=_SELF.ledger_s, ge=0.1, le=60)
    """Seconds that a commit of the ledger takes from which on its disk is too slow."""
    loop_lag_s: Number = Field(default=_SELF.loop_lag_s, ge=0.2, le=60)
    """Seconds by which the agent is late from which on its machine is overloaded."""
    clock_step_s: Number = Field(default=_SELF.clock_step_s, ge=1, le=DAY_S)
    """Seconds by which the wall clock jumps that count as a step."""
