"""`terrahash playbooks`: what the agent may do, as text and as a graph, and the proof that each playbook is sound."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.report.table import show, write_json

if TYPE_CHECKING:
    from agent.model.playbook import Playbook

DOT_LIMIT_S = 60.0
"""A playbook is drawn in a fraction of a second."""

_NAME = "NAME|FILE.py"


@click.group("playbooks")
def playbooks_group() -> None:
    """Show what each playbook does, draw it, and prove it sound.

    A playbook is named, or given as the file it is being written in.
    """


@playbooks_group.command("list", epilog="Example: terrahash playbooks list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in seconds.")
def list_command(*, as_json: bool) -> None:
    """List every playbook: what it is for, what it may do how often, and how long it can take.

    Exit codes: 0 listed.
    """
    from agent.cli.playbook_report import listed, summary  # noqa: PLC0415 - --help does without

    told = [summary(playbook) for playbook in shipped().values()]
    if as_json:
        write_json(told, sys.stdout)
    else:
        show([listed(told)], sys.stdout)


@playbooks_group.command("show", epilog="Example: terrahash playbooks show stuck_miner")
@click.argument("name", metavar=_NAME)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in seconds.")
def show_command(*, name: str, as_json: bool) -> None:
    """Print one playbook's table: each state, what it does there, and where each trigger leads.

    Exit codes: 0 shown; 2 there is none of that name.
    """
    from agent.cli.playbook_report import shown, states, summary  # noqa: PLC0415 - --help does without

    playbook = _find(name)
    if as_json:
        write_json({"summary": summary(playbook), "states": states(playbook)}, sys.stdout)
    else:
        show([shown(playbook)], sys.stdout)


@playbooks_group.command("graph", epilog="Example: terrahash playbooks graph stuck_miner --format svg -o stuck.svg")
@click.argument("name", metavar=_NAME)
@click.option("--format", "form", type=click.Choice(("mermaid", "dot", "svg")), default="mermaid", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print the drawing within JSON.")
def graph_command(*, name: str, form: str, output: Path | None, as_json: bool) -> None:
    """Draw one playbook; its colours tell acts, waits, checks and ends apart. SVG takes Graphviz.

    Exit codes: 0 drawn; 2 there is none of that name, or Graphviz is missing.
    """
    from agent.cli.playbook_report import states  # noqa: PLC0415 - --help does without
    from agent.report.playbook_text import as_dot, as_mermaid  # noqa: PLC0415 - as above

    if as_json and output is not None:
        raise click.UsageError("give --json or -o, not both: one would end up inside the other")
    playbook = _find(name)
    draw = as_mermaid if form == "mermaid" else as_dot
    text = draw(playbook.name, playbook.initial, states(playbook))
    if form == "svg":
        text = _drawn(text)
    if as_json:
        write_json({"name": playbook.name, "format": form, "text": text}, sys.stdout)
    elif output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@playbooks_group.command("verify", epilog="Example: terrahash playbooks verify my_playbook.py")
@click.argument("name", metavar=f"[{_NAME}]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in seconds.")
@click.pass_context
def verify_command(ctx: click.Context, *, name: str | None, as_json: bool) -> None:
    """Check one playbook, or all, exhaustively: every state, every outcome of every action, every hand-over.

    Every state can be reached; every path is bounded and ends in resolve or escalate; no run leaves an outlet off, does
    a thing more often than written, or goes back to a milder action. What fails is shown by a shortest path to it.

    Exit codes: 0 sound; 1 not, and why; 2 there is none of that name.
    """
    from agent.cli.playbook_report import told, verdict  # noqa: PLC0415 - --help does without

    chosen = list(shipped().values()) if name is None else [_find(name)]
    verdicts = [verdict(playbook) for playbook in chosen]
    if as_json:
        write_json(verdicts, sys.stdout)
    else:
        show([table for found in verdicts for table in told(found)], sys.stdout)
    if any(not found.sound for found in verdicts):
        ctx.exit(1)


def shipped() -> "dict[str, Playbook]":
    """Return the playbooks that come with the agent, by name."""
    import pkgutil  # noqa: PLC0415 - --help does without
    from importlib import import_module  # noqa: PLC0415 - as above

    import playbooks  # noqa: PLC0415 - as above

    names = [module.name for module in pkgutil.iter_modules(playbooks.__path__)]
    return {name: import_module(f"playbooks.{name}").PLAYBOOK for name in names}


def _find(name: str) -> "Playbook":
    """Return the playbook of that name, or the one in that file.

    Raises:
        click.BadParameter: there is none.
    """
    if name.endswith(".py"):
        return _read(Path(name))
    known = shipped()
    if name not in known:
        raise click.BadParameter(f"expected one of {', '.join(known)} or a file that ends in .py, got {name!r}")
    return known[name]


def _read(path: Path) -> "Playbook":
    import runpy  # noqa: PLC0415 - only a file needs it

    from agent.model.playbook import Playbook  # noqa: PLC0415 - --help does without

    try:
        found = runpy.run_path(str(path), run_name=path.stem).get("PLAYBOOK")
    except Exception as error:  # it is somebody's unfinished file: whatever it raises is said in one line
        raise click.BadParameter(f"expected {path} to be a playbook; running it ended in {error!r}") from error
    if not isinstance(found, Playbook):
        raise click.BadParameter(f"expected {path} to define PLAYBOOK = Playbook(...); see docs/playbooks.md")
    return found


def _drawn(dot: str) -> str:
    """Return the digraph as SVG.

    Raises:
        click.UsageError: Graphviz is not installed, or would not draw it.
    """
    import shutil  # noqa: PLC0415 - only SVG needs it
    import subprocess  # noqa: PLC0415 - as above

    program = shutil.which("dot")
    if program is None:
        raise click.UsageError(
            "SVG takes Graphviz, whose `dot` is not on the PATH: install it (Debian: apt install graphviz), or take "
            "--format mermaid, which GitHub and most editors draw by themselves"
        )
    try:
        done = subprocess.run(  # noqa: S603 - a program found on the operator's own PATH, without a shell
            [program, "-Tsvg"], input=dot, capture_output=True, encoding="utf-8", timeout=DOT_LIMIT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        raise click.UsageError(f"{program} would not draw it: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise click.UsageError(f"{program} did not draw it within {DOT_LIMIT_S:.0f} s; take --format dot") from error
    return done.stdout
