"""The playbooks that come with the program. Alone, so that telling of one does not load what acts and polls."""

import importlib
import pkgutil

import playbooks
from agent.remediate.tables import Tables


def load_playbooks() -> Tables:
    """Return every playbook's table.

    Raises:
        InvariantError: a table is unsound, or two playbooks claim the same incidents.
    """
    names = [module.name for module in pkgutil.iter_modules(playbooks.__path__)]
    return Tables(importlib.import_module(f"playbooks.{name}").PLAYBOOK for name in names)
