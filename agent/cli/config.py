"""`terrahash config`: check a configuration, or print its JSON Schema."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from agent.config import Problem, Settings

EXIT_PROBLEMS = 2


@click.group("config")
def config_group() -> None:
    """Check a configuration, or print its JSON Schema."""


@config_group.command(
    "check", epilog="Example: terrahash config check config.yaml && systemctl restart terrahash-agent"
)
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def check_command(ctx: click.Context, *, file: Path, as_json: bool) -> None:
    """Check the configuration FILE and its inventory; touch no device and fetch no secret.

    Prints what the site consists of, and every problem as file:line:column with what was expected, what came, and the
    remedy.

    Exit codes: 0 the configuration is good, perhaps with warnings; 2 it has problems.
    """
    from agent.config import ConfigError, load  # noqa: PLC0415 - pydantic and YAML take longer than `--help` should

    try:
        settings = load(file)
    except ConfigError as error:
        if as_json:
            _print_json({"ok": False, "problems": [_flat(p) for p in error.problems], "warnings": []})
        else:
            for problem in error.problems:
                click.echo(str(problem), err=True)
            click.echo(f"{_count(len(error.problems), 'problem')} in {file}", err=True)
        ctx.exit(EXIT_PROBLEMS)
    if as_json:
        warnings = [_flat(problem) for problem in settings.warnings]
        _print_json({"ok": True, "problems": [], "warnings": warnings, **_summary(settings)})
        return
    for problem in settings.warnings:
        click.echo(f"warning: {problem}", err=True)
    _print_summary(_summary(settings))


@config_group.command("schema", epilog="Example: terrahash config schema > config.schema.json")
@click.option("--json", "as_json", is_flag=True, help="Print it on one line; without this it is indented.")
def schema_command(*, as_json: bool) -> None:
    """Print the configuration's JSON Schema, for completion and checks in an editor.

    Name it in the first line of the configuration: # yaml-language-server: $schema=config.schema.json

    Exit codes: 0 printed.
    """
    from agent.config.schema import json_schema  # noqa: PLC0415 - as above

    click.echo(json.dumps(json_schema(), indent=None if as_json else 2))


def _summary(settings: "Settings") -> dict[str, Any]:
    site = settings.site
    families = Counter(str(miner.family) for miner in site.miners)
    return {
        "site": site.name,
        "mode": str(settings.mode),
        "trust": {
            playbook: {risk.name.lower(): str(mode) for risk, mode in modes.items()}
            for playbook, modes in settings.trust.items()
        },
        "miners": len(site.miners),
        "miners_by_family": dict(sorted(families.items())),
        "hashrate_th": round(sum(miner.hashrate_th for miner in site.miners), 3),
        "power_w": round(sum(miner.power_w for miner in site.miners), 1),
        "pdus": len(site.pdus),
        "outlets": sum(pdu.outlet_count for pdu in site.pdus),
        "protected_outlets": sorted(str(outlet) for outlet in site.protected),
        "switches": len(site.switches),
        "credentials": _credentials(settings),
        "ledger": str(settings.ledger),
        "fingerprint": settings.fingerprint,
    }


def _credentials(settings: "Settings") -> list[str]:
    """Return the names of all secrets the configuration refers to."""
    names = {login.credential for login in settings.logins.values()}
    for access in (*settings.pdu_access.values(), *settings.switch_access.values()):
        names |= {
            name
            for name in (access.community, access.write_community, access.auth_credential, access.priv_credential)
            if name is not None
        }
    return sorted(names)


def _print_summary(summary: dict[str, Any]) -> None:
    families = ", ".join(f"{count} {family}" for family, count in summary["miners_by_family"].items())
    rows = {
        "site": summary["site"],
        "mode": summary["mode"],
        "miners": f"{summary['miners']} ({families}), nominal {summary['hashrate_th'] / 1000:.2f} PH/s, "
        f"{summary['power_w'] / 1000:.1f} kW",
        "pdus": f"{summary['pdus']} with {_count(summary['outlets'], 'outlet')}",
        "protected": ", ".join(summary["protected_outlets"]) or "no outlet",
        "switches": str(summary["switches"]),
        "credentials": ", ".join(summary["credentials"]) or "none",
        "ledger": summary["ledger"],
        "fingerprint": summary["fingerprint"],
    }
    for name, text in rows.items():
        click.echo(f"{name:<12} {text}")


def _flat(problem: "Problem") -> dict[str, Any]:
    place = asdict(problem.place)
    return {**place, "path": problem.path, "expected": problem.expected, "got": problem.got, "remedy": problem.remedy}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
