"""Rules of the repository that no linter knows, as tests over its files."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from agent.model.playbook import Playbook

ROOT = Path(__file__).parents[1]
PACKAGES = ("agent", "playbooks", "simulators", "benchmarks", "tests")
PRODUCTION = ("agent", "playbooks")
TEXT = (".py", ".md", ".yaml", ".csv", ".toml", ".service", ".lock", ".svg", ".sql")
MAX_MODULE_LINES = 500
MAX_FUNCTION_LINES = 70

MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.py") if path.stem != "__init__")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def in_production(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] in PRODUCTION


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), name(path))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(tree(path))


def project_texts() -> Iterator[Path]:
    shown = [path for path in ROOT.iterdir() if not path.name.startswith(".") and path.suffix != ".egg-info"]
    for top in (*shown, ROOT / ".ci"):
        for path in top.rglob("*") if top.is_dir() else (top,):
            if path.is_file() and (path.suffix in TEXT or path.name == "Makefile" or top.name == ".ci"):
                yield path


def test_modules_fit_on_a_few_screens() -> None:
    lengths = {name(path): path.read_text().count("\n") for path in MODULES}
    assert {module: lines for module, lines in lengths.items() if lines > MAX_MODULE_LINES} == {}


def test_functions_fit_on_one_screen() -> None:
    long = {}
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long[f"{name(path)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def test_every_module_says_what_lives_in_it() -> None:
    silent = [name(path) for path in MODULES if tree(path).body and not ast.get_docstring(tree(path))]
    assert silent == []


def test_no_docstring_is_a_promise_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b")
    found = [name(path) for path in MODULES if path != Path(__file__) and marks.search(path.read_text())]
    assert found == []


def test_only_the_clock_reads_time() -> None:
    readings = re.compile(
        r"\btime\.(time|monotonic|perf_counter)(_ns)?\(|\bdatetime\.(now|utcnow|today)\(|\bimport time\b"
    )
    found = [
        f"{name(path)}: {match[0]}"
        for path in MODULES
        if in_production(path) and name(path) != "agent/clock.py"
        for match in readings.finditer(path.read_text())
    ]
    assert found == []


def test_nothing_is_validated_by_an_assertion() -> None:
    """`python -O` drops assertions; what must hold is checked and raises an error of the tree."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path in MODULES
        if in_production(path)
        for node in nodes(path)
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    homes = re.compile(r"(?<![\w.])/(home|Users|root|work|mnt|srv)/\w")
    found = [
        f"{name(path)}: {match[0]}"
        for path in project_texts()
        if path != Path(__file__)
        for match in homes.finditer(path.read_text(errors="replace"))
    ]
    assert found == []


_OF_MINERS = ("restart", "reboot", "switch_pool", "derate", "sleep", "wake", "flash")
WRITES = frozenset((*_OF_MINERS, "switch", "bounce", "bring_up", "set_supply", "set_flow"))
"""The drivers' methods that change a device."""


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """Yield every call in a module: the function it stands in, and what is called, as written."""
    for function in nodes(path):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    yield f"{name(path)}:{function.name}", ast.unparse(node.func)


def test_there_is_one_way_to_act_and_no_gate_stands_beside_it() -> None:
    """Intents are made where the gates were asked, performed where they were committed, and nowhere else."""
    found = [call for path in MODULES if in_production(path) for call in calls(path)]
    assert [where for where, what in found if what == "Intended"] == ["agent/stages.py:_ask"]
    assert [where for where, what in found if what.endswith(".perform")] == ["agent/app.py:_carry_out"]
    beside = [
        f"{name(path)}: {ast.unparse(node)}"
        for path in MODULES
        if in_production(path) and not name(path).startswith(("agent/act.py", "agent/drivers/"))
        for node in nodes(path)
        if isinstance(node, ast.Await)
        and isinstance(node.value, ast.Call)
        and isinstance(called := node.value.func, ast.Attribute)
        and called.attr in WRITES
        and ast.unparse(called) != "asyncio.sleep"
    ]
    assert beside == []


@pytest.mark.parametrize("stem", PLAYBOOKS)
def test_every_playbook_file_holds_one_playbook_of_its_name(stem: str) -> None:
    playbook = import_module(f"playbooks.{stem}").PLAYBOOK
    assert isinstance(playbook, Playbook)
    assert playbook.name == stem


def test_the_lock_files_pin_everything_alike_and_name_no_place() -> None:
    pins = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
    runtime, dev = ((ROOT / file).read_text() for file in ("requirements.lock", "requirements-dev.lock"))
    assert dict(pins.findall(runtime)).items() <= dict(pins.findall(dev)).items()
    for text in (runtime, dev):
        assert "://" not in text
        assert not re.search(r"^-", text, re.MULTILINE)
