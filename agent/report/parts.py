"""What pages of HTML are put together from: the files that come with them, and what they forbid the browser."""

import base64
import hashlib
from functools import cache
from importlib.resources import files


@cache
def part(name: str) -> str:
    """Return a file of this package as text."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def policy(*scripts: str) -> str:
    """Return the content security policy: nothing is loaded from anywhere, and no script runs but these."""
    allowed = " ".join(map(_hash, scripts)) or "'none'"
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; img-src data:"


def _hash(script: str) -> str:
    """Return what a content security policy knows a script by."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
