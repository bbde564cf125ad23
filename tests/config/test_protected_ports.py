"""A switch's protected ports, from the file to the site; and which ports may be switched at all."""

from pathlib import Path

import pytest

from agent.config.errors import ConfigError
from agent.config.loader import load
from agent.model.ids import SwitchId
from tests.config.sites import SITE, written

SWITCH = SwitchId("sw-1")


def spoilt(folder: Path, ports: str) -> Path:
    return written(folder, SITE.replace("ports: 24,", f"ports: 24, protected_ports: {ports},"))


def test_only_ports_with_a_miner_behind_them_may_be_switched(tmp_path: Path) -> None:
    site = load(written(tmp_path, SITE)).site
    assert site.switches[0].protected == frozenset()
    assert site.bounceable == {SWITCH: frozenset({1, 2, 3})}


def test_protected_ports_may_not(tmp_path: Path) -> None:
    site = load(spoilt(tmp_path, '"2, 20-24"')).site
    assert site.switches[0].protected == {2, 20, 21, 22, 23, 24}
    assert site.bounceable == {SWITCH: frozenset({1, 3})}


@pytest.mark.parametrize(
    ("ports", "said"),
    [("[25]", "ports up to 24"), ("[0]", "from 1 to 4096"), ("[uplink]", "numbers and ranges")],
)
def test_what_is_no_port_is_told_with_its_line_and_the_remedy(tmp_path: Path, ports: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(spoilt(tmp_path, ports))
    told = str(refused.value)
    assert said in told
    assert ":14:" in told
    assert "protected_ports" in told
