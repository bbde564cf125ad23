"""`terrahash incidents`: list them, or show one with all that was seen, judged and done."""

import sys
from pathlib import Path

import click

from agent.cli.options import ledger_options, ledger_path, no_such_incident, since_option
from agent.cli.output import check_place, write_whole
from agent.cli.replay_source import exported
from agent.ledger import queries
from agent.ledger.queries import History
from agent.model.events import Closed, Escalated
from agent.model.ids import IncidentId
from agent.model.incident import LOGS, OWN, Category, Incident
from agent.report.needed import needed
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, duration, instant, later, named, pairs, spelt
from agent.report.timeline import tell


@click.group("incidents")
def incidents_group() -> None:
    """List incidents, show one with all that was done, or export it as one file.

    Reads the ledger beside a running agent or without one, and never writes.
    """


@incidents_group.command("list", epilog="Example: terrahash incidents list --open --category stuck --since 24h")
@ledger_options
@click.option("--open", "only_open", is_flag=True, help="Only those that still want something.")
@click.option("--category", type=click.Choice([c.value for c in Category]), help="Only this category.")
@since_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
@click.pass_context
def list_command(
    ctx: click.Context,
    *,
    ledger: Path | None,
    config: Path | None,
    only_open: bool,
    category: str | None,
    since: float | None,
    as_json: bool,
) -> None:
    """List incidents, the oldest first.

    Exit codes: 0 some matched; 1 none did; 2 usage, or the ledger cannot be read.
    """
    path = ledger_path(ledger, config)
    wanted = None if category is None else Category(category)
    found = queries.incidents(path, only_open=only_open, category=wanted, since=since)
    if as_json:
        write_json(found, sys.stdout)
    elif found:
        show([_listing(found)], sys.stdout)
    else:
        click.echo(f"no incident in {path} matches", err=True)
    if not found:
        ctx.exit(1)


@incidents_group.command("show", epilog="Example: terrahash incidents show inc-000001")
@click.argument("incident_id", metavar="INCIDENT")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
@click.pass_context
def show_command(
    ctx: click.Context, *, incident_id: str, ledger: Path | None, config: Path | None, as_json: bool
) -> None:
    """Show one incident: how it stands, and its events in order.

    Exit codes: 0 shown; 1 there is none of that id; 2 usage, or the ledger cannot be read.
    """
    path = ledger_path(ledger, config)
    found = queries.history(path, IncidentId(incident_id))
    if found is None:
        no_such_incident(ctx, incident_id, path)
    if as_json:
        write_json({"incident": found.incident, "ticket": _asked(found), "timeline": found.records}, sys.stdout)
    else:
        show([_standing(found.incident), *_ticket(found), _timeline(found)], sys.stdout)


@incidents_group.command(
    "export", epilog="Example: terrahash incidents export inc-000001 -c config.yaml > incident.zip"
)
@click.argument("incident_id", metavar="INCIDENT")
@ledger_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it there.  [default: stdout]"
)
@click.pass_context
def export_command(
    ctx: click.Context, *, incident_id: str, ledger: Path | None, config: Path | None, output: Path | None
) -> None:
    """Write one incident as one file that `terrahash replay FILE` shows on any machine.

    It holds the ledger up to the incident's end with its hash chain, the recording, configuration and topology. No
    secret is in it, but whatever the ledger says of other incidents is: names of miners, addresses, pools.

    Exit codes: 0 written; 1 there is none of that id; 2 usage, or the ledger cannot be read.
    """
    if output is not None:
        check_place("--output", output)
    elif sys.stdout.isatty():
        raise click.UsageError("an archive is no text for a terminal: write it to a file, with > FILE or -o FILE")
    path = ledger_path(ledger, config)
    content = exported(path, IncidentId(incident_id))
    if content is None:
        no_such_incident(ctx, incident_id, path)
    if output is not None:
        write_whole(output, content)
    else:
        sys.stdout.buffer.write(content)


def _listing(found: list[Incident]) -> Table:
    rows = [
        (
            incident.id,
            instant(incident.detected_at),
            incident.category.value,
            incident.cause,
            str(incident.severity.value),
            _members(incident),
            _state(incident),
            _took(incident),
            _tried(incident),
        )
        for incident in found
    ]
    still_open = sum(incident.is_open for incident in found)
    headers = ("incident", "detected", "category", "cause", "sev", "miners", "state", "took", "tried")
    note = f"{len(found)} incident{'' if len(found) == 1 else 's'}, {still_open} open"
    return Table("", headers, rows, frozenset(("sev", "took")), (note,))


def _standing(incident: Incident) -> Table:
    run = incident.run
    rows = [
        ("category", f"{incident.category}, {incident.cause}, severity {incident.severity.value}"),
        ("miners", named(incident.members) or OWN),
        ("state", _state(incident)),
        ("detected", instant(incident.detected_at)),
        ("first action", _after(incident, incident.remediation_started_at)),
        ("mitigated", _after(incident, incident.mitigated_at)),
        ("resolved", _after(incident, incident.resolved_at)),
        ("excused", duration(incident.excused_s)),
        ("relapses", str(incident.relapses)),
        ("playbook", NOTHING if run is None else f"{run.playbook}: {' → '.join(run.path)}"),
        ("tried", _tried(incident)),
        ("evidence", pairs(incident.evidence) or NOTHING),
    ]
    if incident.escalated_at is not None:
        rows.insert(5, ("escalated", f"{_after(incident, incident.escalated_at)}: {incident.escalation_reason}"))
    return Table(f"Incident {incident.id}", ("", ""), rows)


def _asked(found: History) -> Escalated | Closed | None:
    """Return the event that last asked a person, or left him something to do; None if none did."""
    events = [record.event for record in found.records]
    asks = (e for e in reversed(events) if isinstance(e, Escalated) or (isinstance(e, Closed) and e.leaves))
    return next(asks, None)


def _ticket(found: History) -> list[Table]:
    """Return what a person was asked for and told, an entry a line; nothing that is not known."""
    asked = _asked(found)
    if asked is None:
        return []
    known = {key: value for key, value in asked.evidence.items() if value is not None and key != LOGS}
    if isinstance(asked, Closed):
        rows = [("left to do", asked.leaves)]
    else:
        tried = ((f"tried {place}", words) for place, words in enumerate(asked.tried, start=1))
        rows = [("needed", needed(asked.reason)), ("asked for", asked.reason), *tried]
    rows += [(key, spelt(value)) for key, value in known.items()]
    return [Table("Ticket", ("", ""), rows)]


def _timeline(found: History) -> Table:
    start = found.incident.detected_at
    rows = [
        (
            instant(record.at),
            later(record.at - start),
            record.actor.value,
            str(record.event.__struct_config__.tag),
            tell(record.event),
        )
        for record in found.records
    ]
    return Table("Timeline", ("time", "after", "by", "event", "what"), rows, frozenset(("after",)))


def _state(incident: Incident) -> str:
    return incident.phase.value if incident.is_open else incident.outcome.value


def _members(incident: Incident) -> str:
    first, *others = incident.members or (OWN,)
    return f"{first} +{len(others)}" if others else first


def _took(incident: Incident) -> str:
    return NOTHING if incident.resolved_at is None else duration(incident.resolved_at - incident.detected_at)


def _tried(incident: Incident) -> str:
    return ", ".join(f"{a.verb} {'in flight' if a.result is None else a.result}" for a in incident.attempts) or NOTHING


def _after(incident: Incident, at: float | None) -> str:
    return NOTHING if at is None else f"{instant(at)}, {duration(at - incident.detected_at)} after detection"
