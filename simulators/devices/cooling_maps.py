"""The register maps of simulated coolant units, by the name of the profile the agent would read them with.

Written from the vendors' own tables, not from the agent's profiles: a register that one of the two has wrong is seen.
    ocp_rpu2      facebook/openbmc, register maps orv3_rpu2_*: holding registers, temperatures and flows in tenths
    liebert_hpc   Liebert IntelliSlot reference guide, table 15: 3xxxx are input registers from 30001, 4xxxx holding
                  ones from 40001; readings in tenths, the setpoint in whole degrees and in both
    cdu_plc_3000  facts "control", section 3: every number is 3000 + value / precision
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulators.plant.unit import Answer, UnitPlant, UnitReading

HOLDING, INPUT = 3, 4
PUMP_RPM = 3200

Shows = Callable[[UnitReading], int]
Takes = Callable[[UnitPlant, float, int], Answer]
"""The unit, site s, and the register's new value."""


@dataclass(frozen=True)
class RegisterMap:
    """What one kind of unit has.

    Attributes:
        shows: by function and address. takes: by address.
    """

    shows: Mapping[tuple[int, int], Shows]
    takes: Mapping[int, Takes] = field(default_factory=dict)


def _tenths(value: float) -> int:
    return round(value * 10.0) & 0xFFFF


def _from_tenths(raw: int) -> float:
    return (raw - 0x10000 if raw & 0x8000 else raw) / 10.0


def _plc(value: float) -> int:
    return 3000 + round(value * 10.0)


_RPU2: Mapping[int, Shows] = {
    240: lambda r: int(r.flow_lpm <= 0.0),  # coolant loop blocked
    241: lambda _: 0,  # emergency button
    36864: lambda r: 65 if any(r.pumps_run) else 0,
    36865: lambda r: PUMP_RPM * r.pumps_run[0],
    36866: lambda r: PUMP_RPM * r.pumps_run[1],
    36867: lambda _: 0,  # the third pump is not fitted
    36884: lambda r: int(r.pumps_failed[0]),
    36886: lambda r: int(r.pumps_failed[1]),
    36888: lambda _: 0,
    37519: lambda r: int(r.leak),
    37520: lambda _: 0b0010,  # coolant level: medium high
    37527: lambda r: _tenths(r.flow_lpm),
    37548: lambda r: _tenths(r.humidity * 100.0),
    37549: lambda r: _tenths(r.return_c),
    37550: lambda r: _tenths(r.supply_c),
    37578: lambda r: _tenths(r.ambient_c),
    37580: lambda r: _tenths(r.ambient_c),
    37888: lambda r: int(r.remote),
    37904: lambda r: 0b100 if r.automatic else 0b001,  # automatic by temperature, or by hand
    37914: lambda r: _tenths(r.flow_setpoint_lpm),
    37917: lambda r: _tenths(r.flow_setpoint_lpm),
    37918: lambda r: _tenths(r.setpoint_c),
}

_HPC: Mapping[int, Shows] = {
    30474: lambda r: round(r.setpoint_c) & 0xFFFF,
    30483: lambda r: 16 if r.alarm or r.leak else 1,
    30484: lambda _: 1,
    30485: lambda r: int(not r.automatic),
    30486: lambda r: 1 if r.remote else 6,
    30487: lambda _: 1,
    30491: lambda r: _tenths(r.return_c),
    30493: lambda r: _tenths(r.supply_c),
    30495: lambda r: _tenths(r.setpoint_c),
    30506: lambda r: _tenths(r.ambient_c),
    30510: lambda r: int(r.pumps_run[0]),
    30511: lambda r: int(r.pumps_run[1]),
}

MAPS: Mapping[str, RegisterMap] = {
    "ocp_rpu2": RegisterMap(
        {(HOLDING, register): shows for register, shows in _RPU2.items()},
        {
            37917: lambda unit, now, raw: unit.set_flow(now, raw / 10.0),
            37918: lambda unit, now, raw: unit.set_supply(now, _from_tenths(raw)),
        },
    ),
    "liebert_hpc": RegisterMap(
        {
            **{(INPUT, number - 30001): shows for number, shows in _HPC.items()},
            (HOLDING, 40474 - 40001): _HPC[30474],
            (HOLDING, 40487 - 40001): _HPC[30487],
        },
        {40474 - 40001: lambda unit, now, raw: unit.set_supply(now, float(raw - 0x10000 if raw & 0x8000 else raw))},
    ),
    "cdu_plc_3000": RegisterMap(
        {
            (HOLDING, 10601): lambda r: _plc(r.setpoint_c),
            (HOLDING, 10602): lambda r: _plc(r.flow_setpoint_lpm),
            (HOLDING, 10606): lambda _: _plc(65.0),
            (HOLDING, 10607): lambda r: _plc(65.0 * r.pumps_run[0]),
            (HOLDING, 10608): lambda r: _plc(65.0 * r.pumps_run[1]),
        },
        {
            10601: lambda unit, now, raw: unit.set_supply(now, (raw - 3000) / 10.0),
            10602: lambda unit, now, raw: unit.set_flow(now, (raw - 3000) / 10.0),
        },
    ),
}
"""A pump's own registers are shown and never taken: the unit's panel alone stops a pump."""
