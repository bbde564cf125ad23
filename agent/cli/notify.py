"""`terrahash notify test`: sends a trial message through the configured channels, and says what became of each."""

from pathlib import Path

import click

from agent.cli.redact import redact, scrub
from agent.clock import Clock
from agent.config import load
from agent.config.credentials import SystemCredentials
from agent.model.errors import AgentError, PolicyError
from agent.notify.channels import send
from agent.notify.message import trial


@click.group("notify")
def notify_group() -> None:
    """Try the channels through which people are told."""


@notify_group.command("test", epilog="Example: terrahash notify test -c config.yaml --channel oncall")
@click.option(
    "-c",
    "--config",
    "config_path",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The site's configuration.",
)
@click.option("--channel", metavar="ID", help="Try this one alone.")
def test_command(*, config_path: Path, channel: str | None) -> None:
    """Send a trial message through every channel of the configuration, once each.

    Exit codes: 0 every one was taken; 1 one was not; 2 configuration or channel refused.
    """
    settings = load(config_path)
    chosen = [c for c in settings.notify if channel is None or c.id == channel]
    if not chosen:
        known = ", ".join(c.id for c in settings.notify) or "none; add one under `notify`"
        raise PolicyError(f"expected a channel of the configuration; it has {known}")
    credentials, message, failed = redact(SystemCredentials()), trial(settings.site.name), False
    for one in chosen:
        try:
            send(one, message, credentials, Clock.real().now())
        except AgentError as error:
            failed = True
            click.echo(f"{one.id}: not sent: {scrub(str(error))}")
        else:
            click.echo(f"{one.id}: sent")
    if failed:
        raise SystemExit(1)
