"""A dry run of any valid site: what a site that only observes leaves out is stood in for."""

from pathlib import Path

from agent.cli.simulated import simulated_site, with_logins
from agent.clock import Clock
from agent.config import load
from agent.config.example import example_path
from agent.model.topology import Family
from tests.config.sites import TEN_LINES, TEN_LINES_CSV, written


async def test_a_site_that_names_no_login_can_be_simulated(tmp_path: Path) -> None:
    # Addresses of this test alone: other sites' copies may be up on the same machine.
    text, rows = (part.replace("10.20.", "10.217.") for part in (TEN_LINES, TEN_LINES_CSV))
    settings = load(written(tmp_path, text, rows))
    assert not settings.logins
    rehearsed = with_logins(settings)
    assert set(rehearsed.logins) == {Family.ANTMINER_STOCK, Family.WHATSMINER}
    async with simulated_site(rehearsed, Clock.real(), seed=0) as simulated:
        assert set(simulated.plant.miners) == {"r1-01", "r1-02"}


def test_a_login_of_the_configuration_stays() -> None:
    settings = load(example_path())
    assert with_logins(settings).logins == settings.logins
