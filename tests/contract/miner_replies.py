"""Replies of every family for the contract tests, and ways to spoil them."""

import json
from typing import Any

from agent.drivers.miners import MinerDriver, MinerLogin, miner_drivers
from agent.drivers.net import DirectDialer
from agent.model.errors import PolicyError
from agent.model.topology import Family
from benchmarks.canned import COMMANDS, answer

LOGINS = {
    Family.ANTMINER_STOCK: MinerLogin("root", "antminer-web"),
    Family.WHATSMINER: MinerLogin("admin", "whatsminer-api"),
}


class NoSecrets:
    """Credentials of a site that was given none."""

    def get(self, name: str) -> str:
        raise PolicyError(f"credential {name!r} is missing")


DRIVERS: dict[Family, MinerDriver] = dict(miner_drivers(DirectDialer(), NoSecrets(), LOGINS))


def command(family: Family) -> str:
    """The joined command of the family's poll."""
    return str(json.loads(DRIVERS[family].request)["command"])


def reply(family: Family) -> bytes:
    """A healthy reply, without its NUL."""
    return answer(COMMANDS[family](), command(family)).rstrip(b"\0")


def document(family: Family) -> Any:
    """A healthy reply as an object of its own."""
    return json.loads(reply(family))


def encode(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
