"""What a recorded incident was, in the simulator's words: which fault, where, how bad. Guessed from what was seen.

The table says all there is to it: a cause, where it lay, what ended it then, and what the readings showed, beside the
fault kind that is like it. The first row that fits is taken. What fits none is not simulated: better nothing than
another incident under the same name.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from agent.config.scenario import Timed
from agent.model.action import VERB_TRAITS, Result, Risk, Verb
from agent.model.domains import Kind
from agent.model.errors import PolicyError
from agent.model.events import IncidentAbsorbed, IncidentOpened, IncidentReclassified, IncidentUpdated, Record
from agent.model.incident import Incident, Outcome, Reason
from agent.model.recording import OUTLETS, PORTS, Group, Recording
from agent.model.site_view import SiteView
from agent.model.topology import Site
from simulators.faults import FAULT_KINDS, Knob

CDU = "cdu"


class NotSimulableError(PolicyError):
    """An incident that the simulated site cannot have, or of which too little is known."""


class Ended(StrEnum):
    """What ended an incident then, in words."""

    RESTART = "a restart ended it"
    REBOOT = "a reboot ended it"
    CYCLE = "a power cycle ended it"
    FLASH = "a flash ended it"
    BOUNCE = "a bounced port ended it"
    REBIND = "a new address ended it"
    OTHER = "another action ended it"
    ITSELF = "it passed by itself"
    NOTHING = "nothing that was tried ended it"
    UNTRIED = "nothing was tried"


_BY_VERB: Mapping[Verb, Ended] = {
    Verb.RESTART: Ended.RESTART,
    Verb.REBOOT: Ended.REBOOT,
    Verb.POWER_OFF: Ended.CYCLE,
    Verb.POWER_ON: Ended.CYCLE,
    Verb.FLASH: Ended.FLASH,
    Verb.BOUNCE_PORT: Ended.BOUNCE,
    Verb.REBIND: Ended.REBIND,
}
SOON_S = 60.0
"""What was read so soon after the detection, before anything was done, still shows the fault."""

LEAST_S, LONGEST_S = 300.0, 6 * 3600.0
"""A fault that passes by itself lasts so long: long enough to be found once more, and no longer than that."""


@dataclass(frozen=True, slots=True)
class Like:
    """One row of the table.

    Attributes:
        at: the kind of domain that the cause lay in; empty for single miners. A fault that befalls no such domain
            befalls the members.
        ended: by one of these; empty for whatever it was. Where nothing was tried it may have been any of them.
        shows: figures that must lie between two bounds, each included; what was not read fits none.
        params: the kind's parameters, by the figure that each is read from. One that was not read keeps its default.
    """

    cause: Reason
    kind: str
    at: str = ""
    ended: tuple[Ended, ...] = ()
    shows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


YES, NO = (1.0, 1.0), (0.0, 0.0)
DARK = {"draw_w": (0.0, 20.0), "port_up": NO}

TABLE: Sequence[Like] = (
    # -- stuck
    Like(Reason.UNRESPONSIVE, "miner.psu_dead", ended=(Ended.NOTHING,), shows=DARK | {"draw_w": (0.0, 5.0)}),
    Like(Reason.UNRESPONSIVE, "miner.psu_latched", ended=(Ended.CYCLE, Ended.ITSELF), shows=DARK),
    Like(Reason.UNRESPONSIVE, "miner.psu_dead", ended=(Ended.NOTHING,), shows=DARK, params={"standby_w": "draw_w"}),
    Like(Reason.UNRESPONSIVE, "miner.process_died", ended=(Ended.RESTART, Ended.REBOOT, Ended.ITSELF)),
    Like(Reason.UNRESPONSIVE, "miner.control_board_hung", ended=(Ended.CYCLE,), params={"draw": "draw"}),
    Like(Reason.UNRESPONSIVE, "miner.firmware_corrupt", ended=(Ended.FLASH,)),
    Like(Reason.NOT_HASHING, "miner.hashing_stopped", ended=(Ended.RESTART, Ended.REBOOT, Ended.CYCLE, Ended.ITSELF)),
    # -- pool
    Like(Reason.NO_POOL, "miner.pool_client_hung", Kind.POOL, shows={"share_of_domain": (0.0, 0.25)}),
    Like(Reason.NO_POOL, "pool.hung", at=Kind.POOL, shows={"pool_alive": YES}),
    Like(Reason.NO_POOL, "pool.down", at=Kind.POOL),
    Like(Reason.NO_POOL, "miner.pool_client_hung"),
    Like(Reason.UNSTEADY_POOL, "pool.sheds", Kind.POOL, shows={"miners_leave": YES}, params={"period_s": "period_s"}),
    Like(Reason.UNSTEADY_POOL, "pool.times_out", Kind.POOL, params={"period_s": "period_s"}),
    # -- rejects
    Like(Reason.REJECTS, "pool.rejects", Kind.POOL, shows={"by_rejected": YES}, params={"share": "bad_share"}),
    Like(
        Reason.REJECTS,
        "miner.rejects_board",
        ended=(Ended.NOTHING,),
        shows={"by_rejected": YES, "tried": YES},
        params={"share": "bad_share"},
    ),
    Like(Reason.REJECTS, "miner.rejects", shows={"by_rejected": YES}, params={"share": "bad_share"}),
    # -- thermal
    Like(Reason.OVERTEMP_CUT_OUT, "miner.clogged", shows={"derated_then": YES}),
    Like(Reason.OVERTEMP_CUT_OUT, "miner.overtemp_cut_out"),
    Like(Reason.OVERHEATED, "miner.clogged"),
    Like(Reason.LOOP_HOT, "loop.pump_failed", Kind.LOOP, shows={"flow_share": (0.0, 0.1)}),
    Like(Reason.LOOP_HOT, "loop.flow_low", Kind.LOOP, shows={"flow_share": (0.1, 0.9)}, params={"share": "flow_lost"}),
    Like(Reason.LOOP_HOT, "loop.heat_rejection_weak", Kind.LOOP, params={"droop_k": "supply_over_k"}),
    Like(Reason.COOLING_LOST, "loop.flow_blocked", Kind.LOOP, shows={"flow_share": (0.0, 0.1), "pumps_ok": YES}),
    Like(Reason.COOLING_LOST, "loop.pump_failed", Kind.LOOP, shows={"flow_share": (0.0, 0.1)}),
    Like(Reason.COOLING_LOST, "loop.rejection_lost", Kind.LOOP, shows={"flow_share": (0.1, math.inf)}),
    # -- other: devices
    Like(Reason.UNIT_SILENT, "cdu.silent", CDU),
    Like(Reason.UNIT_LEAKS, "cdu.leak", CDU),
    Like(Reason.UNIT_SENSOR, "cdu.sensor_lies", CDU, params={"by_k": "lie_k"}),
    Like(Reason.UNIT_FLOW_SENSOR, "cdu.flow_sensor_lies", CDU, params={"share": "flow_share"}),
    # -- other: parts
    Like(Reason.BOARD_LOST, "miner.board_lost", params={"cold_cures": "cycle_cured"}),
    Like(Reason.FAN_LOST, "miner.fan_lost"),
    Like(Reason.PSU_HICCUP, "miner.psu_hiccup", params={"cold_cures": "cycle_cured"}),
    Like(Reason.DEGRADED, "miner.chips_lost", shows={"chips_share": (0.0, 0.95)}),
    Like(Reason.DEGRADED, "miner.degraded", params={"level": "work_share"}),
    Like(Reason.FOREIGN_POOL, "miner.unauthorised_pool", params={"what": "foreign"}),
    # -- other: what many share
    Like(Reason.POWER_LOST, "pdu.dark", Kind.PDU),
    Like(Reason.POWER_LOST, "pdu.breaker_trip", Kind.BREAKER, params={"bank": "bank"}),
    Like(Reason.POWER_LOST, "site.outage", Kind.SITE),
    *(
        Like(Reason.CURTAILED, "site.curtailed_unannounced", where)
        for where in (Kind.PDU, Kind.RACK, Kind.SWITCH, Kind.LOOP, Kind.SITE)
    ),
    # -- network
    Like(Reason.CUT_OFF, "network.switch_down", Kind.SWITCH),
    Like(Reason.CUT_OFF, "network.subnet_down", Kind.SUBNET),
    Like(Reason.CUT_OFF, "network.core_down", Kind.SITE),
    Like(Reason.CUT_OFF, "network.wrong_vlan", shows={"port_moved": YES}, params={"vlan": "port_pvid"}),
    Like(Reason.CUT_OFF, "network.cable_cut", shows={"port_up": NO}),
    Like(Reason.CUT_OFF, "network.cable_errors", shows={"port_errors_per_s": (0.5, math.inf)}),
    Like(Reason.CUT_OFF, "network.port_hung", ended=(Ended.BOUNCE, Ended.ITSELF)),
    Like(Reason.CUT_OFF, "network.address_moved", ended=(Ended.REBIND,)),
    Like(Reason.CUT_OFF, "network.address_lost", ended=(Ended.NOTHING,)),
    # -- firmware
    Like(Reason.CRASHED, "miner.firmware_corrupt", shows={"restarts": (0.0, 1.0)}, params={"cured_by": "cured_by"}),
    Like(Reason.CRASHED, "miner.boot_loop", params={"every_s": "every_s", "cured_by": "cured_by"}),
    Like(Reason.BOOT_LOOP, "miner.boot_loop", params={"every_s": "every_s", "cured_by": "cured_by"}),
)


@dataclass(frozen=True, slots=True)
class Guess:
    """What is simulated for an incident.

    Attributes:
        ended: what ended it then, which is a part of the guess.
        shown: the figures by which it was guessed.
    """

    kind: str
    targets: tuple[str, ...]
    params: Mapping[str, str | float | bool]
    ended: Ended
    for_s: float | None
    shown: Mapping[str, float]

    @property
    def why(self) -> str:
        """Return by what it was guessed, in words."""
        figures = ", ".join(f"{name} {value:g}" for name, value in self.shown.items())
        return f"{self.ended}, {figures}" if figures else self.ended

    def at(self, at_s: float) -> Timed:
        """Return it as a scenario's fault that begins at site time `at_s`."""
        return Timed(self.kind, at_s, self.targets, len(self.targets), self.for_s, self.params)


def guess(incident: Incident, records: Sequence[Record], recording: Recording, site: Site) -> Guess:
    """Return the fault that the incident was, as far as that can be told.

    Args:
        incident: as it ended.
        records: its own.
        recording: what was read around it.
        site: what is simulated.

    Raises:
        NotSimulableError: no row of the table fits, or what it names is not on that site.
    """
    cause, ended = _cause(records), _ended(incident)
    where, _, name = incident.domain.partition(":")
    figures = _figures(incident, records, recording, ended)
    rows = [row for row in TABLE if (row.cause, row.at) == (cause, where)]
    row = next((row for row in rows if _fits(row, figures, ended)), None)
    if row is None:
        raise NotSimulableError(_why_not(incident, cause, rows, ended))
    if where == Kind.BREAKER:
        where, name = Kind.PDU, name.partition(":")[0]
    kind, words = FAULT_KINDS[row.kind], _words(figures, ended)
    members = tuple(f"miner:{miner}" for miner in incident.members)
    targets = (f"{where}:{name}",) if where in kind.on else members
    found = {knob: _fitted(kind.knobs[knob], words.get(read, figures.get(read))) for knob, read in row.params.items()}
    params = {knob: value for knob, value in found.items() if value is not None}
    try:
        for target in targets:
            kind.check(site, target, params)
    except PolicyError as error:
        raise NotSimulableError(f"{incident.id} cannot be simulated on the recorded site: {error}") from None
    shown = {name: figures[name] for name in (*row.shows, *row.params.values()) if name in figures}
    lasts_s = _lasted_s(incident, figures) if ended is Ended.ITSELF else None
    return Guess(row.kind, targets, params, ended, lasts_s, shown)


def _fits(row: Like, figures: Mapping[str, float], ended: Ended) -> bool:
    seen = all(least <= figures.get(name, math.nan) <= most for name, (least, most) in row.shows.items())
    return seen and (not row.ended or ended in (*row.ended, Ended.UNTRIED))


def _why_not(incident: Incident, cause: Reason, rows: Sequence[Like], ended: Ended) -> str:
    where = f" in {incident.domain}" if incident.domain else ""
    if not rows:
        return f"{incident.id} cannot be simulated: no simulated fault is known to be {cause}{where}"
    like = ", ".join(dict.fromkeys(row.kind for row in rows))
    return (
        f"{incident.id} cannot be simulated: it was {cause}{where}, {ended}; with what was read then that is like"
        f" none of {like}"
    )


def _cause(records: Sequence[Record]) -> Reason:
    """Return what it was seen as when nothing had been done yet."""
    seen: Reason | None = None
    for record in records:
        match record.event:
            case IncidentOpened() | IncidentReclassified():
                seen = record.event.cause
            case IncidentAbsorbed():
                part = f"{record.event.incident} was part of {record.event.parent}"
                raise NotSimulableError(f"{part}, and has no cause of its own: simulate that one")
            case _:
                pass
    if seen is None:
        raise NotSimulableError(
            "expected the event that opened the incident; got later ones alone: it cannot be simulated"
        )
    return seen


def _ended(incident: Incident) -> Ended:
    tried = [a for a in incident.attempts if a.verb in _BY_VERB or VERB_TRAITS[a.verb].risk is not Risk.OBSERVE]
    if incident.outcome is Outcome.SELF_RECOVERED:
        return Ended.ITSELF
    if not tried:
        return Ended.UNTRIED
    if incident.mitigated_at is None or incident.outcome is Outcome.HUMAN_RESOLVED:
        return Ended.NOTHING
    done = [a for a in tried if a.result is Result.OK and a.at <= incident.mitigated_at]
    return _BY_VERB.get(done[-1].verb, Ended.OTHER) if done else Ended.ITSELF


def _lasted_s(incident: Incident, figures: Mapping[str, float]) -> float:
    """Return how long it went on, from when it began to when it was seen to be over."""
    over = incident.mitigated_at if incident.mitigated_at is not None else incident.resolved_at
    before_s = max((figures[name] for name in ("since_share_s", "silent_s") if name in figures), default=0.0)
    after_s = 0.0 if over is None else over - incident.detected_at
    return min(LONGEST_S, max(LEAST_S, after_s + before_s))


# -- what was seen ---------------------------------------------------------------------------------------------------


def _figures(incident: Incident, records: Sequence[Record], recording: Recording, ended: Ended) -> Mapping[str, float]:
    """Return the figures of the evidence, each as it was seen first; and those that follow, or were recorded."""
    found: dict[str, float] = {}
    for record in records:
        if isinstance(record.event, IncidentOpened | IncidentReclassified | IncidentUpdated):
            for name, value in record.event.evidence.items():
                if isinstance(value, int | float) and math.isfinite(value):
                    found.setdefault(name, float(value))
            if "by" in record.event.evidence:
                found.setdefault("by_rejected", float(record.event.evidence["by"] == "rejected"))
    for name, value in _recorded(incident, recording).items():
        found.setdefault(name, value)
    derated = any(a.verb is Verb.DERATE for a in incident.attempts)
    found |= {"derated_then": float(derated), "tried": float(ended is not Ended.UNTRIED)}
    if ended is not Ended.UNTRIED:
        found["cycle_cured"] = float(ended is Ended.CYCLE)
    if incident.domain.startswith(Kind.BREAKER):
        number = incident.domain.rpartition("bank")[2]
        found |= {"bank": float(number)} if number.isdecimal() else {}
    return found | {name: value for name, of in DERIVED.items() if not math.isnan(value := of(found))}


def _share(part: str, whole: str) -> Callable[[Mapping[str, float]], float]:
    return lambda found: found[part] / found[whole] if part in found and found.get(whole) else math.nan


def _less(one: str, other: str) -> Callable[[Mapping[str, float]], float]:
    return lambda found: found.get(one, math.nan) - found.get(other, math.nan)


DERIVED: Mapping[str, Callable[[Mapping[str, float]], float]] = {
    "draw_share": _share("draw_w", "nominal_w"),
    "flow_share": _share("flow_lpm", "design_flow_lpm"),
    "flow_lost": lambda found: 1.0 - _share("flow_lpm", "design_flow_lpm")(found),
    "chips_share": _share("chips_up", "chips"),
    "supply_over_k": _less("supply_c", "setpoint_c"),
    "lie_k": _less("supply_c", "supply_by_miners_c"),
    "port_moved": lambda found: float(abs(_less("port_pvid", "usual_pvid")(found)) > 0.0),
}
"""Figures that follow from others; NaN where those are not known."""


def _recorded(incident: Incident, recording: Recording) -> Mapping[str, float]:
    """Return what was read of the first member just then: draw, port, and how soon its process began anew."""
    site, until = recording.head.site, incident.detected_at + SOON_S
    row = next((site.rows[member] for member in incident.members if member in site.rows), None)
    if row is None:
        return {}
    miner, view = site.miners[row], SiteView(site)
    domain = view.domains.get(incident.domain)

    def last(column: str, of: int, group: Group) -> float:
        at, value = recording.series(column, of, group)
        known = value[(at <= until) & ~np.isnan(value)]
        return float(known[-1]) if known.size else math.nan

    draws = [last("outlet_w", view.outlet_rows[outlet], OUTLETS) for outlet in miner.outlets]
    found = {"nominal_w": miner.power_w, "draw_w": sum(draws) if draws else math.nan}
    if domain is not None:
        found["share_of_domain"] = len(incident.members) / len(domain.rows)
    if miner.port in view.port_rows:
        found["port_up"] = last("port_up", view.port_rows[miner.port], PORTS)
    at, age = recording.series("elapsed_s", row)
    begun = at[1:][np.diff(age) < 0.0]
    if begun.size > 1:
        found["every_s"] = float(np.median(np.diff(begun)))
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _words(figures: Mapping[str, float], ended: Ended) -> Mapping[str, str]:
    """Return what is no figure, as the faults' parameters have it."""
    remote = {Ended.RESTART: "restart", Ended.REBOOT: "reboot", Ended.CYCLE: "reboot", Ended.NOTHING: "nothing"}
    return {
        "cured_by": remote.get(ended, "flash"),
        "draw": "full" if figures.get("draw_share", 0.0) > 0.5 else "idle",
        "foreign": "worker" if figures.get("worker_ok") == 0.0 else "pool",
    }


def _fitted(knob: Knob, value: str | float | None) -> str | float | bool | None:
    """Return a parameter as the fault takes it; None where it keeps its default."""
    if value is None or isinstance(value, str):
        return value
    if knob.span is None:
        return bool(value)
    fitted = min(max(value, knob.span[0]), knob.span[1])
    return int(fitted) if knob.whole else fitted
