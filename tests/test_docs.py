"""The documents keep up with the code: the reference is what the code says, and the KPI page has its targets."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from agent.report.kpis import CATEGORY_TARGET, RATE_TARGET
from agent.report.text import percent

DOCS = Path(__file__).parents[1] / "docs"


def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(path.stem for path in (DOCS / "reference").glob("*.md")))
def test_a_reference_page_is_what_the_code_says(page: str) -> None:
    module = reference()
    written = (DOCS / "reference" / f"{page}.md").read_text()
    assert written == module.text(page), "run `make docs`"


def test_every_reference_page_is_kept() -> None:
    assert {path.stem for path in (DOCS / "reference").glob("*.md")} == set(reference().PAGES)


def test_the_kpi_page_has_the_targets() -> None:
    page = (DOCS / "kpis.md").read_text()
    for category, target in CATEGORY_TARGET.items():
        assert f"| `{category.value}` | ≥ {percent(target).removesuffix('.0 %').removesuffix(' %')} % |" in page
    assert f"| all | ≥ {percent(RATE_TARGET).removesuffix('.0 %').removesuffix(' %')} % |" in page
