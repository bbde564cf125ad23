"""The command frame: what it imports, what an error looks like, which code the process ends with."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from agent.cli import main
from agent.cli.redact import register_secret
from agent.model.errors import AgentError, CodecError, InvariantError, PolicyError, SilentError

HEAVY = ("asyncio", "numpy", "pydantic", "pyasic", "pysnmp", "rich", "simulators", "structlog", "uvloop")


def run_raising(error: BaseException, *options: str) -> Result:
    """Run a group of the same class whose one command raises."""

    class OneCommand(main.LazyGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            def fail() -> None:
                raise error

            return click.Command(cmd_name, callback=fail)

    group = OneCommand("terrahash", params=main.cli.params, callback=main.cli.callback)
    return CliRunner().invoke(group, [*options, "anything"])


def loaded_after(*arguments: str) -> set[str]:
    """Return which heavy packages a fresh process has imported once the command is done."""
    code = (
        "import sys\nfrom agent.cli.main import cli\n"
        "try:\n    cli(sys.argv[1:])\n"
        f"finally:\n    print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    (line,) = [line for line in out.stdout.splitlines() if line.startswith("LOADED")]
    return set(line.split()[1:])


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    result = CliRunner().invoke(main.cli, ["--help"])
    assert result.exit_code == 0
    for name, lazy in main.COMMANDS.items():
        assert name in result.output
        assert lazy.summary in result.output
    assert loaded_after("--help") == set()


def test_listing_incidents_loads_nothing_that_only_the_daemon_needs() -> None:
    assert not loaded_after("incidents", "list", "--help") & {"asyncio", "numpy", "pyasic", "pysnmp", "simulators"}


def test_commands_are_listed_where_one_looks_for_them() -> None:
    assert list(main.COMMANDS) == sorted(main.COMMANDS)


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_every_command_exists_and_has_help(name: str) -> None:
    result = CliRunner().invoke(main.cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AgentError("no"), 2),
        (PolicyError("credential 'antminer' is missing"), 2),
        (SilentError("no answer"), 2),
        (CodecError("garbage"), 2),
        (FileNotFoundError(2, "No such file or directory", "config.yaml"), 2),
        (InvariantError("two intents in flight"), 3),
        (KeyError("row"), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_is_one_line_and_a_code(error: Exception, code: int) -> None:
    result = run_raising(error)
    assert result.exit_code == code
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("terrahash: ")
    assert str(error.args[-1]) in line
    assert ("internal error" in line) == (code == 3)


def test_debug_lets_the_traceback_through() -> None:
    error = InvariantError("two intents in flight")
    assert run_raising(error, "--debug").exception is error


def test_an_error_message_never_shows_a_registered_secret() -> None:
    register_secret("correct-horse-battery")
    result = run_raising(PolicyError("login failed with correct-horse-battery"))
    assert "correct-horse" not in result.output
    assert "[redacted]" in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(main.cli, ["explode"])
    assert result.exit_code == 2
    assert "No such command 'explode'" in result.output


def test_clicks_own_exits_keep_their_codes() -> None:
    assert run_raising(click.exceptions.Exit(1)).exit_code == 1
    assert run_raising(click.UsageError("which?")).exit_code == 2


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), click.Abort()], ids=["Ctrl-C", "abort"])
def test_ctrl_c_is_told_from_an_answer_and_from_an_error(stop: BaseException) -> None:
    result = run_raising(stop)
    assert result.exit_code == 130
    assert result.stderr == "terrahash: interrupted\n"


@pytest.mark.parametrize("name", sorted(main.COMMANDS))
def test_no_help_shows_a_control_word(name: str) -> None:
    assert "\\b" not in CliRunner().invoke(main.cli, [name, "--help"]).output
