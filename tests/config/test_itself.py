"""What the agent suspects itself by, and whom it tells, as a configuration says it."""

from pathlib import Path

import pytest

from agent.config import ConfigError, load
from agent.detect.itself import SelfThresholds
from agent.model.notice import Topic
from agent.notify.settings import Channel
from agent.observe.settings import OwnSettings
from tests.config.sites import SITE


def loaded(folder: Path, *lines: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(SITE + "".join(f"{line}\n" for line in lines))
    return path


def test_nothing_need_be_written(tmp_path: Path) -> None:
    settings = load(loaded(tmp_path))
    assert (settings.itself, settings.own, settings.notify) == (SelfThresholds(), OwnSettings(), ())


def test_routers_a_name_and_limits_can_be(tmp_path: Path) -> None:
    own = "itself: {gateways: [10.20.0.1, 10.20.0.254], dns_name: pool.example.net, ledger_s: 0.5, clock_step_s: 60}"
    settings = load(loaded(tmp_path, own))
    assert settings.own == OwnSettings(("10.20.0.1", "10.20.0.254"), "pool.example.net")
    assert settings.itself == SelfThresholds(ledger_s=0.5, clock_step_s=60.0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("itself: {clock_step_s: 0}", "itself.clock_step_s: expected"),
        ("itself: {gateways: ['not an address']}", "itself.gateways"),
        ("itself: {loop_lag: 2}", "did you mean 'loop_lag_s'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(loaded(tmp_path, line))
    assert told in str(refused.value)


def test_channels_hear_of_everything_unless_told_otherwise(tmp_path: Path) -> None:
    lines = (
        "notify:",
        "  - {id: oncall, apprise: {credential: a}, about: [approval]}",
        "  - {id: room, webhook: {credential: w}, key: {credential: k}}",
    )
    assert load(loaded(tmp_path, *lines)).notify == (
        Channel("oncall", apprise="a", about=frozenset({Topic.APPROVAL})),  # type: ignore[arg-type]
        Channel("room", webhook="w", key="k"),  # type: ignore[arg-type]
    )
