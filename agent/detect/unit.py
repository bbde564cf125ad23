"""Cooling units that are out of order themselves: one that is silent, that leaks, or whose sensors lie.

It judges devices and no miner: these may all be well. That somebody has to look at the device is an incident of its
own (docs/decisions/0029-units-that-are-out-of-order.md).
"""

from dataclasses import dataclass, replace

import numpy as np

from agent.detect.heat import HeatWatch
from agent.detect.loop_thresholds import LoopThresholds
from agent.detect.seen import rounded, said
from agent.detect.witness import Witness
from agent.model.columns import Bools, Floats
from agent.model.incident import OF_DEVICES, Category, Evidence, Health, Reason
from agent.model.loops import FRESH_S
from agent.model.site_view import SiteView
from agent.model.verdicts import Ailing, Verdicts

MISSED_TURNS = 3.0
"""A unit that is read seldom is silent when it has missed so many of its turns."""

HEARD_S = 60.0
"""It is back when it has answered for so long: six of its turns."""

LEAK_READS = 2
"""A leak is believed when it is told in so many reads in a row."""

SILENT_SHARE = 0.5
"""Where so many of its miners are silent as well, what is silent is no unit."""

CAUSES = tuple(sorted(OF_DEVICES))


@dataclass(slots=True)
class _Unit:
    """What one unit has shown. Times are UTC s, NaN for not; `since` and `clear_since` by cause."""

    since: dict[Reason, float]
    clear_since: dict[Reason, float]
    leaks: int = 0
    off_since: float = np.nan


class UnitDetector:
    """Judges every cooling unit; keeps what hysteresis needs.

    Args:
        witness: what the miners say; it looks here, before the loops are judged.
        every_s: how often a unit is read.
    """

    category = Category.OTHER

    def __init__(
        self,
        rows: int,
        heat: HeatWatch,
        witness: Witness,
        thresholds: LoopThresholds | None = None,
        *,
        every_s: float = 10.0,
    ) -> None:
        self._heat = heat
        self._witness = witness
        self._t = thresholds or LoopThresholds()
        self._silent_s = max(self._t.silent_s, MISSED_TURNS * every_s)
        self._units: list[_Unit] = []
        self._began = np.nan
        self._read_at: Floats = np.zeros(0)
        self._restored: list[tuple[int, float, Reason]] = []
        self._well = Verdicts(
            self.category,
            np.full(rows, Health.HEALTHY, dtype=np.int8),
            np.full(rows, np.nan),
            np.full(rows, np.nan),
            _Nothing(),
        )
        self._restless = False

    def judge(self, view: SiteView, now: float) -> Verdicts:
        """Return this tick's verdict: every row is healthy; `now` is UTC s."""
        units = len(view.site.cooling_units)
        if not units:
            return self._well
        if len(self._units) != units:
            self._units = [_Unit({}, {}) for _ in range(units)]
            self._read_at, self._began = np.full(units, np.nan), now
        self._take_up(view)
        looked = self._witness.look(view, now)
        self._heat.look(view, now)
        self._witness.flow.look(view, now)
        read_anew = (view.cooling.read_at != self._read_at) & ~np.isnan(view.cooling.read_at)
        self._read_at = view.cooling.read_at.copy()
        mute = now - np.fmax(view.cooling.read_at, self._began) >= self._silent_s
        off = np.abs(self._witness.off_k) >= self._t.lie_k
        quiet = not (self._restless or mute.any() or off.any() or self._witness.flow.lies.any())
        if quiet and not (view.cooling.leak.value == 1.0).any():
            return self._well
        for unit in np.unique(view.cooling.unit_of[view.cooling.unit_of >= 0]).tolist():
            self._hear(view, unit, now, mute=bool(mute[unit]))
            if read_anew[unit]:
                self._see_leak(view, unit, now)
            if looked:
                self._compare(unit, now)
            self._doubt_flow(view, unit, now)
        self._restless = any(unit.since or unit.leaks or not np.isnan(unit.off_since) for unit in self._units)
        return replace(self._well, devices=tuple(self._ailing(view, *of, now) for of in self._ill()))

    def restore(self, row: int, since: float, reason: Reason) -> None:
        """Take up what was wrong with a unit before a restart of the agent; `row` is any of its miners'."""
        if reason in OF_DEVICES:
            self._restored.append((row, since, reason))

    def _take_up(self, view: SiteView) -> None:
        for row, since, reason in self._restored:
            unit = int(view.cooling.unit_of[row])
            if unit >= 0:
                self._restless = True
                self._units[unit].since[reason] = since
                self._units[unit].clear_since[reason] = np.nan
                if reason is Reason.UNIT_FLOW_SENSOR:
                    self._witness.flow.doubt(view, unit)
        self._restored.clear()

    def _hear(self, view: SiteView, unit: int, now: float, *, mute: bool) -> None:
        """Note whether a unit answers. What silences its miners too, or came with a window, is no matter of its own."""
        answers = now - view.cooling.read_at[unit] <= FRESH_S
        if mute and Reason.UNIT_SILENT not in self._units[unit].since:
            members = view.cooling.unit_of == unit
            others = (view.misses[members] > 0).mean() >= SILENT_SHARE
            mute = not others and not bool(view.excused[members].all())
        self._follow(unit, Reason.UNIT_SILENT, now, ill=mute, well=bool(answers), clear_s=HEARD_S)

    def _see_leak(self, view: SiteView, unit: int, now: float) -> None:
        """Take in what a read that was answered says of leaks; a unit that does not tell says nothing."""
        leaks = bool(view.cooling.leak.value[unit] == 1.0)
        self._units[unit].leaks = self._units[unit].leaks + 1 if leaks else 0
        ill = self._units[unit].leaks >= LEAK_READS
        self._follow(unit, Reason.UNIT_LEAKS, now, ill=ill, well=not leaks, clear_s=self._t.clear_s)

    def _compare(self, unit: int, now: float) -> None:
        """Take in what a look at unit and miners says of the unit's sensor; who cannot tell says nothing."""
        state, off_k = self._units[unit], abs(float(self._witness.off_k[unit]))
        if np.isnan(off_k):
            return
        state.off_since = np.fmin(state.off_since, now) if off_k >= self._t.lie_k else np.nan
        ill = bool(now - state.off_since >= self._t.lie_s)
        well = off_k < self._t.lie_k / 2.0
        self._follow(unit, Reason.UNIT_SENSOR, now, ill=ill, well=well, clear_s=self._t.clear_s)

    def _doubt_flow(self, view: SiteView, unit: int, now: float) -> None:
        """Take in whether the miners contradict a flow of nothing; it is over when its sensor shows the flow again."""
        lies = bool(self._witness.flow.lies[unit])
        design_lpm = view.site.cooling_units[unit].design_flow_lpm
        flows = bool(view.cooling.flow_lpm.value[unit] >= self._t.flow_share * design_lpm)
        self._follow(unit, Reason.UNIT_FLOW_SENSOR, now, ill=lies, well=flows, clear_s=self._t.clear_s)

    def _follow(self, unit: int, cause: Reason, now: float, *, ill: bool, well: bool, clear_s: float) -> None:
        """Begin what is wrong, and end it once it has been well for its clear window."""
        state = self._units[unit]
        if cause not in state.since:
            if ill:
                state.since[cause], state.clear_since[cause] = now, np.nan
            return
        state.clear_since[cause] = np.fmin(state.clear_since[cause], now) if well else np.nan
        if now - state.clear_since[cause] >= clear_s:
            del state.since[cause], state.clear_since[cause]

    def _ill(self) -> list[tuple[int, Reason]]:
        return [(unit, cause) for unit, state in enumerate(self._units) for cause in CAUSES if cause in state.since]

    def _ailing(self, view: SiteView, unit: int, cause: Reason, now: float) -> Ailing:
        state, rows = self._units[unit], np.flatnonzero(view.cooling.unit_of == unit)
        return Ailing(
            f"cdu:{view.site.cooling_units[unit].id}",
            cause,
            tuple(rows.tolist()),
            state.since[cause],
            state.clear_since[cause],
            lambda: self._seen(view, unit, now),
        )

    def _seen(self, view: SiteView, unit: int, now: float) -> Evidence:
        columns, spec = view.cooling, view.site.cooling_units[unit]
        members: Bools = columns.unit_of == unit
        return {
            "unit": spec.id,
            "host": spec.host,
            "loop": spec.loop,
            "silent_s": rounded(now - columns.read_at[unit]),
            "supply_c": rounded(columns.supply_c.value[unit]),
            "supply_by_miners_c": rounded(self._witness.tells_c(view, unit, now)),
            "setpoint_c": rounded(columns.setpoint_c.value[unit]),
            "flow_lpm": rounded(columns.flow_lpm.value[unit]),
            "pumps_ok": said(columns.pumps_ok.value[unit]),
            "alarms": ", ".join(columns.alarms[unit]),
            "miners": int(members.sum()),
            "miners_hot": int((members & self._heat.hot).sum()),
            "miners_silent": int((members & (view.misses > 0)).sum()),
        }


class _Nothing:
    """Explains nothing: no row ever fires here."""

    __slots__ = ()

    reasons = OF_DEVICES

    def reason(self, _: int) -> Reason:
        return Reason.UNIT_SILENT

    def of(self, _: int) -> Evidence:
        return {}

    def domain(self, _: int) -> str:
        return ""
