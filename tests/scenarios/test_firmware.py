"""Firmware faults end to end, on every family's bytes: found, named, walked up the ladder, proved or handed over."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.model.action import Result, Verb
from agent.model.events import Settled
from agent.model.incident import LOGS, Category, Incident, Outcome, Phase, Reason
from agent.model.topology import Family
from simulators.plant.journal import What
from tests.scenarios.site_bench import EPOCH_S, MODELS, Bench, configuration, folded, play

STOCK, WHATSMINER, LUXOS = Family.ANTMINER_STOCK, Family.WHATSMINER, Family.LUXOS
HOUR_S = 3600.0
VERSION = "2026.9.9.1"
BOARDS = {
    STOCK: ["ZYNQCtrl", "BBCtrl", "AMLCtrl", "CVCtrl"],
    LUXOS: ["zynq", "beaglebone", "amlogic", "cvitek"],
    WHATSMINER: ["H3OS", "H6OS"],
}


def site(folder: Path, *families: Family, images: bool = True, **image: Any) -> dict[str, Any]:
    """A configuration with one pool, and an image for each family on it; `image` changes what is said of them."""
    tree = configuration([(family, 1) for family in families])
    tree |= {"tick_s": 5, "poll": {"interval_s": 20, "pdu_interval_s": 60, "switch_interval_s": 60}}
    tree["pools"] = [{"id": "primary", "host": "primary.pool.example", "port": 3333}]
    tree["pool_groups"] = [{"id": "main", "pools": ["primary"]}]
    for row in tree["inventory"]:
        row |= {"pool_group": "main", "mac": f"02:54:48:00:00:{row['id'][1:]:0>2}"}
    tree["images"] = []
    for family in dict.fromkeys(families) if images else ():
        file = folder / f"{family}.img"
        file.write_bytes(f"firmware of {family}".encode())
        tree["images"].append(
            {
                "file": file.name,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "family": family.value,
                "models": [MODELS[family]],
                "control_boards": BOARDS[family],
                "version": VERSION,
                **image,
            }
        )
    return tree


def only(incidents: dict[Any, Incident]) -> Incident:
    (incident,) = incidents.values()
    return incident


def verbs(incident: Incident) -> list[Verb]:
    return [attempt.verb for attempt in incident.attempts]


def over(bench: Bench, count: int = 1) -> Callable[[], bool]:
    def is_over() -> bool:
        incidents = bench.agent.memory.incidents.values()
        return len(incidents) >= count and all(i.phase in (Phase.CLOSED, Phase.ESCALATED) for i in incidents)

    return is_over


def of(bench: Bench, miner: str) -> Incident:
    return only({i.id: i for i in folded(bench.records).incidents.values() if i.members[0] == miner})


def harmless(bench: Bench) -> None:
    """What no flash may ever do to a site."""
    harm = bench.simulated.truth.harm()
    assert (harm.wrong_images, harm.flashes_twice, harm.power_cuts_while_flashing) == (0, 0, 0)
    assert Verb.POWER_OFF not in {
        verb for incident in folded(bench.records).incidents.values() for verb in verbs(incident)
    }


def test_every_family_is_walked_up_its_ladder_only_as_far_as_it_takes(tmp_path: Path) -> None:
    """One boot loop and two damaged systems want a flash, each its own family's; a crash loop wants a restart."""
    tree = site(tmp_path, LUXOS, STOCK, WHATSMINER, STOCK, WHATSMINER, LUXOS)

    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(60.0)
        bench.break_("miner.boot_loop", "m1", cured_by="flash", every_s=400.0)
        bench.break_("miner.firmware_corrupt", "m2", cured_by="flash")
        bench.break_("miner.firmware_corrupt", "m3", cured_by="flash")
        bench.break_("miner.crash_loop", "m4", cured_by="restart", every_s=300.0)
        bench.break_("miner.crash_code", "m5")
        bench.break_("miner.process_died", "m6")
        await bench.until(over(bench, 5), 6 * HOUR_S, look_s=20.0)
        assert all(bench.plant(f"m{k}").healthy for k in range(1, 7))
        assert [bench.plant(f"m{k}").system.version == VERSION for k in range(1, 7)] == [True] * 3 + [False] * 3

    bench = play(tmp_path, tree, story)
    harmless(bench)
    boots, stock, whatsminer, restarts, stuck = (of(bench, m) for m in ("m1", "m2", "m3", "m4", "m6"))
    assert {i.outcome for i in (boots, stock, whatsminer, restarts, stuck)} == {Outcome.AUTO_RESOLVED}
    assert [i.category for i in (boots, stock, whatsminer, restarts)] == [Category.FIRMWARE] * 4
    assert [i.cause for i in (boots, stock, whatsminer, restarts)] == [
        Reason.BOOT_LOOP,
        Reason.CRASHED,
        Reason.CRASHED,
        Reason.BOOT_LOOP,
    ]
    ladder = [Verb.RESTART, Verb.REBOOT, Verb.FLASH, Verb.VERIFY_FIRMWARE, Verb.SWITCH_POOL]
    assert verbs(boots) == [Verb.COLLECT_LOGS, *ladder]
    assert verbs(stock) == verbs(whatsminer) == [Verb.RESTART, Verb.COLLECT_LOGS, *ladder[1:]]
    assert verbs(restarts) == [Verb.COLLECT_LOGS, Verb.RESTART]
    assert (stuck.category, verbs(stuck)) == (Category.STUCK, [Verb.RESTART]), "a process that a restart mends is stuck"
    logs = [e.evidence[LOGS] for e in bench.events(Settled) if e.action.verb is Verb.COLLECT_LOGS]
    assert any("REBOOT_SYSINIT" in str(log) for log in logs)
    assert boots.detected_at - EPOCH_S - 60.0 <= 1860.0


def test_a_bad_image_costs_one_miner_is_frozen_and_stays_so(tmp_path: Path) -> None:
    tree = site(tmp_path, LUXOS, LUXOS)
    sha256 = tree["images"][0]["sha256"]

    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(60.0)
        bench.break_("image.bad", f"image:{sha256}")
        for miner in ("m1", "m2"):
            bench.break_("miner.boot_loop", miner, cured_by="flash", every_s=400.0)
        await bench.until(lambda: bool(bench.agent.memory.frozen), 4 * HOUR_S, look_s=20.0)
        await bench.kill()
        await bench.start()
        await bench.until(over(bench, 2), 8 * HOUR_S, look_s=20.0)

    bench = play(tmp_path, tree, story)
    harmless(bench)
    assert [flash.bricked for flash in bench.simulated.plant.journal.flashes] == [True]
    first, second = sorted((of(bench, "m1"), of(bench, "m2")), key=lambda i: Verb.FLASH not in verbs(i))
    assert (first.phase, first.escalation_reason) == (Phase.ESCALATED, "flash_unproven")
    assert (second.phase, second.escalation_reason) == (Phase.ESCALATED, "image_frozen")


@pytest.mark.parametrize("family", [LUXOS, WHATSMINER])
def test_an_agent_that_dies_while_a_flash_is_written_looks_and_does_not_repeat(tmp_path: Path, family: Family) -> None:
    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(60.0)
        bench.break_("miner.firmware_corrupt", "m1", cured_by="flash")
        await bench.until_entry(What.FLASH, 3 * HOUR_S)
        await bench.kill()
        await bench.sleep(30.0)
        await bench.start()
        await bench.until(over(bench), 4 * HOUR_S, look_s=20.0)
        assert bench.plant("m1").healthy

    bench = play(tmp_path, site(tmp_path, family), story)
    harmless(bench)
    incident = of(bench, "m1")
    assert incident.outcome is Outcome.AUTO_RESOLVED
    assert verbs(incident).count(Verb.FLASH) == 1
    assert next(a for a in incident.attempts if a.verb is Verb.FLASH).result is Result.UNKNOWN


def test_without_an_image_or_a_way_in_a_person_is_asked_with_the_logs(tmp_path: Path) -> None:
    tree = site(tmp_path, LUXOS, STOCK)
    del tree["images"][1]

    async def story(bench: Bench) -> None:
        await bench.start()
        await bench.run(60.0)
        bench.break_("ssh.key_changed", "m1")
        for miner in ("m1", "m2"):
            bench.break_("miner.firmware_corrupt", miner, cured_by="flash")
        await bench.until(over(bench, 2), 4 * HOUR_S, look_s=20.0)

    bench = play(tmp_path, tree, story)
    harmless(bench)
    assert bench.simulated.plant.journal.flashes == []
    assert (of(bench, "m1").escalation_reason, of(bench, "m2").escalation_reason) == (
        "flash_not_begun",
        "no_image_allowed",
    )
    assert "pinned" in of(bench, "m1").attempts[-1].detail
