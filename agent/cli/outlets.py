"""`terrahash outlets`: which outlets are known to feed whom, and a person's word where one was found to be wrong."""

import sys
from pathlib import Path

import click

from agent.api.outlets import OutletMap, TrustOrder, outlet_map_of
from agent.cli.daemon import NotRunningError, ask
from agent.cli.options import ledger_options, ledger_path
from agent.ledger.queries import fold
from agent.ledger.reader import read
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, named


@click.group("outlets")
def outlets_group() -> None:
    """List which outlets are known to feed which miner, or take a PDU's outlet map out of doubt.

    The first power cycle on an outlet is its proof. Where another miner loses its power, the outlet is switched on
    again at once, and no outlet of that PDU that is not proven is used until a person has looked.
    """


@outlets_group.command("list", epilog="Example: terrahash outlets list -c config.yaml")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_command(ctx: click.Context, *, ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """List the PDUs whose outlet map is in doubt, and the outlets that a power cycle has proven.

    Exit codes: 0 no map is in doubt; 1 one is; 2 usage, or the ledger cannot be read.
    """
    path = ledger_path(ledger, config)
    try:
        found = ask(path, "GET", "/outlets", OutletMap)
    except NotRunningError:
        found = outlet_map_of(fold(path, read(path)))
    if as_json:
        write_json(found, sys.stdout)
    else:
        show([_doubted(found), _proven(found)], sys.stdout)
    if found.doubted:
        ctx.exit(1)


@outlets_group.command("trust", epilog='Example: terrahash outlets trust c1-p1 --why "cords 2 and 3 put right"')
@click.argument("pdu", metavar="PDU")
@click.option("--why", required=True, help="What was found and done, for the ledger.")
@ledger_options
def trust_command(*, pdu: str, why: str, ledger: Path | None, config: Path | None) -> None:
    """Say that a PDU's cords are where the inventory has them. Correct the inventory, or the cords, first.

    Its outlets are used again from then on; what is not proven yet is proven at its next use.

    Exit codes: 0 done; 2 usage, its map is not in doubt, or no agent is running.
    """
    ask(ledger_path(ledger, config), "POST", "/outlets/trust", OutletMap, TrustOrder(pdu, why))
    click.echo(f"{pdu}: its outlets are used again")


def _doubted(found: OutletMap) -> Table:
    rows = [(d.pdu, d.incident, d.miner, " ".join(d.outlets), named(d.fell) or NOTHING) for d in found.doubted]
    return Table("in doubt", ("pdu", "incident", "meant for", "switched off", "fell instead"), rows or [(NOTHING,) * 5])


def _proven(found: OutletMap) -> Table:
    rows = [(p.pdu, str(p.outlet), p.miner) for p in found.proven]
    return Table("proven", ("pdu", "outlet", "feeds"), rows or [(NOTHING,) * 3])
