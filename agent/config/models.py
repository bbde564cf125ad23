"""What is known of miner models: nominal hashrate and power, and the control software a model may run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import yaml

from agent.config.schema_devices import ModelSection
from agent.model.topology import FAMILY_TRAITS, USUAL_LIMITS, Cooling, Family, ThermalLimits, model_keys


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """One model's nominal hashrate in TH/s and power in W, its hashboards, and what it bears; families empty: any."""

    name: str
    families: tuple[Family, ...]
    hashrate_th: float
    power_w: float
    boards: int | None = None
    cooling: Cooling = Cooling.AIR
    limits: ThermalLimits = USUAL_LIMITS


class ModelTable:
    """Finds a model's figures by its name; case, spaces, brand and board variant do not matter."""

    def __init__(self, own: Mapping[str, ModelSection] | None = None) -> None:
        self._by_key = dict(_shipped())
        for name, section in (own or {}).items():
            known = self.get(name)
            families = (section.family,) if section.family is not None else known.families if known else ()
            boards = section.boards if section.boards is not None else known.boards if known else None
            self._by_key[model_keys(name)[0]] = ModelFigures(
                name,
                families,
                section.hashrate_th,
                section.power_w,
                boards,
                section.cooling or (known.cooling if known else Cooling.AIR),
                _limits(section, known.limits if known else USUAL_LIMITS),
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Every model's name."""
        return tuple(dict.fromkeys(figures.name for figures in self._by_key.values()))

    def get(self, name: str) -> ModelFigures | None:
        """Return the figures of that model; None where it is unknown."""
        return next((found for key in model_keys(name) if (found := self._by_key.get(key)) is not None), None)


def _limits(section: ModelSection, known: ThermalLimits) -> ThermalLimits:
    """Return what the section says of a model's limits, and what is known where it says nothing."""
    chip_c = known.chip_c if section.chip_limit_c is None else section.chip_limit_c
    moved_k = chip_c - known.chip_c
    least_c, most_c = known.inlet_c
    return ThermalLimits(
        chip_c=chip_c,
        board_c=known.board_c if section.board_limit_c is None else section.board_limit_c,
        chip_warn_c=known.chip_warn_c + moved_k,
        chip_band_c=(known.chip_band_c[0] + moved_k, known.chip_band_c[1] + moved_k),
        inlet_c=(
            least_c if section.inlet_min_c is None else section.inlet_min_c,
            most_c if section.inlet_max_c is None else section.inlet_max_c,
        ),
    )


def as_told(limits: ThermalLimits, family: Family) -> ThermalLimits:
    """Return the limits as that family goes by them.

    LuxOS shows sensors on the boards only and stops at 70 °C there, as delivered, whatever the model bears; it is too
    hot for it from 65 and aims at 55 (facts "detection", section 0).
    """
    stops_at_c = FAMILY_TRAITS[family].stops_at_c
    if stops_at_c is None or stops_at_c >= limits.chip_c:
        return limits
    band_c = (stops_at_c - 30.0, stops_at_c - 10.0)
    return replace(limits, chip_c=stops_at_c, board_c=stops_at_c, chip_warn_c=stops_at_c - 5.0, chip_band_c=band_c)


@cache
def _shipped() -> Mapping[str, ModelFigures]:
    text = files("agent.config").joinpath("models.yaml").read_text(encoding="utf-8")
    table: dict[str, ModelFigures] = {}
    for row in yaml.load(text, Loader=yaml.CSafeLoader):
        families = tuple(Family(name) for name in row["families"])
        low_c, high_c, warn_c, stop_c = map(float, row["chip_c"])
        least_c, most_c = map(float, row["inlet_c"])
        figures = ModelFigures(
            row["name"],
            families,
            float(row["hashrate_th"]),
            float(row["power_w"]),
            row.get("boards"),
            Cooling(row["cooling"]),
            ThermalLimits(stop_c, float(row["board_c"]), warn_c, (low_c, high_c), (least_c, most_c)),
        )
        table[model_keys(figures.name)[0]] = figures
    return table
