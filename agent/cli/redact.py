"""Keeps secrets out of everything the agent prints: the register of secret values, and the text that is freed of them.

Pure text; the log pipeline that applies it is `agent.cli.logs`. The register is one for the process, as the log is.
"""

import base64
import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING
from urllib.parse import quote

from agent.model.errors import PolicyError

if TYPE_CHECKING:
    from agent.drivers.net import Credentials

REDACTED = "[redacted]"

_SENSITIVE_KEY = re.compile(r"passw(or)?d|passphrase|secret|token|community|api_?key|(auth|priv|private)_?key", re.I)
_MAX_DEPTH = 6
MOST_CHARS = 16_000
"""Of one text in the log; a traceback has room."""
_TEXT = str | bytes | bytearray | memoryview
_PLAIN = int | float | None
_WHOLE_WORD_BELOW = 5
"""A shorter secret is blotted out as a whole word only, or half the log would go with it."""


class _Register:
    """The known secrets, and one pattern that finds every form of them. Replaced as a whole, so any thread may read."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        if not value or value in self._secrets:
            return
        self._secrets |= {value}
        forms = {form for secret in self._secrets for form in _written_forms(secret)}
        self._pattern = re.compile("|".join(_as_pattern(form) for form in sorted(forms, key=len, reverse=True)))

    def scrub(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text


def _written_forms(secret: str) -> set[str]:
    """The secret as it stands in plain text, in JSON, in a Python repr of text or bytes, in a URL, and in a login.

    A device that repeats a request repeats its login as that was encoded: in Base64, wherever the secret begins in
    what is encoded, or in hexadecimal digits. What is so short then that it could be a word is no form.
    """
    raw = secret.encode(errors="surrogatepass")
    as_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    encoded = [raw.hex(), raw.hex().upper(), *(_in_base64(raw, before) for before in range(3))]
    as_login = {form for form in encoded if len(form) >= _WHOLE_WORD_BELOW}
    return as_json | as_login | {secret, repr(secret)[1:-1], repr(raw)[2:-1], quote(raw, safe="")}


def _in_base64(raw: bytes, before: int) -> str:
    """Return the characters that tell of these bytes alone, where so many of the three before them are another's."""
    whole = base64.b64encode(bytes(before) + raw).decode()
    first, last = -(-before * 4 // 3), (before + len(raw)) * 4 // 3
    return whole[first:last]


def _as_pattern(form: str) -> str:
    escaped = re.escape(form)
    return rf"(?<!\w){escaped}(?!\w)" if len(form) < _WHOLE_WORD_BELOW else escaped


_register = _Register()


def register_secret(value: str) -> None:
    """Make `value` unprintable from now on. An empty value is no secret."""
    _register.add(value)


def scrub(text: str) -> str:
    """Return the text with every registered secret replaced, in any form it could have been written."""
    return _register.scrub(text)


def scrub_value(value: object, depth: int = 0) -> object:
    """Return a value fit for the log: secrets and values under telling keys replaced, depth and length bounded.

    Mappings, sequences and sets are walked; numbers pass unless they spell a secret; anything else becomes its repr.
    """
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {scrub(str(key)): scrub_item(str(key), item, depth + 1) for key, item in value.items()}
        if isinstance(value, Sequence | Set) and not isinstance(value, _TEXT):
            return [scrub_value(item, depth + 1) for item in value]
    text = _text(value)
    clean = _unsteering(scrub(text))
    return value if clean == text and isinstance(value, _PLAIN) else clean


def _unsteering(text: str) -> str:
    """Return the text, at most so long, with everything escaped that could steer a terminal: devices are quoted."""
    text = text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(errors="backslashreplace")
    return repr(value)


def scrub_item(key: str, value: object, depth: int = 0) -> object:
    """Return the value to log under `key`: nothing of it where the key itself tells of a secret."""
    return REDACTED if _SENSITIVE_KEY.search(key) and value is not None else scrub_value(value, depth)


class _Redacting:
    """Credentials whose every secret is registered before anybody holds it."""

    def __init__(self, inner: "Credentials") -> None:
        self._inner = inner

    def get(self, name: str) -> str:
        """Return the secret of that name; raises PolicyError naming the missing credential."""
        value = self._inner.get(name)
        register_secret(value)
        return value


def redact(credentials: "Credentials", named: Iterable[str] = ()) -> "Credentials":
    """Return the same credentials, each value registered as a secret when it is handed out.

    Those that are `named` are registered at once: a device may repeat what it was sent before this process began. Of
    one that is missing tells whoever needs it.
    """
    redacting = _Redacting(credentials)
    for name in named:
        with contextlib.suppress(PolicyError):
            redacting.get(name)
    return redacting
