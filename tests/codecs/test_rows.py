"""The two ways a reply is read, whole and field by field, tell the same."""

from typing import Any

import pytest

from agent.model.telemetry import Telemetry
from agent.model.topology import Family
from tests.contract.miner_replies import DRIVERS, document, encode


def spoilt_elsewhere(content: Any) -> Any:
    """The same reply with one thing amiss that no field is read from: it is read field by field."""
    content["pools"].append({"POOLS": "amiss"})
    return content


IMPOSSIBLE = (-1, 1e19, 1e300, "nan", [1], {})
TEXTS = ("URL", "User")
"""Fields that any text is possible in."""
VALUES = (None, True, 0, 5, 5.5, 1e7, "", "5", "Alive", *IMPOSSIBLE)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("section", ["summary", "pools"])
def test_read_whole_and_field_by_field_a_reply_tells_the_same(family: Family, section: str) -> None:
    (key,) = document(family)[section][0].keys() - {"STATUS", "id"}

    def told(name: str, value: object, *, whole: bool) -> Telemetry:
        content = document(family)
        content[section][0][key][0][name] = value
        return DRIVERS[family].decode(encode(content if whole else spoilt_elsewhere(content)))

    for name in document(family)[section][0][key][0]:
        for value in VALUES:
            assert told(name, value, whole=True) == told(name, value, whole=False), (name, value)
        for value in IMPOSSIBLE:
            if name in TEXTS and isinstance(value, str):
                continue
            assert told(name, value, whole=False) == told(name, None, whole=True), (name, value)
