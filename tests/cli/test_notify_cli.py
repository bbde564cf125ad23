"""`terrahash notify test`: every channel is tried once, and what went wrong is said without the address."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from agent.cli.main import cli
from agent.model.topology import Family
from tests.notify.bench import KEY, SECRET_PATH, listening
from tests.scenarios.site_bench import configuration

CHANNELS = [
    {"id": "hook", "webhook": {"credential": "hook-url"}, "key": {"credential": "hook-key"}},
    {"id": "crew", "apprise": {"credential": "crew-url"}, "about": ["escalation", "own"]},
]


def run(folder: Path, *options: str, channels: object = CHANNELS) -> Result:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(configuration([(Family.LUXOS, 1)], notify=channels)))
    return CliRunner().invoke(cli, ["notify", "test", "-c", str(path), *options])


@pytest.fixture
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAHASH_CREDENTIAL_HOOK_KEY", KEY)


@pytest.mark.usefixtures("_secrets")
def test_every_channel_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(200) as listener:
        for name, url in listener.secrets.known.items():
            monkeypatch.setenv(f"TERRAHASH_CREDENTIAL_{name.upper().replace('-', '_')}", url)
        done = run(tmp_path)
        assert (done.exit_code, done.output) == (0, "hook: sent\ncrew: sent\n")
        assert len(listener.heard) == 2
        assert run(tmp_path, "--channel", "crew").output == "crew: sent\n"


@pytest.mark.usefixtures("_secrets")
def test_what_went_wrong_is_said_without_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(500) as listener:
        monkeypatch.setenv("TERRAHASH_CREDENTIAL_HOOK_URL", listener.secrets.get("hook-url"))
        done = run(tmp_path)
    assert done.exit_code == 1
    assert "hook: not sent: answered with HTTP status 500" in done.output
    assert "crew: not sent: expected the credential 'crew-url'" in done.output
    assert SECRET_PATH not in done.output


def test_a_channel_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--channel", "pager")
    assert done.exit_code == 2
    assert "hook, crew" in done.output


@pytest.mark.parametrize(
    ("channel", "told"),
    [
        ({"id": "a"}, "expected apprise or webhook, got neither"),
        ({"id": "a", "apprise": {"credential": "x"}, "webhook": {"credential": "y"}}, "got both"),
        ({"id": "a", "webhook": {"credential": "y"}}, "expected webhook and key together, got no key"),
        ({"id": "a", "apprise": {"credential": "x"}, "key": {"credential": "y"}}, "got a key without a webhook"),
        ({"id": "a", "apprise": "mailto://me:pw@example.net"}, "a credential's name as {credential: NAME}"),
        ({"id": "a", "apprise": {"credential": "x"}, "about": ["everything"]}, "approval, storm, own, owed or over"),
    ],
)
def test_half_a_channel_is_refused_with_its_remedy(tmp_path: Path, channel: dict[str, object], told: str) -> None:
    done = run(tmp_path, channels=[channel])
    assert done.exit_code == 2
    assert told in done.output, done.output
    assert "pw@" not in done.output


def test_two_channels_of_one_name_are_refused(tmp_path: Path) -> None:
    one = {"id": "a", "apprise": {"credential": "x"}}
    assert "a name of its own" in run(tmp_path, channels=[one, one]).output
