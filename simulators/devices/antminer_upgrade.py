"""How a stock Antminer takes firmware on its upgrade page: a signed image in a form, written while the request lasts.

Source: facts "miners", section 6. Its words for a refusal are an estimate.
"""

import asyncio
import re

from simulators.devices.host import MinerHost
from simulators.plant.flash import Check, Phase
from simulators.plant.image import ImageShelf
from simulators.plant.system import RESTARTS_S

FIELDS = frozenset({"firmware", "datafile", "file"})
"""What clients call the part with the image."""

LOOK_EVERY_S = 1.0
MAX_PARTS = 8

_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'name="([^"\r\n]{1,64})"', re.IGNORECASE)

Verdict = tuple[str, str, str]
"""`stats`, `code` and `msg` of the page's answer."""


def uploaded(content_type: str, body: bytes) -> bytes | None:
    """Return the image in a multipart form; None where there is none."""
    match = _BOUNDARY.search(content_type)
    if match is None or not content_type.lower().startswith("multipart/form-data"):
        return None
    fence = b"--" + match[1].encode("latin-1", "replace")
    for part in body.split(fence, MAX_PARTS)[1:]:
        head, blank, data = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if blank and name is not None and name[1].decode("latin-1") in FIELDS:
            return data.removesuffix(b"\r\n")
    return None


async def upgraded(host: MinerHost, images: ImageShelf, image: bytes | None, *, resets: bool) -> Verdict:
    """Flash an image and return, when it is written or refused, what the page says."""
    if not image:
        return "error", "U000", "Find upgrade file failed!"
    system = host.plant.system
    refused = system.flash(host.now(), images.of(image), check=Check.SIGNATURE, restarts_in_s=RESTARTS_S, resets=resets)
    if refused:
        return "error", "U001", f"Upgrade failed: {refused}!"
    flashing = system.flashing
    while flashing is not None and flashing.record.under_way:
        await asyncio.sleep(LOOK_EVERY_S)
        host.now()
        host.settle()
    if flashing is not None and flashing.record.phase is Phase.DONE:
        return "success", "U000", "OK!"
    return "error", "U002", f"Upgrade failed: {flashing.refused if flashing is not None else 'interrupted'}!"
