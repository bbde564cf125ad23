"""What one poll of one device tells, after decoding. `None` is "the device did not say"; never a zero."""

from enum import IntEnum

import msgspec


class Reach(IntEnum):
    """How the last poll of a device's API ended."""

    UNKNOWN = 0
    ANSWERED = 1
    """A reply came and its telemetry was usable."""
    FAULTY = 2
    """A reply came, and it was garbage: it says nothing about the miner."""
    ERRORED = 3
    """The API answered an error in place of telemetry: it is up, the mining process behind it is not."""
    REFUSED = 4
    """The host answered the connection with a reset: it is up, the API is not."""
    SILENT = 5
    """Nothing, or nothing complete, within the deadline."""


MAX_BOARDS = 16
"""What is kept of a device's list of hashboards."""


class BoardReading(msgspec.Struct, frozen=True, gc=False):
    """One hashboard, or the empty slot of one.

    Attributes:
        slot: its number as the device counts.
        chips: how many of its chips answer; `None` where the device did not say.
        rate_th: over the shortest window there is, in TH/s.
        serial: as the device tells it, empty where it does not.
    """

    slot: int
    chips: int | None = None
    rate_th: float | None = None
    serial: str = ""


class Telemetry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One miner's reply to one poll.

    Attributes:
        hashrate_th: the device's shortest-window rate (5 s or real-time) in TH/s. Never a 30-minute average.
        expected_th: the rate the device itself aims at, in TH/s.
        work_gh: hashes computed since the process started, in GH; a counter that restarts with `elapsed_s`.
        elapsed_s: age of the mining process in s.
        accepted, rejected, stale: shares since the process started.
        accepted_diff: difficulty-weighted accepted shares since the process started.
        share_diff: the pool's current share difficulty.
        chip_max_c: hottest valid chip sensor in °C (0 < T < 130).
        board_max_c: hottest valid sensor on a board in °C, in the same bounds.
        inlet_c, outlet_c: the coolant, or the air, that it is given and that leaves it, in °C.
        fans_rpm: fans in rpm, as many as the device reports.
        power_w: power the device reports, in W.
        pool_alive: the active pool's status is exactly "Alive".
        pool_url, pool_user: the pool worked for, as the device writes its address, and the worker's name there.
        drops: connections lost since the process started (cgminer's "Get Failures"), to any pool; pool_drops: to the
            pool worked for.
        suspended: told to sleep (curtailed): not hashing is what it was asked to do.
        tuned: the family's tuning or frequency ramp has ended.
        boards: its hashboards by slot, slots without one among them where the device lists those.
        codes: the error codes that stand now, as the device writes them.
    """

    hashrate_th: float | None = None
    expected_th: float | None = None
    work_gh: float | None = None
    elapsed_s: float | None = None
    accepted: float | None = None
    rejected: float | None = None
    stale: float | None = None
    accepted_diff: float | None = None
    share_diff: float | None = None
    hw_errors: float | None = None
    chip_max_c: float | None = None
    board_max_c: float | None = None
    inlet_c: float | None = None
    outlet_c: float | None = None
    fans_rpm: tuple[float, ...] = ()
    power_w: float | None = None
    pool_alive: bool | None = None
    pool_url: str | None = None
    pool_user: str | None = None
    drops: float | None = None
    pool_drops: float | None = None
    suspended: bool | None = None
    tuned: bool | None = None
    boards: tuple[BoardReading, ...] = ()
    codes: tuple[str, ...] = ()


class OutletState(IntEnum):
    """A relay as the PDU reports it."""

    UNKNOWN = 0
    OFF = 1
    ON = 2
    PENDING = 3


class OutletReading(msgspec.Struct, frozen=True, gc=False):
    """One outlet: relay state, current in A, power in W (each `None` where the PDU does not meter it)."""

    state: OutletState
    current_a: float | None = None
    power_w: float | None = None


class PduReading(msgspec.Struct, frozen=True):
    """One read of a PDU: outlets by number, bank currents in A by bank number."""

    outlets: dict[int, OutletReading]
    bank_a: dict[int, float] = {}


class CoolingReading(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One read of a cooling unit; what is `None` it does not tell, or not believably.

    Attributes:
        supply_c, return_c: the coolant to and from the miners, in °C.
        flow_lpm: in L/min.
        setpoint_c, flow_setpoint_lpm: what it aims at.
        is_remote: it takes setpoints from a network; not while somebody works at it, or in another mode.
        pumps_ok: every pump that should run does.
        leak: it has found a leak.
        alarms: names of other alarms that are on, as the profile calls them.
        dew_point_c: of the air around the loop, in °C.
        ambient_c, humidity: the air around the loop, in °C and as a share of 1.
    """

    supply_c: float | None = None
    return_c: float | None = None
    flow_lpm: float | None = None
    setpoint_c: float | None = None
    flow_setpoint_lpm: float | None = None
    is_remote: bool | None = None
    pumps_ok: bool | None = None
    leak: bool | None = None
    alarms: tuple[str, ...] = ()
    dew_point_c: float | None = None
    ambient_c: float | None = None
    humidity: float | None = None


class PortReading(msgspec.Struct, frozen=True, gc=False):
    """One switch port; what is `None` was not read this time.

    Attributes:
        up: it has a link.
        in_octets: octets received from the attached device, a counter modulo 2**64.
        admin_up: whether somebody wants it to have a link.
        in_errors: frames from the attached device that were damaged, a counter modulo 2**32.
        pvid: the VLAN of frames that come without a tag.
    """

    up: bool | None
    in_octets: int | None = None
    admin_up: bool | None = None
    in_errors: int | None = None
    pvid: int | None = None
