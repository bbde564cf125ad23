"""The types of single values in a configuration: numbers, names, addresses, outlets. Each says what it expects.

A text where a number belongs is refused rather than converted, so that `10 s` never becomes 10 of something else.
"""

import re
from base64 import b64decode
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, AllowInfNan, BeforeValidator, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from agent.config.wording import Expect
from agent.model.ids import PduId, SwitchId
from agent.model.topology import Outlet, Port

MAX_OUTLETS = 512
"""Outlets of the largest PDU (a daisy chain counts as one)."""

MAX_PORTS = 4096
"""Highest port number of a switch; stacks number their ports in the thousands."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CREDENTIAL = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LOOKS_LIKE_ADDRESS = re.compile(r"[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")
_RANGE = re.compile(r"([0-9]{1,4})(?:\s*-\s*([0-9]{1,4}))?")
_OF_DEVICE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})/([1-9][0-9]{0,3})")
_MAC_SEPARATORS = re.compile(r"[:.-]")
_MAC = re.compile(r"[0-9a-f]{12}")


_SHA256 = re.compile(r"[0-9a-f]{64}")

HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
)
MAX_HOST_KEY_BYTES = 4096


def refuse(remedy: str) -> PydanticCustomError:
    """Return the error a validator raises; its message is the remedy."""
    return PydanticCustomError("refused", "{remedy}", {"remedy": remedy})


def _text_of_whole(value: object) -> object:
    # An unquoted 12 is a fine name; 1.10 is not, for YAML has already dropped its zero.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def is_id(text: str) -> bool:
    """Tell whether the text can name a device."""
    return _ID.fullmatch(text) is not None


def _id(value: str) -> str:
    if not is_id(value):
        raise refuse("choose a name of letters, digits, dots, dashes and underscores, 64 at most")
    return value


def _label(value: str) -> str:
    text = value.strip()
    if len(text) > 64 or not text.isprintable():
        raise refuse("shorten it to 64 printable characters")
    return text


def _path(value: str) -> str:
    if not value or len(value) > 4096 or not value.isprintable():
        raise refuse("write a path of printable characters")
    return value


def _credential(value: str) -> str:
    if not _CREDENTIAL.fullmatch(value):
        raise refuse(
            "name the secret here, in lower-case letters, digits, - and _; the secret itself is kept elsewhere"
        )
    return value


def _sha256(value: str) -> str:
    text = value.strip().lower()
    if not _SHA256.fullmatch(text):
        raise refuse("write the 64 hexadecimal digits that `sha256sum FILE` prints")
    return text


def _host_key(value: str) -> str:
    words = value.split()
    if len(words) < 2 or words[0] not in HOST_KEY_TYPES:
        raise refuse("write a line that `ssh-keyscan HOST` prints, without the host: ssh-ed25519 AAAA…")
    try:
        blob = b64decode(words[1], validate=True)
    except ValueError:
        blob = b""
    name = words[0].encode()
    if blob[: 4 + len(name)] != len(name).to_bytes(4, "big") + name or len(blob) > MAX_HOST_KEY_BYTES:
        raise refuse("write the whole key, as `ssh-keyscan HOST` prints it; this one is cut off or damaged")
    return f"{words[0]} {words[1]}"


def _worker(value: str) -> str:
    text = value.strip()
    rest = text.replace("{miner}", "")
    if not text or len(text) > 64 or not text.isprintable() or any(c in "{} " for c in rest):
        raise refuse("write it without spaces, with {miner} where the miner's id belongs, such as site.{miner}")
    return text


def _host(value: str) -> str:
    text = value.strip()
    if _LOOKS_LIKE_ADDRESS.fullmatch(text):
        try:
            address = ip_address(text)
        except ValueError:
            raise refuse("write four numbers from 0 to 255 without leading zeros, such as 10.20.1.5") from None
        if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
            raise refuse("write the address of one device")
        return str(address)
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise refuse("write it without scheme, port or spaces, such as 10.20.1.5 or miner-7.site")
    return text.removesuffix(".").lower()


def _mac(value: str) -> str:
    digits = _MAC_SEPARATORS.sub("", value.strip().lower())
    if not _MAC.fullmatch(digits):
        raise refuse("write six pairs of hexadecimal digits, such as 02:54:48:01:01:07")
    if digits == "0" * 12 or int(digits[:2], 16) & 1:
        raise refuse("write the address of one network card; this one is nobody's or a group's")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _refuse_too_many(items: list[Any], most: int = MAX_OUTLETS) -> None:
    if len(items) > most:
        raise refuse(f"write at most {most}")


def _numbers(value: object, most: int = MAX_OUTLETS) -> object:
    """Return numbers from `1-8, 12`, a number, or a list of both; sorted as written, each once."""
    items: list[Any] = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else [value]
    numbers: dict[int, None] = {}
    _refuse_too_many(items, most)
    for item in items:
        match = _RANGE.fullmatch(item.strip() if isinstance(item, str) else str(item))
        if match is None or isinstance(item, bool):
            raise refuse('write numbers and ranges, such as [1, 2, 5] or "1-8, 12"')
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= most:
            raise refuse(f"write numbers from 1 to {most}, the smaller one first")
        numbers.update(dict.fromkeys(range(first, last + 1)))
    return tuple(numbers)


def _outlets(value: object) -> object:
    items: list[Any] = value if isinstance(value, list) else re.split(r"[\s,;]+", str(value).strip())
    outlets = []
    _refuse_too_many(items)
    for item in items:
        match = _OF_DEVICE.fullmatch(item.strip()) if isinstance(item, str) else None
        if match is None:
            raise refuse("write PDU and outlet, such as pdu-a/3, or pdu-a/3 pdu-a/4 for two")
        outlet = Outlet(PduId(match[1]), int(match[2]))
        if outlet in outlets:
            raise refuse(f"write {outlet} once")
        outlets.append(outlet)
    return tuple(outlets)


def _port(value: object) -> object:
    match = _OF_DEVICE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise refuse("write switch and port, such as sw-1/12")
    return Port(SwitchId(match[1]), int(match[2]))


Number = Annotated[float, Strict(), AllowInfNan(False)]
Whole = Annotated[int, Strict()]
Id = Annotated[
    str,
    BeforeValidator(_text_of_whole, json_schema_input_type=str | int),
    AfterValidator(_id),
    Expect("a name as text"),
]
Label = Annotated[
    str,
    BeforeValidator(_text_of_whole, json_schema_input_type=str | int),
    AfterValidator(_label),
    Expect("text"),
]
CredentialName = Annotated[str, AfterValidator(_credential), Expect("the name of a credential")]
FilePath = Annotated[str, AfterValidator(_path), Expect("the path of a file")]
Host = Annotated[str, AfterValidator(_host), Expect("an IP address or a host name")]
Truth = Annotated[bool, Strict(), Expect("true or false")]
Worker = Annotated[str, AfterValidator(_worker), Expect("a worker's name")]
Sha256 = Annotated[str, AfterValidator(_sha256), Expect("a file's SHA-256")]
HostKey = Annotated[str, AfterValidator(_host_key), Expect("a public host key such as ssh-ed25519 AAAA…")]
Mac = Annotated[str, AfterValidator(_mac), Expect("a MAC address")]
OutletNumbers = Annotated[
    tuple[int, ...],
    BeforeValidator(_numbers),
    Expect("outlet numbers"),
    WithJsonSchema(
        {
            "description": 'Numbers and ranges: [1, 2, 5] or "1-8, 12".',
            "anyOf": [
                {"type": "string"},
                {"type": "integer", "minimum": 1, "maximum": MAX_OUTLETS},
                {"type": "array", "items": {"type": ["integer", "string"]}},
            ],
        }
    ),
]
PortNumbers = Annotated[
    tuple[int, ...],
    BeforeValidator(lambda value: _numbers(value, MAX_PORTS)),
    Expect("port numbers"),
    WithJsonSchema(
        {
            "description": 'Numbers and ranges: [1, 2, 5] or "1-8, 12".',
            "anyOf": [
                {"type": "string"},
                {"type": "integer", "minimum": 1, "maximum": MAX_PORTS},
                {"type": "array", "items": {"type": ["integer", "string"]}},
            ],
        }
    ),
]
OutletRefs = Annotated[
    tuple[Outlet, ...],
    BeforeValidator(_outlets),
    Expect("outlets such as pdu-a/3"),
    WithJsonSchema(
        {
            "description": "PDU and outlet, pdu-a/3; several as a list or separated by spaces.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        }
    ),
]
PortRef = Annotated[
    Port,
    BeforeValidator(_port),
    Expect("a switch port such as sw-1/12"),
    WithJsonSchema({"type": "string", "description": "Switch and port, sw-1/12.", "pattern": "^[^/]+/[0-9]+$"}),
]
