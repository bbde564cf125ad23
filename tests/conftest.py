"""Rules that hold for every test: no task left behind, and no peer missing where all were promised.

A test that needs a third party's program (snmpd, systemd-analyze) skips with a reason that begins "peer missing". With
TERRAHASH_REQUIRE_PEERS=1, as in CI, such a skip is a failure.
"""

import asyncio
import inspect
import logging
import os
import warnings
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
"""No test is about how fast this machine is, nor about how busy."""

PEERS_REQUIRED = os.environ.get("TERRAHASH_REQUIRE_PEERS") == "1"


@pytest.fixture(autouse=True)
def no_task_left_behind(request: pytest.FixtureRequest) -> None:
    """Fail an asynchronous test whose tasks outlive it and its fixtures."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_watched_tasks")


@pytest.fixture
async def _watched_tasks(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)  # a task cancelled in the test's last line gets to end
    left = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()]
    if left:
        pytest.fail("left unfinished: " + ", ".join(sorted(repr(task.get_coro()) for task in left)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _insist_on_peers(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _insist_on_peers(report)


def _insist_on_peers(report: _Report) -> _Report:
    if PEERS_REQUIRED and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("peer missing"):
            report.outcome = "failed"
            report.longrepr = f"TERRAHASH_REQUIRE_PEERS is set: {reason}"
    return report


@pytest.fixture(scope="module")
def pyasic() -> Iterator[Any]:
    """Import pyasic, which configures the root logger and warns; undo the one, ignore the other."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyasic as module  # noqa: PLC0415 -- only under these precautions
    yield module
    root.setLevel(level)
    root.handlers[:] = handlers
