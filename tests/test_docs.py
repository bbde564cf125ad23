"""The documents keep up with the code: the reference is what the code says, and the KPI page has its targets."""

import subprocess
import sys
from pathlib import Path

from agent.report.kpis import CATEGORY_TARGET, RATE_TARGET
from agent.report.text import percent

DOCS = Path(__file__).parents[1] / "docs"


def test_the_reference_is_what_the_code_says(tmp_path: Path) -> None:
    """In a process of its own: commands remember how they were called before."""
    subprocess.run([sys.executable, str(DOCS / "reference.py"), str(tmp_path)], check=True, cwd=DOCS.parent)
    said = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in (DOCS / "reference").iterdir()}
    assert [name for name in sorted(said.keys() | kept.keys()) if said.get(name) != kept.get(name)] == [], "make docs"


def test_the_kpi_page_has_the_targets() -> None:
    page = (DOCS / "kpis.md").read_text()
    for category, target in CATEGORY_TARGET.items():
        assert f"| `{category.value}` | ≥ {percent(target).removesuffix('.0 %').removesuffix(' %')} % |" in page
    assert f"| all | ≥ {percent(RATE_TARGET).removesuffix('.0 %').removesuffix(' %')} % |" in page
