"""A share of `benchmarks.parents` that is quick enough for every day: each common cause once or twice, most in part."""

from pathlib import Path

import pytest

from benchmarks.parents import CAUSES, quiet_windows, try_cause

SLOW = frozenset({"pool_flapping", "site_network_down"})
"""Half a minute of them would be too much; the benchmark has them."""


@pytest.mark.parametrize("name", [name for name in CAUSES if name not in SLOW])
def test_a_common_cause_is_one_incident_in_its_place(tmp_path: Path, name: str) -> None:
    assert try_cause(CAUSES[name], 11, 0.9, tmp_path) == ()


def test_single_failures_are_no_group(tmp_path: Path) -> None:
    done, false, held_back = quiet_windows(8, tmp_path)
    assert (done, false, held_back) == (8, 0, 0)
