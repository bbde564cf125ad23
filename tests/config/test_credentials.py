"""Where secrets come from, what is refused, and that no message repeats one."""

from pathlib import Path

import pytest
import structlog
import yaml

from agent.config import load
from agent.config.credentials import MAX_SECRET_BYTES, SystemCredentials
from agent.config.example import example_path
from agent.model.errors import PolicyError
from agent.model.ids import MinerId
from simulators.devices.ssh_keys import HostKeys
from tests.scenarios.test_demo import credentials_of


def test_the_directory_goes_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pdu-read").write_text("from the file\n")
    (tmp_path / "pdu-read").chmod(0o400)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "TERRAHASH_CREDENTIAL_PDU_READ": "from the environment"}

    assert SystemCredentials(environ).get("pdu-read") == "from the file"


def test_the_environment_serves_what_the_directory_lacks(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "TERRAHASH_CREDENTIAL_PDU_READ": "s3cret "}

    assert SystemCredentials(environ).get("pdu-read") == "s3cret "


def test_a_secret_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first\r\n")
    file.chmod(0o600)
    credentials = SystemCredentials({"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert credentials.get("key") == "first"
    file.unlink()
    assert credentials.get("key") == "first"


def test_a_missing_secret_names_the_credential_and_both_ways_to_set_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        SystemCredentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}).get("pdu-a-auth")

    assert "'pdu-a-auth'" in str(caught.value)
    assert "LoadCredential=pdu-a-auth:" in str(caught.value)
    assert "TERRAHASH_CREDENTIAL_PDU_A_AUTH" in str(caught.value)


@pytest.mark.parametrize("name", ["", "../etc/passwd", "a/b", ".", "Hunter2!", "a" * 65, "a\n"])
def test_a_name_that_is_none_is_refused_and_not_repeated(name: str, tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        SystemCredentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}).get(name)

    assert "Hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"\xff\xfe", b"x" * (MAX_SECRET_BYTES + 1)])
def test_a_file_that_holds_no_secret_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)

    with pytest.raises(PolicyError, match="'key'"):
        SystemCredentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}).get("key")


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()

    with pytest.raises(PolicyError, match="'key'"):
        SystemCredentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}).get("key")


def test_a_file_that_everyone_can_read_is_used_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret")
    (tmp_path / "key").chmod(0o644)
    credentials = SystemCredentials({"CREDENTIALS_DIRECTORY": str(tmp_path)})

    with structlog.testing.capture_logs() as logs:
        assert credentials.get("key") == "s3cret"

    assert [entry["event"] for entry in logs] == ["credential_readable_by_everyone"]
    assert "s3cret" not in str(logs)
    assert "s3cret" not in repr(credentials)


def test_the_settings_name_every_credential_that_is_in_their_file(tmp_path: Path) -> None:
    """Whatever is named anywhere is registered as a secret before the first device is asked."""
    tree = yaml.safe_load(example_path().read_text())
    tree["notify"] = [
        {"id": "chat", "apprise": {"credential": "n-chat"}},
        {"id": "hook", "webhook": {"credential": "n-url"}, "key": {"credential": "n-key"}},
    ]
    said = {"scope": ["miner:*"]}
    tree["expected"] = {
        "mqtt": [{**said, "name": "a", "host": "h", "user": "u", "topic": "t", "password": {"credential": "e-mqtt"}}],
        "webhooks": [{**said, "name": "b", "port": 8787, "key": {"credential": "e-hook"}}],
    }
    keys = [HostKeys(0).public(MinerId("m"))]
    tree["ssh"] = [
        {"family": "luxos", "user": "u", "password": {"credential": "s-family"}, "host_keys": keys},
        {"miner": "r1-03", "user": "u", "password": {"credential": "s-miner"}, "host_keys": keys},
    ]
    inventory = example_path().with_name(tree["inventory"])
    (tmp_path / inventory.name).write_text(inventory.read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(tree))
    named = set(credentials_of(tree))
    assert len(named) > 12
    assert load(tmp_path / "config.yaml").credentials == named
