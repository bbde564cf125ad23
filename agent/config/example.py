"""Finds the example configuration, which the demo runs on, in the source tree or in an installed package."""

import sysconfig
from pathlib import Path

import agent
from agent.model.errors import PolicyError

EXAMPLE = "config.example.yaml"
SHARED = Path("share") / "terrahash-agent"


def example_path() -> Path:
    """Return the example's path; its inventory lies beside it. Raises PolicyError where the installation lacks it."""
    folders = (Path(agent.__file__).resolve().parent.parent, Path(sysconfig.get_path("data")) / SHARED)
    for folder in folders:
        if (folder / EXAMPLE).is_file():
            return folder / EXAMPLE
    looked = " and ".join(str(folder) for folder in folders)
    raise PolicyError(f"expected {EXAMPLE} in {looked}, got nothing; install the package again")
