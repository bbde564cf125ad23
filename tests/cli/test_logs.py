"""The log: its two forms, where library messages go, and that no secret gets through in any disguise."""

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import logs
from agent.cli.redact import MOST_CHARS, REDACTED, redact, register_secret, scrub
from agent.model.errors import PolicyError

SECRET = 'Tr4ffic-"Jam"\\7 ü'


class Terminal(StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def logged(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_off_a_terminal_a_line_is_json_with_time_level_event_and_values() -> None:
    out = StringIO()
    logs.configure(stream=out, now=lambda: 1_700_000_000.25)
    structlog.get_logger().warning("poll_lost", miner="m-07", misses=6, reach=None, late=True)
    assert logged(out) == [
        {
            "timestamp": "2023-11-14T22:13:20.250Z",
            "level": "warning",
            "event": "poll_lost",
            "miner": "m-07",
            "misses": 6,
            "reach": None,
            "late": True,
        }
    ]


def test_on_a_terminal_a_line_is_for_people() -> None:
    out = Terminal()
    logs.configure(stream=out, environ={"NO_COLOR": "1"})
    structlog.get_logger().info("site_polled", miners=48)
    (line,) = out.getvalue().splitlines()
    assert "site_polled" in line
    assert "miners=48" in line
    assert "\x1b" not in line
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)


def test_json_can_be_asked_for_on_a_terminal() -> None:
    out = Terminal()
    logs.configure(stream=out, as_json=True)
    structlog.get_logger().info("site_polled", miners=48)
    assert logged(out)[0]["miners"] == 48


def test_the_wall_clock_stamps_utc_where_no_clock_is_given() -> None:
    out = StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("started")
    assert logged(out)[0]["timestamp"].endswith("Z")


def test_debug_lines_need_debug() -> None:
    out = StringIO()
    logs.configure(stream=out)
    structlog.get_logger().debug("tick")
    logs.configure(stream=out, debug=True)
    structlog.get_logger().debug("tock")
    assert [line["event"] for line in logged(out)] == ["tock"]


def test_libraries_speak_through_the_same_pipeline_from_warning_up() -> None:
    out = StringIO()
    logs.configure(stream=out)
    logging.getLogger("somelib").info("chatter")
    logging.getLogger("somelib").error("refused by %s", "10.0.0.7")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old call", UserWarning, stacklevel=1)
    first, second = logged(out)
    assert (first["event"], first["logger"], first["level"]) == ("library_message", "somelib", "error")
    assert first["message"] == "refused by 10.0.0.7"
    assert "old call" in second["message"]


def test_under_the_journal_each_line_carries_its_priority() -> None:
    code = (
        "import os, structlog\nfrom agent.cli import logs\n"
        "s = os.fstat(2)\n"
        "logs.configure(environ={'JOURNAL_STREAM': f'{s.st_dev}:{s.st_ino}'})\n"
        "structlog.get_logger().error('outlet_stuck')\n"
        "logs.configure(environ={'JOURNAL_STREAM': '1:1'})\n"
        "structlog.get_logger().error('outlet_stuck')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    ours, anothers = run.stderr.splitlines()
    assert ours.startswith("<3>{")
    assert anothers.startswith("{")


class Carrier:
    def __repr__(self) -> str:
        return f"Carrier({SECRET!r})"


@pytest.mark.parametrize("stream", [StringIO, Terminal], ids=["json", "terminal"])
@pytest.mark.parametrize(
    "values",
    [
        {"detail": f"login {SECRET} refused"},
        {"reply": {"a": [{"b": (SECRET,)}]}},
        {"raw": b"\xff" + SECRET.encode()},
        {"text of bytes": repr(SECRET.encode())},
        {"carrier": Carrier()},
        {"names": {SECRET}},
        {"url": "http://root:Tr4ffic-%22Jam%22%5C7%20%C3%BC@10.0.0.7/"},
        {SECRET: 1},
        {"deep": [[[[[[[[[SECRET]]]]]]]]]},
    ],
    ids=lambda values: next(iter(values))[:6],
)
def test_a_registered_secret_never_gets_through(stream: type[StringIO], values: dict[str, Any]) -> None:
    register_secret(SECRET)
    out = stream()
    logs.configure(stream=out)
    structlog.get_logger().info("attempt", **values)
    assert "Tr4ffic" not in out.getvalue()
    assert REDACTED in out.getvalue()


@pytest.mark.parametrize("stream", [StringIO, Terminal], ids=["json", "terminal"])
def test_an_exceptions_text_and_locals_hold_no_secret(stream: type[StringIO]) -> None:
    register_secret(SECRET)
    out = stream()
    logs.configure(stream=out)

    def log_in(password: str) -> None:
        raise PolicyError(f"refused: {password}")

    try:
        log_in(SECRET)
    except PolicyError:
        structlog.get_logger().exception("login_failed")
    logging.getLogger("somelib").error("with %s", SECRET)
    assert "PolicyError" in out.getvalue()
    assert "Tr4ffic" not in out.getvalue()


@pytest.mark.parametrize("stream", [StringIO, Terminal], ids=["json", "terminal"])
def test_a_device_that_is_quoted_steers_no_terminal_and_fills_no_disk(stream: type[StringIO]) -> None:
    out = stream()
    logs.configure(stream=out)
    log = structlog.get_logger()
    for said in ("\x1b[2J\x1b]0;owned\x07", "\u202e\u2028", "\x9b31m"):
        log.warning("device_lost", why=said)
        log.warning("device_lost", why={said: [said]})
    log.warning("device_lost", why="\x1b" * 10**6)
    lines = out.getvalue().splitlines()
    assert len(lines) == 7
    assert max(map(len, lines)) < 6 * MOST_CHARS
    plain = "".join(lines).replace("\x1b[0m", "") if out.isatty() else "".join(lines)
    assert "\\x1b[2J" in plain
    assert not {"\x07", "\u202e", "\u2028", "\x9b"} & set(plain)
    assert "\x1b[2J" not in plain


def test_a_key_that_tells_of_a_secret_shows_no_value() -> None:
    out = StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("x", password="a1", snmp={"community": "a2", "port": 161}, api_token="a3", Secret=4)
    (line,) = logged(out)
    assert (line["password"], line["snmp"], line["api_token"], line["Secret"]) == (
        REDACTED,
        {"community": REDACTED, "port": 161},
        REDACTED,
        REDACTED,
    )


def test_redacting_credentials_register_what_they_hand_out() -> None:
    class Vault:
        def get(self, name: str) -> str:
            if name != "switch":
                raise PolicyError(f"credential {name!r} is missing")
            return "cab1e-tray-blue"

    vault = redact(Vault())
    assert scrub("cab1e-tray-blue") == "cab1e-tray-blue"
    assert vault.get("switch") == "cab1e-tray-blue"
    assert scrub("got cab1e-tray-blue.") == f"got {REDACTED}."
    with pytest.raises(PolicyError, match="'pdu' is missing"):
        vault.get("pdu")


def test_a_short_secret_goes_as_a_word_and_spares_the_rest() -> None:
    register_secret("zq")
    assert scrub("user zq, zqueue, 'zq'") == f"user {REDACTED}, zqueue, '{REDACTED}'"


def test_a_number_that_spells_a_secret_is_one() -> None:
    register_secret("90210417")
    out = StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("x", pin=90210417, port=9021)
    (line,) = logged(out)
    assert (line["pin"], line["port"]) == (REDACTED, 9021)


@given(secret=st.text(min_size=5, max_size=20), before=st.text(max_size=10), after=st.text(max_size=10))
def test_scrubbing_leaves_no_secret_and_is_stable(secret: str, before: str, after: str) -> None:
    marked = f"§{secret}§"
    register_secret(marked)
    clean = scrub(before + marked + after)
    assert marked not in clean
    assert scrub(clean) == clean
