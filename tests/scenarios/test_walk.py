"""The walks that the documents promise are taken, command by command, and print what they say."""

from pathlib import Path

import pytest

from tests.scenarios.walk import fits, steps, walk

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory of somebody called kim, who has nothing exported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "kim")
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("TERRAHASH_LEDGER", "")
    return tmp_path


@pytest.mark.parametrize("page", ["tutorial.md", "walk.md"])
def test_a_walk_prints_what_it_says(page: str, folder: Path) -> None:
    said = walk((DOCS / page).read_text(), folder, "terrahash.dry-run.sqlite3")
    assert len(said) >= 5
    for step, printed in said:
        assert fits(step.text, printed), f"{page}, line {step.line}, shows\n{step.text}\nbut it printed\n{printed}"


def test_what_a_document_shows_is_compared_but_for_what_it_leaves_out() -> None:
    assert fits("$ a\nb … d\n…\ne", "$ a\nb c d\n1\n2\ne")
    assert fits("$ a\n…\ne", "$ a\ne")
    assert not fits("$ a\nb", "$ a\nc")
    assert not fits("$ a\nb", "$ a\nb\nc")
    (step,) = steps("text\n```console\n$ a\nb\n```\n*not later.*\n")
    assert (step.sort, step.text, step.line) == ("console", "$ a\nb", 2)
