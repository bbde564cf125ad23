"""The kill switch as a file: while it exists the agent keeps its hands off. It works whatever else does not."""

from pathlib import Path

MOST_CHARACTERS = 200
UNREADABLE = "the hold file cannot be read"
NOTHING_WRITTEN = "no reason given"


def hold_path(ledger: Path) -> Path:
    """Return where the hold file of the agent that keeps this ledger is: beside the ledger."""
    return ledger.with_name(f"{ledger.name}.hold")


class HoldFile:
    """Says whether, and why, a person wants the agent to keep its hands off."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def why(self) -> str | None:
        """Return the first line written there, cut to a line's length; None while there is no such file.

        A file that is there and cannot be read holds as well: whoever put it there meant something.
        """
        try:
            with self._path.open(encoding="utf-8", errors="replace") as file:
                line = file.readline(MOST_CHARACTERS)
        except FileNotFoundError:
            return None
        except OSError:
            return UNREADABLE
        text = "".join(c if c.isprintable() else " " for c in line).strip()
        return text or NOTHING_WRITTEN
