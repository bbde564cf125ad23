"""Every disturbance of a coolant unit on the wire and in fast-forward, alone or beside a loop that is too warm."""

import os
from pathlib import Path

import pytest

from agent.cli.scenario_run import EPOCH_S, Played
from agent.config.scenario import TierName
from agent.model.action import Verb
from agent.model.incident import Category, Incident, Outcome, Reason
from tests.scenarios.test_parts import MINUTE_S, play

pytestmark = pytest.mark.timeout(280)

WEAK = "loop.heat_rejection_weak"
UNITS: dict[int, str] = {
    1: "{at: 12m, kind: cdu.silent, target: CDU, for: 12m}",
    2: "{at: 12m, kind: cdu.silent, target: CDU}",
    3: "{at: 12m, kind: cdu.slow, target: CDU}",
    4: "{at: 12m, kind: cdu.local_mode, target: CDU}",
    5: "{at: 12m, kind: cdu.leak, target: CDU}",
    6: "{at: 12m, kind: cdu.refuses, target: CDU}",
    7: "{at: 12m, kind: cdu.setpoint_moved, target: CDU, by_k: 1}",
    8: "{at: 12m, kind: cdu.sensor_lies, target: CDU, by_k: 20}",
    9: "{at: 12m, kind: cdu.sensor_lies, target: CDU, how: stuck}",
    10: "{at: 12m, kind: cdu.sensor_lies, target: CDU, by_k: -8}",
    11: "{at: 12m, kind: cdu.flow_sensor_lies, target: CDU}",
}
"""What befalls the unit of each container."""

ALONE = {1, 8, 10, 11}
"""Where nothing else does: in all others the loop gets too warm besides, a minute later."""


def scenario() -> str:
    """Return a site of a container for each."""
    faults = [f"  - {what.replace('CDU', f'cdu:c{k}-cdu')}" for k, what in UNITS.items()]
    faults += [f"  - {{at: 13m, kind: {WEAK}, target: 'loop:c{k}-loop'}}" for k in UNITS if k not in ALONE]
    return "\n".join(
        (
            "name: heat-of-units",
            "seed: 5",
            "duration: 31m",
            f"site: {{generate: {{miners: {2 * len(UNITS)}, containers: {len(UNITS)}, cooling: hydro, ",
            f"       network: 10.{70 + os.getpid() % 60}.0.0/16, families: {{antminer_stock: 1}}}}}}",
            "agent: {guard: {at_once_share: 1.0, site_at_once_share: 1.0}}",
            "faults:",
            *faults,
        )
    )


OF_UNITS: dict[int, tuple[Reason, int, float, str]] = {
    1: (Reason.UNIT_SILENT, 2, 3 * MINUTE_S, "cooling_unit_silent"),
    2: (Reason.UNIT_SILENT, 2, 3 * MINUTE_S, "cooling_unit_silent"),
    3: (Reason.UNIT_SILENT, 2, 3 * MINUTE_S, "cooling_unit_silent"),
    5: (Reason.UNIT_LEAKS, 1, 1 * MINUTE_S, "leak"),
    8: (Reason.UNIT_SENSOR, 2, 5 * MINUTE_S, "sensor_contradicted"),
    9: (Reason.UNIT_SENSOR, 2, 7.5 * MINUTE_S, "sensor_contradicted"),
    10: (Reason.UNIT_SENSOR, 2, 5 * MINUTE_S, "sensor_contradicted"),
    11: (Reason.UNIT_FLOW_SENSOR, 2, 0.6 * MINUTE_S, "flow_sensor_contradicted"),
}
"""What a person is told of a unit: the cause, the severity, the longest delay since it began, what he is asked for."""

OF_LOOPS: dict[int, str] = {
    2: "unit_unread",
    3: "unit_unread",
    4: "unit_in_local_mode",
    5: "leak",
    6: "setpoint_not_taken",
    7: "setpoint_moved",
    9: "sensor_contradicted",
}
"""Why a loop that is too warm is a person's; nothing is written, but once to the unit that refuses."""


def found(played: Played, domain: str) -> Incident | None:
    """Return the one incident that lies there; None where there is none."""
    lying = [incident for incident in played.incidents if incident.domain == domain]
    assert len(lying) <= 1, domain
    return lying[0] if lying else None


@pytest.mark.parametrize("tier", [TierName.FAST_FORWARD, TierName.WIRE])
def test_a_unit_that_is_out_of_order_is_told_once_and_its_loop_is_nobodys_to_move(
    tier: TierName, tmp_path: Path
) -> None:
    played = play(tmp_path, scenario(), tier)
    began = EPOCH_S + 12 * MINUTE_S
    for k in UNITS:
        unit, loop = found(played, f"cdu:c{k}-cdu"), found(played, f"loop:c{k}-loop")
        assert (unit is not None, loop is not None) == (k in OF_UNITS, k in OF_LOOPS), k
        if unit is not None:
            cause, severity, within_s, asked = OF_UNITS[k]
            assert (unit.category, unit.cause, unit.severity) == (Category.OTHER, cause, severity)
            assert 0.0 <= unit.detected_at - began <= within_s, k
            assert unit.escalation_reason == asked
            assert unit.outcome is (Outcome.HUMAN_RESOLVED if k == 1 else Outcome.OPEN)
            assert unit.attempts == ()
        if loop is not None:
            assert (loop.category, loop.cause) == (Category.THERMAL, Reason.LOOP_HOT)
            assert loop.detected_at - began <= 8 * MINUTE_S, k
            assert (loop.escalation_reason, loop.outcome) == (OF_LOOPS[k], Outcome.OPEN), k
            assert [a.verb for a in loop.attempts if a.verb is not Verb.DERATE] == [Verb.SET_SUPPLY] * (k == 6), k
    assert len(played.incidents) == len(OF_UNITS) + len(OF_LOOPS)
    told, harm = played.board["detection"], played.board["harm"]
    assert (told["recall"], told["false_incidents"], told["wrong_category"], told["wrong_cause"]) == (1.0, 0, 0, 0)
    assert played.board["remediation"]["escalated_wrong"] == 0
    assert (harm["cooling_writes"], harm["actions_on_healthy"], harm["overheated_minutes"]) == (0, 0, 0)
    assert not any(fault.fixable for fault in played.faults)
