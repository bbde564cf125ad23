"""What a device's API on TCP 4028 says of who it is."""

from agent.codecs import cgminer
from agent.drivers.miners.connection import request

READ_DEADLINE_S = 5.0
REPLY_LIMIT_BYTES = 65_536
MAX_MAC_CHARS = 32
"""What is kept of what a device calls its hardware address."""


async def told_mac(endpoint: tuple[str, int], command: str, field: str) -> str | None:
    """Return the hardware address that the answer to a command has in that field; None where it has none.

    Raises as `request` does, and CodecError where the answer is none.
    """
    wanted = f'{{"command":"{command}"}}'.encode()
    reply = await request(endpoint, wanted, deadline_s=READ_DEADLINE_S, limit_bytes=REPLY_LIMIT_BYTES)
    section = cgminer.decode(reply).get(command)
    told = None if section is None else section.widest.get(field)
    return told[:MAX_MAC_CHARS] if isinstance(told, str) else None
