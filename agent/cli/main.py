"""The `terrahash` command: finds the subcommand, imports its file, and turns errors into one line and an exit code.

Every subcommand lives in its own file beside this one. Nothing else is imported here, so that `--help` and the commands
that only read the ledger start without the event loop, numpy or the simulators.

Exit codes: 0 done; 1 done, and the answer is no (each command says what that means for it); 2 usage, configuration, or
something the agent refused; 3 a bug of ours; 130 interrupted from the keyboard, as shells have it.
"""

import signal
from importlib import import_module
from typing import IO, Any, NamedTuple

import click

from agent import __version__
from agent.cli.redact import scrub
from agent.model.errors import AgentError, InvariantError


class _Lazy(NamedTuple):
    module: str
    attribute: str
    summary: str


COMMANDS = {
    "approvals": _Lazy("agent.cli.approvals", "approvals_group", "List what the agent asks people to confirm."),
    "approve": _Lazy("agent.cli.approvals", "approve_command", "Confirm an action that the agent asks about."),
    "audit": _Lazy("agent.cli.audit", "audit_group", "Prove the ledger's chain, or export it as an audit trail."),
    "config": _Lazy("agent.cli.config", "config_group", "Check a configuration, or print its JSON Schema."),
    "curtail": _Lazy("agent.cli.windows", "curtail_command", "Announce that miners are curtailed by somebody else."),
    "demo": _Lazy("agent.cli.demo", "demo_command", "Watch the agent work on a simulated site of 48 miners."),
    "deny": _Lazy("agent.cli.approvals", "deny_command", "Deny an action that the agent asks about."),
    "discover": _Lazy("agent.cli.discover", "discover_command", "Identify the miners of a network as an inventory."),
    "drill": _Lazy("agent.cli.drill", "drill_group", "Let a fault loose on a running dry run, to train people."),
    "explain": _Lazy(
        "agent.cli.explain", "explain_command", "Say why an incident was treated as it was, and what is next."
    ),
    "faults": _Lazy("agent.cli.faults", "faults_group", "Show the fault kinds that scenarios can use."),
    "hold": _Lazy("agent.cli.hold", "hold_command", "Have a running agent keep its hands off."),
    "images": _Lazy("agent.cli.images", "images_group", "List firmware images, or release one that is frozen."),
    "incidents": _Lazy("agent.cli.incidents", "incidents_group", "List incidents, show one, or export it as one file."),
    "maintain": _Lazy("agent.cli.windows", "maintain_command", "Announce that people work on miners."),
    "notify": _Lazy("agent.cli.notify", "notify_group", "Try the channels through which people are told."),
    "outlets": _Lazy("agent.cli.outlets", "outlets_group", "List proven outlets, or end a doubt about a PDU's."),
    "playbooks": _Lazy("agent.cli.playbooks", "playbooks_group", "Show, draw and verify what the agent may do."),
    "release": _Lazy("agent.cli.hold", "release_command", "Let a held agent act again."),
    "replay": _Lazy("agent.cli.replay", "replay_command", "Play an incident once more, moment by moment."),
    "report": _Lazy("agent.cli.report", "report_command", "Print the KPIs of a ledger."),
    "resume": _Lazy("agent.cli.windows", "resume_command", "End an announced curtailment or maintenance early."),
    "run": _Lazy("agent.cli.run", "run_command", "Run the agent on a site, real or (--dry-run) simulated."),
    "scenarios": _Lazy("agent.cli.scenarios", "scenarios_group", "List the scenarios that are shipped, or show one."),
    "simulate": _Lazy("agent.cli.simulate", "simulate_command", "Run a scenario and print the scoreboard."),
    "status": _Lazy("agent.cli.status", "status_command", "Show whether the agent runs and how it stands."),
    "trust": _Lazy("agent.cli.trust", "trust_command", "Show what each playbook has shown, and what it may do."),
    "windows": _Lazy("agent.cli.windows", "windows_command", "List who is announced to be curtailed or worked on."),
}
"""Every subcommand, with the line that `--help` shows: listing them imports none of them."""


class Failure(click.ClickException):
    """An error as the operator sees it: one line on stderr, and an exit code that says whose turn it is."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(scrub(message))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to stderr, or to `file`."""
        click.echo(f"terrahash: {self.message}", file=file, err=True)


class Bug(Failure):
    """An error that is ours to mend."""

    exit_code = 3

    def __init__(self, message: str) -> None:
        super().__init__(f"internal error: {message} (--debug shows where)")


class Interrupted(Failure):
    """The operator pressed Ctrl-C: neither an answer nor an error."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted")


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when the subcommand is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the subcommand; None if there is none of that name."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command = getattr(import_module(lazy.module), lazy.attribute)
        if not isinstance(command, click.Command):
            raise InvariantError(f"{lazy.module}.{lazy.attribute} must be a click command, is {type(command).__name__}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; what it raises becomes a Failure, unless --debug asks for the traceback."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort) as stop:
            raise Interrupted from stop
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise _failure(error) from error


def _failure(error: Exception) -> Failure:
    if isinstance(error, InvariantError):
        return Bug(str(error))
    if isinstance(error, AgentError):
        return Failure(str(error))
    if isinstance(error, OSError) and error.strerror is not None:
        return Failure(f"{error.filename or 'system'}: {error.strerror}")
    return Bug(f"{type(error).__name__}: {error}")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="terrahash")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Watch a mining site, remediate incidents, prove the fix.

    Exit codes: 0 done; 1 done, and the answer is no; 2 usage, configuration or refused; 3 a bug; 130 Ctrl-C.
    """


def main() -> None:
    """Run the command line and exit the process with its code."""
    # SIGTERM ends a command the way Ctrl-C does, so that it cleans up; the daemon handles both itself.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cli(prog_name="terrahash")


if __name__ == "__main__":
    main()
