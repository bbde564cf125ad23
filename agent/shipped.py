"""The playbooks that come with the program. Alone, so that telling of one does not load what acts and polls."""

import importlib
import pkgutil
from functools import cache

import playbooks
from agent.remediate.tables import Tables


@cache
def load_playbooks() -> Tables:
    """Return every playbook's table; they are proven once a process, as they cannot change in it.

    Raises:
        InvariantError: a table is unsound, or two playbooks claim the same incidents.
    """
    names = [module.name for module in pkgutil.iter_modules(playbooks.__path__)]
    return Tables(importlib.import_module(f"playbooks.{name}").PLAYBOOK for name in names)
