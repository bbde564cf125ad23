"""What is known of miner models: nominal hashrate and power, and the control software a model may run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from agent.config.schema import ModelSection
from agent.model.topology import Family, model_keys


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """One model's nominal hashrate in TH/s and power in W, the families it may run (empty: any), its hashboards."""

    name: str
    families: tuple[Family, ...]
    hashrate_th: float
    power_w: float
    boards: int | None = None


class ModelTable:
    """Finds a model's figures by its name; case, spaces, brand and board variant do not matter."""

    def __init__(self, own: Mapping[str, ModelSection] | None = None) -> None:
        self._by_key = dict(_shipped())
        for name, section in (own or {}).items():
            known = self.get(name)
            families = (section.family,) if section.family is not None else known.families if known else ()
            boards = section.boards if section.boards is not None else known.boards if known else None
            self._by_key[model_keys(name)[0]] = ModelFigures(
                name, families, section.hashrate_th, section.power_w, boards
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Every model's name."""
        return tuple(dict.fromkeys(figures.name for figures in self._by_key.values()))

    def get(self, name: str) -> ModelFigures | None:
        """Return the figures of that model; None where it is unknown."""
        return next((found for key in model_keys(name) if (found := self._by_key.get(key)) is not None), None)


@cache
def _shipped() -> Mapping[str, ModelFigures]:
    text = files("agent.config").joinpath("models.yaml").read_text(encoding="utf-8")
    table: dict[str, ModelFigures] = {}
    for row in yaml.load(text, Loader=yaml.CSafeLoader):
        families = tuple(Family(name) for name in row["families"])
        figures = ModelFigures(
            row["name"], families, float(row["hashrate_th"]), float(row["power_w"]), row.get("boards")
        )
        table[model_keys(figures.name)[0]] = figures
    return table
