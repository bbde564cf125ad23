"""The site's configuration: one YAML file and an inventory, read once, checked wholly, immutable from then on.

`load` is the way in. Secrets are never part of it: the configuration names credentials, `agent.config.credentials`
fetches them.
"""

from agent.config.errors import ConfigError, Place, Problem
from agent.config.loader import load
from agent.config.settings import Settings

__all__ = ["ConfigError", "Place", "Problem", "Settings", "load"]
