"""The service unit: hardened as far as promised, understood by systemd, and in step with the example configuration."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/systemd/terrahash-agent.service"
EXPOSURE_TENTHS = 15

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="peer missing: systemd-analyze (Debian package systemd)"
)


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def settings(text: str) -> dict[str, list[str]]:
    """Return the values of each key of a unit, in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"([A-Z]\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def installed_copy(folder: Path, text: str) -> Path:
    """Write the unit as it stands once installed: with a program that exists, which is what verify looks for."""
    copy = folder / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    return copy


@needs_systemd
def test_exposure_stays_within_its_bound() -> None:
    run = analyze("security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", UNIT)
    assert run.returncode == 0, run.stdout[-400:] + run.stderr


@needs_systemd
def test_the_bound_would_notice_a_softer_unit(tmp_path: Path) -> None:
    softer = tmp_path / UNIT.name
    dropped = ("SystemCallFilter", "IPAddressDeny", "PrivateUsers", "CapabilityBoundingSet")
    softer.write_text("".join(x for x in UNIT.read_text().splitlines(keepends=True) if not x.startswith(dropped)))
    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE_TENTHS}", softer).returncode == 1


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    run = analyze("verify", installed_copy(tmp_path, UNIT.read_text()))
    assert run.returncode == 0, run.stderr
    assert [line for line in run.stderr.splitlines() if UNIT.name in line] == []  # an unknown key is a warning, rc 0


@needs_systemd
def test_a_line_that_systemd_does_not_understand_is_noticed(tmp_path: Path) -> None:
    run = analyze("verify", installed_copy(tmp_path, UNIT.read_text().replace("PrivateTmp=", "PrivateTemp=")))
    assert UNIT.name in run.stderr


def test_the_service_never_gives_up_and_is_watched() -> None:
    unit = settings(UNIT.read_text())
    assert unit["Type"] == ["notify"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["Restart"] == ["on-failure"]
    assert 0 < int(unit["WatchdogSec"][0]) <= 60


def test_every_credential_of_the_example_configuration_is_loaded() -> None:
    named = set(re.findall(r"credential: *([a-z0-9][a-z0-9_-]*)", (ROOT / "config.example.yaml").read_text()))
    loaded = dict(line.split(":") for line in settings(UNIT.read_text())["LoadCredential"])
    assert named
    assert set(loaded) == named
    assert all(source == f"terrahash.{name}" for name, source in loaded.items())
