"""`terrahash replay`: an incident once more, moment by moment, with the signals that mattered; or as one HTML page."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from agent.cli.options import ledger_options, ledger_path, no_such_incident, since_option
from agent.cli.output import check_place, write_whole
from agent.cli.replay_source import is_archive, source_of

if TYPE_CHECKING:
    from agent.cli.replay_source import Source
    from agent.ledger.episode import Episode
    from agent.model.recording import Recording
    from agent.report.replay import Replay
    from agent.report.story import Guide, Moment

MOST_PAUSE_S = 3600.0
"""Between two moments, however slow it is played."""

PROMPT = "-- any key: next moment   g: go on to the end   q: quit --"

Pace = Callable[["Moment", "Moment"], bool]
"""Called between two moments; returns whether to go on."""


@click.command("replay", epilog="Example: terrahash replay inc-000001 -c config.yaml --speed 60")
@click.argument("named", metavar="INCIDENT|FILE", required=False)
@ledger_options
@click.option("--step", is_flag=True, help="Wait for a key after each moment.  [default: on a terminal]")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.0, min_open=True),
    metavar="N",
    help="Go on by itself, N times as fast as it was.",
)
@click.option("--at-once", is_flag=True, help="Print all of it.  [default: where the output is no terminal]")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write it there as one page instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
@click.option(
    "--redecide",
    is_flag=True,
    help="Decide again from the recorded readings, as the software of today does, and show both side by side; "
    "--config is then the configuration to decide by.  [default: the recorded one]",
)
@click.option(
    "--simulate",
    is_flag=True,
    help="Set a simulated site to the recorded starting state, have the same befall it, and let the agent of today "
    "act; --config is then the configuration that it goes by.  [default: the recorded one]",
)
@click.option("--all", "every", is_flag=True, help="With --redecide: every recorded incident.")
@since_option()
@click.pass_context
def replay_command(
    ctx: click.Context,
    *,
    named: str | None,
    ledger: Path | None,
    config: Path | None,
    step: bool,
    speed: float | None,
    at_once: bool,
    html: Path | None,
    as_json: bool,
    redecide: bool,
    simulate: bool,
    every: bool,
    since: float | None,
) -> None:
    """Play an incident once more: what was seen, weighed, decided, done and said, each at its moment.

    Below it are the signals that its evidence names, as plots over the same time. FILE is what `terrahash incidents
    export` wrote, here or elsewhere; it is checked, and refused where anything about it is not as it was written.

    Exit codes: 0 shown; 1 there is none of that id, something is decided otherwise today, or the simulated agent did
    not find it or come to an end with it; 2 usage, or it cannot be read, or not be simulated; 3 a bug.
    """
    if (every and not redecide) or (since is not None and not every):
        raise click.UsageError("--all goes with --redecide, and --since with --all")
    if every == (named is not None):
        raise click.UsageError("name one incident, or give --all with --redecide for all that were recorded")
    told = step or speed is not None or at_once or html is not None
    if (redecide and simulate) or (told and (redecide or simulate)):
        raise click.UsageError(
            "--redecide and --simulate show decisions, at once: give one of them, and leave --step, --speed, --at-once"
            " and --html out"
        )
    if simulate:
        ctx.exit(_simulated(ctx, named or "", ledger, config, as_json=as_json))
    if redecide:
        ctx.exit(int(_redecided(named, ledger, config, since, as_json=as_json)))
    if sum((step, speed is not None, at_once, html is not None, as_json)) > 1:
        raise click.UsageError("give one of --step, --speed, --at-once, --html and --json")
    if html is not None:
        check_place("--html", html)
    from agent.ledger.episode import episode  # noqa: PLC0415 - loads SQLite, and `--help` does without

    source = source_of(named or "", ledger, config)
    found = episode(source.rows, source.incident, source.path)
    if found is None:
        no_such_incident(ctx, source.incident, source.path)
    from agent.report.replay import replay  # noqa: PLC0415 - as below

    shown = replay(found.incident, found.records, found.started, _guide(found), source.recording)
    if as_json:
        from agent.report.table import write_json  # noqa: PLC0415 - as above

        write_json(shown, sys.stdout)
        return
    if html is not None:
        from agent.report.replay_page import page  # noqa: PLC0415 - as above

        write_whole(html, page(shown))
        return
    alone = speed is None and not at_once and sys.stdin.isatty() and sys.stdout.isatty()
    _play(shown, _stepped() if step or alone else None if speed is None else _timed(speed))


def _redecided(
    named: str | None, ledger: Path | None, config: Path | None, since: float | None, *, as_json: bool
) -> bool:
    """Decide one incident again, or all; return whether anything is decided otherwise."""
    from agent.cli.redecide import compare_all, compare_one  # noqa: PLC0415 - loads all that decides

    if named is None:
        return compare_all(ledger or ledger_path(None, config), config, since, as_json=as_json)
    return compare_one(_recorded(_decided_by(named, ledger, config), "decided again"), config, as_json=as_json)


def _simulated(ctx: click.Context, named: str, ledger: Path | None, config: Path | None, *, as_json: bool) -> int:
    """Simulate one incident; return the exit code."""
    from agent.cli.reenact import simulate  # noqa: PLC0415 - loads all that decides, and the simulated site
    from agent.ledger.episode import episode  # noqa: PLC0415 - as above

    source = _decided_by(named, ledger, config)
    found = episode(source.rows, source.incident, source.path)
    if found is None:
        no_such_incident(ctx, source.incident, source.path)
    return int(not simulate(found, _recorded(source, "simulated"), config, as_json=as_json))


def _decided_by(named: str, ledger: Path | None, config: Path | None) -> "Source":
    """Return where an incident comes from, where a configuration beside it is the one to decide by."""
    return source_of(named, ledger, None if ledger is not None or is_archive(named) else config)


def _recorded(source: "Source", what: str) -> "Recording":
    if source.recording is None:
        raise click.UsageError(f"there is no recording of {source.incident}: only what was recorded can be {what}")
    return source.recording


def _guide(found: "Episode") -> "Guide":
    from agent.cli.explain import playbook_of  # noqa: PLC0415 - as above
    from agent.remediate.outlook import meanings, waits  # noqa: PLC0415 - as above
    from agent.report.story import Guide  # noqa: PLC0415 - as above

    playbook = playbook_of(found.incident)
    return Guide() if playbook is None else Guide(meanings(playbook), waits(playbook))


def _play(shown: "Replay", pace: Pace | None) -> None:
    """Print the replay, all at once without a pace."""
    from agent.report import replay_text as text  # noqa: PLC0415 - as above

    width = _width()
    _say(text.head(shown.story, width))
    moments = shown.story.moments
    for number, moment in enumerate(moments):
        if pace is not None and number and not pace(moments[number - 1], moment):
            return
        if pace is not None or not number:
            click.echo()
        _say(text.moment_lines(moment, width))
        if pace is not None:
            _say(text.spark_lines(shown, moment.at))
    click.echo()
    _say(text.plots(shown, width))


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)


def _width() -> int:
    from shutil import get_terminal_size  # noqa: PLC0415 - as above

    from agent.report.replay_text import LEAST_WIDTH, MOST_WIDTH  # noqa: PLC0415 - as above

    return max(LEAST_WIDTH, min(MOST_WIDTH, get_terminal_size((120, 40)).columns))


def _stepped() -> Pace:
    """Return the pace of somebody who presses a key for each moment."""
    hurried = False

    def step(_before: "Moment", _after: "Moment") -> bool:
        nonlocal hurried
        if hurried:
            return True
        click.echo(PROMPT, err=True, nl=False)
        key = click.getchar()
        click.echo("\r" + " " * len(PROMPT) + "\r", err=True, nl=False)
        hurried = key.lower() == "g"
        return key.lower() != "q"

    return step


def _timed(speed: float) -> Pace:
    """Return the pace of what happened, so many times as fast."""

    def wait(before: "Moment", after: "Moment") -> bool:
        Event().wait(min(MOST_PAUSE_S, max(0.0, after.at - before.at) / speed))
        return True

    return wait
