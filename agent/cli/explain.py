"""`terrahash explain`: why the agent did what it did about an incident, and what happens next."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from agent.cli.daemon import NotRunningError, ask
from agent.cli.options import ledger_options, ledger_path, no_such_incident
from agent.ledger import queries
from agent.model.ids import IncidentId
from agent.report.explain import explain, following, page
from agent.report.table import write_json

if TYPE_CHECKING:
    from agent.ledger.queries import History
    from agent.model.incident import Incident
    from agent.model.playbook import Playbook
    from agent.remediate.outlook import Outlook


@click.command("explain", epilog="Example: terrahash explain inc-000001 -c config.yaml")
@click.argument("incident_id", metavar="INCIDENT")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
@click.pass_context
def explain_command(
    ctx: click.Context, *, incident_id: str, ledger: Path | None, config: Path | None, as_json: bool
) -> None:
    """Explain an incident on a page: what was seen, which causes were weighed, what was chosen, each guard.

    And what happens next, and when. It is told from the ledger; a running agent knows the inventory besides, and so how
    long a miner of that model may take.

    Exit codes: 0 explained; 1 there is none of that id; 2 usage, or the ledger cannot be read.
    """
    path = ledger_path(ledger, config)
    found = queries.history(path, IncidentId(incident_id))
    if found is None:
        no_such_incident(ctx, incident_id, path)
    playbook = playbook_of(found.incident)
    told = explain(found.incident, found.records, queries.gates(path), _meanings(playbook))
    ahead = _ahead(path, found, playbook)
    if as_json:
        write_json({"explanation": told, "next": ahead}, sys.stdout)
        return
    for line in page(told):
        click.echo(line)
    ways = [(way.when, way.then) for way in ahead.ways]
    for line in following(ahead.waits_for, ahead.until, ways, ahead.answer):
        click.echo(line)


def _ahead(path: Path, found: "History", playbook: "Playbook | None") -> "Outlook":
    """Return what happens next: as the running agent has it, else by the ledger and the playbooks of this version."""
    from agent.remediate.outlook import Outlook, outlook  # noqa: PLC0415 - loads numpy, and --help does without

    try:
        return ask(path, "GET", f"/incidents/{quote(found.incident.id, safe='')}/outlook", Outlook)
    except NotRunningError:
        return outlook(queries.fold(path, found.records), found.incident, playbook, None)


def playbook_of(incident: "Incident") -> "Playbook | None":
    """Return the playbook that the incident's run goes by; None where this version has another table."""
    from agent.shipped import load_playbooks  # noqa: PLC0415 - heavy, and --help does without

    table = load_playbooks().running(incident)
    return None if table is None else table.playbook


def _meanings(playbook: "Playbook | None") -> dict[tuple[str, str], str]:
    from agent.remediate.outlook import meanings  # noqa: PLC0415 - as above

    return {} if playbook is None else meanings(playbook)
