"""`terrahash images`: how each firmware image fared, and the word of a person that releases a frozen one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.api.images import SHOWN_DIGITS, Released, ReleaseOrder, meant
from agent.cli.daemon import NotRunningError, ask
from agent.cli.options import ledger_options, ledger_path
from agent.ledger.queries import fold
from agent.ledger.reader import read
from agent.model.ids import ImageId
from agent.report.table import Table, show, write_json
from agent.report.text import NOTHING, instant

if TYPE_CHECKING:
    from agent.ledger.fold import State


@click.group("images")
def images_group() -> None:
    """List the firmware images that were put into miners, or release one that is frozen.

    An image is frozen, durably, when a flash of it did not end well: no further miner gets it, and the miner it befell
    is left alone with its power on, until a person has looked.
    """


@images_group.command("list", epilog="Example: terrahash images list -c config.yaml")
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in UTC seconds.")
@click.pass_context
def list_command(ctx: click.Context, *, ledger: Path | None, config: Path | None, as_json: bool) -> None:
    """List images: those of the configuration, where one is named, and all that the ledger knows of.

    Exit codes: 0 none is frozen; 1 one is; 2 usage, or the ledger cannot be read.
    """
    labels = _labels(config)
    path = ledger_path(ledger, config)
    state = fold(path, read(path))
    flashes = state.flashes.values()
    images = dict.fromkeys([*labels, *state.proven, *state.frozen, *(f.image for f in flashes)])
    if as_json:
        found = [
            {
                "image": image,
                "is": labels.get(image, ""),
                "proven": sorted(state.proven.get(image, ())),
                "under_way": sorted(f.miner for f in flashes if f.image == image),
                "frozen": state.frozen.get(image),
            }
            for image in images
        ]
        write_json(found, sys.stdout)
    elif images:
        headers = ("image", "is", "proven on", "under way", "frozen by")
        show([Table("", headers, [_row(image, labels.get(image, NOTHING), state) for image in images])], sys.stdout)
    else:
        click.echo(f"no image in {path}", err=True)
    if state.frozen:
        ctx.exit(1)


@images_group.command("release", epilog="Example: terrahash images release 3f1c20ab -c config.yaml")
@click.argument("digits", metavar="SHA256")
@ledger_options
def release_command(*, digits: str, ledger: Path | None, config: Path | None) -> None:
    """Release an image: no flash of it goes on any more, and it may be used again. Its first digits are enough.

    It is a person's word that the miner it happened to was looked at: from then on that one may be restarted and
    switched off again. Miners that had waited for the image get their turn. An agent that runs is told; the ledger of
    one that does not run is written to, and the next one goes by it.

    Exit codes: 0 released; 2 usage, no such image is frozen or under way, or a flash of it goes on.
    """
    path = ledger_path(ledger, config)
    try:
        done = ask(path, "POST", "/images/release", Released, ReleaseOrder(digits[:64]))
    except NotRunningError:
        done = _write(path, digits)
    click.echo(f"released {done.image}")
    if done.again:
        click.echo(f"taken up again: {', '.join(done.again)}")


def _write(path: Path, digits: str) -> Released:
    """Release it in the ledger itself. Raises PolicyError where an agent owns that, or no image fits."""
    import asyncio  # noqa: PLC0415 - listing does without the event loop

    from agent.clock import Clock  # noqa: PLC0415
    from agent.ledger.store import Ledger  # noqa: PLC0415
    from agent.model.events import Actor, ImageReleased  # noqa: PLC0415

    async def write() -> Released:
        clock = Clock.real()
        ledger = Ledger.open(path, clock, threaded=False)
        try:
            records = list(ledger.records())
            state = fold(path, records)
            image = meant(state, digits)
            clock.not_before(max((record.at for record in records), default=0.0))
            again = tuple(incident.id for incident in state.waiting_for(image))
            await ledger.append([ImageReleased(image=image)], Actor.OPERATOR)
            return Released(image, again)
        finally:
            await ledger.close()

    return asyncio.run(write())


def _labels(config: Path | None) -> dict[ImageId, str]:
    if config is None:
        return {}
    from agent.config import load  # noqa: PLC0415 - pydantic and YAML, only where a configuration is read

    return {i.sha256: f"{i.family} {i.version} for {', '.join(i.models)}" for i in load(config).site.images}


def _row(image: ImageId, label: str, state: "State") -> tuple[str, ...]:
    frozen = state.frozen.get(image)
    return (
        image[:SHOWN_DIGITS],
        label,
        str(len(state.proven.get(image, ()))),
        ", ".join(sorted(f.miner for f in state.flashes.values() if f.image == image)) or NOTHING,
        NOTHING if frozen is None else f"{frozen.miner}, {frozen.incident}, {instant(frozen.at)}",
    )
