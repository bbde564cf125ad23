"""The README's promises that a test can hold: its example site is valid, its commands and files exist."""

import re
from pathlib import Path

import pytest

from agent.cli.main import COMMANDS
from agent.config import load
from agent.model.guard import Mode
from simulators.scoreboard import TARGETS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    """Return the README's only fenced block in that language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_first_site_is_valid_and_only_observes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(block("yaml"))
    (tmp_path / "inventory.csv").write_text(block("csv"))
    settings = load(tmp_path / "config.yaml")
    assert settings.mode is Mode.OBSERVE
    assert [miner.id for miner in settings.site.miners] == ["r1-01", "r1-02"]
    assert len(settings.site.miners[1].outlets) == 2


def test_the_first_site_is_ten_lines() -> None:
    assert len(block("yaml").splitlines()) <= 10


def test_the_months_figures_stand_beside_the_targets() -> None:
    (text,) = re.findall(r"^<!-- month: .*? -->$(.*?)^<!-- /month -->$", README, re.MULTILINE | re.DOTALL)
    assert "**simulated**" in text
    rows = {
        name: cells
        for name, *cells in re.findall(
            r"^\| (.*?) \| (\d+) of (\d+) \| (.*?) % \|.*?\| ≥ (\d+)% \| (.*) \|$", text, re.M
        )
    }
    total = rows.pop("**all**")
    assert {name: int(cells[3]) for name, cells in rows.items()} == {
        c.value: round(t * 100) for c, t in TARGETS.items()
    }
    for place in (0, 1):
        assert sum(int(cells[place]) for cells in rows.values()) == int(total[place])
    for hits, of, rate, target, met in (*rows.values(), total):
        assert abs(100.0 * int(hits) / int(of) - float(rate)) <= 0.051
        assert (met == "met") is (int(hits) / int(of) >= int(target) / 100.0)


def test_every_command_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `terrahash (\w+)", README, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:agent|playbooks|simulators|docs|tests)[\w./]*)`", README)))
)
def test_every_path_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)]+)\)", README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
