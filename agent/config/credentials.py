"""Where secrets come from: systemd's credential directory, else the environment. No message repeats a value."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import structlog

from agent.config.files import read_bounded
from agent.model.errors import PolicyError

MAX_SECRET_BYTES = 4096

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

_log = structlog.get_logger(__name__)


def variable_of(name: str) -> str:
    """Return the environment variable that may hold the credential `name`."""
    return f"TERRAHASH_CREDENTIAL_{name.upper().replace('-', '_')}"


class SystemCredentials:
    """Reads each secret once: `$CREDENTIALS_DIRECTORY/NAME` (systemd's LoadCredential), else its variable."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._known: dict[str, str] = {}

    def __repr__(self) -> str:
        return "SystemCredentials()"

    def get(self, name: str) -> str:
        """Return the secret of that name, without its trailing line break; raises PolicyError where there is none."""
        if not _NAME.fullmatch(name):
            raise PolicyError("expected a credential's name in lower-case letters, digits, - and _; correct the name")
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> str:
        folder = self._environ.get("CREDENTIALS_DIRECTORY", "")
        secret = _from_file(Path(folder) / name, name) if folder else None
        if secret is None:
            secret = self._environ.get(variable_of(name))
        if secret is None:
            file = f"a file {folder}/{name}" if folder else "a $CREDENTIALS_DIRECTORY"
            raise PolicyError(
                f"expected the credential {name!r}, got neither {file} nor ${variable_of(name)}; under systemd add "
                f"LoadCredential={name}:/path/to/its/file to the unit, elsewhere set {variable_of(name)}"
            )
        secret = secret.rstrip("\r\n")
        if not secret or "\0" in secret:
            raise PolicyError(f"expected text in the credential {name!r}, got none; set it again")
        return secret


def _from_file(path: Path, name: str) -> str | None:
    try:
        data, mode = read_bounded(path, MAX_SECRET_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PolicyError(f"expected the credential {name!r} in {path}, got: {error.strerror}; set it again") from None
    # The group's bits are left alone: systemd grants its service access through an ACL, which shows as group rights.
    if mode & stat.S_IROTH:
        _log.warning("credential_readable_by_everyone", credential=name, path=str(path), remedy="chmod o-rwx")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise PolicyError(f"expected UTF-8 text in the credential {name!r}, got other bytes; set it again") from None
