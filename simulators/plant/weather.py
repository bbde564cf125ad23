"""The weather over a site: outdoor temperature and moisture as functions of site time and the seed, and nothing else.

A day is a cosine with its peak in the afternoon, a week days that differ: each noon has a deviation of its own, and
between two noons they pass into each other. The dew point follows the air mass, not the sun, so that it is humid by
night and dry by day. Whoever asks when gets the same answer. Site time 0 is midnight.
"""

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

DAY_S = 86_400.0
PEAK_S = 15.0 * 3600.0
"""The warmest time of a day."""

_A, _B = 17.62, 243.12
"""Magnus over water, -45 to 60 °C; 30 °C and 60 % give 21.4 °C as in facts "detection", section 5."""


class Climate(StrEnum):
    """What a site's weather is like."""

    MILD = "mild"
    """25 °C and 50 % all the time: nothing about heat depends on when it is."""
    SUMMER = "summer"
    """Days of about 35 °C, nights of about 21 °C."""
    HEAT_WAVE = "heat_wave"
    """A summer in which the third, fourth and fifth day of each week are 7 K hotter."""
    WINTER = "winter"
    """Around freezing."""


@dataclass(frozen=True, slots=True)
class ClimateFigures:
    """One climate; estimates for a continental inland site.

    Attributes:
        mean_c: outdoor temperature over a day. swing_k: half of what lies between night and afternoon.
        dew_c: dew point in the mean.
        spread_k: standard deviation of a day's mean and of its dew point, each by itself.
        wave_k: how much hotter the days of a heat wave are.
    """

    mean_c: float
    swing_k: float
    dew_c: float
    spread_k: float
    wave_k: float = 0.0

    @property
    def is_constant(self) -> bool:
        """Whether the same weather always holds."""
        return self.swing_k == self.spread_k == self.wave_k == 0.0


CLIMATES: Mapping[Climate, ClimateFigures] = {
    Climate.MILD: ClimateFigures(25.0, 0.0, 13.86, 0.0),
    Climate.SUMMER: ClimateFigures(28.0, 7.0, 15.0, 1.0),
    Climate.HEAT_WAVE: ClimateFigures(28.0, 7.0, 15.0, 1.0, wave_k=7.0),
    Climate.WINTER: ClimateFigures(0.0, 4.0, -4.0, 2.0),
}
WAVE_DAYS = (2, 3, 4)
"""The days of each week on which a heat wave lasts, from 0."""


class Weather:
    """The weather of one site.

    Attributes:
        is_constant: nothing about it ever changes by itself.
    """

    def __init__(self, climate: Climate, *, seed: int) -> None:
        self._figures = CLIMATES[climate]
        self._key = f"{seed}/weather"
        self._from_k = self._to_k = 0.0
        self._begun_at, self._done_at = -math.inf, -math.inf
        self._asked_at = self._outdoor_c = math.nan
        self._days: dict[int, tuple[float, float]] = {}
        self.is_constant = self._figures.is_constant

    def outdoor_c(self, now: float) -> float:
        """Return the outdoor temperature in °C (dry bulb)."""
        if now != self._asked_at:  # every miner in the air asks at the same times
            self._asked_at, self._outdoor_c = now, self._climate_c(now) + self.extra_k(now)
        return self._outdoor_c

    def _climate_c(self, now: float) -> float:
        f = self._figures
        if self.is_constant:
            return f.mean_c
        sun = f.swing_k * math.cos(2.0 * math.pi * (now - PEAK_S) / DAY_S)
        return f.mean_c + sun + self._between_noons(now, 0)

    def dew_point_c(self, now: float) -> float:
        """Return the outdoor dew point in °C; never above the temperature."""
        f = self._figures
        dew_c = f.dew_c if f.is_constant else f.dew_c + self._between_noons(now, 1)
        return min(dew_c, self.outdoor_c(now))

    def humidity(self, now: float) -> float:
        """Return the relative humidity, from 0 to 1."""
        return min(1.0, vapour(self.dew_point_c(now)) / vapour(self.outdoor_c(now)))

    def wet_bulb_c(self, now: float) -> float:
        """Return the wet-bulb temperature in °C: what evaporation can cool down to."""
        return wet_bulb_c(self.outdoor_c(now), self.humidity(now))

    def extra_k(self, now: float) -> float:
        """Return how much hotter it is than the climate has it."""
        if now >= self._done_at:
            return self._to_k
        part = max(0.0, now - self._begun_at) / (self._done_at - self._begun_at)
        return self._from_k + (self._to_k - self._from_k) * part

    def heat_up(self, now: float, extra_k: float, within_s: float) -> None:
        """Let it become that much hotter than the climate has it, within so long; 0 ends that."""
        self._from_k, self._to_k = self.extra_k(now), extra_k
        self._begun_at, self._done_at = now, now + within_s
        self._asked_at = math.nan

    def _between_noons(self, now: float, which: int) -> float:
        """Return the deviation of the day, passing evenly from noon to noon: 0 of the temperature, 1 of the dew."""
        noon = now / DAY_S - 0.5
        day = math.floor(noon)
        part = 0.5 - 0.5 * math.cos(math.pi * (noon - day))
        return (1.0 - part) * self._day(day)[which] + part * self._day(day + 1)[which]

    def _day(self, day: int) -> tuple[float, float]:
        if day not in self._days:
            f = self._figures
            wave_k = f.wave_k if day % 7 in WAVE_DAYS else 0.0
            warm, moist = _chance(f"{self._key}/{day}")
            self._days[day] = f.spread_k * warm + wave_k, f.spread_k * moist
        return self._days[day]


def _chance(key: str) -> tuple[float, float]:
    """Return two draws from the normal distribution, within two standard deviations: no day is a record."""
    rng = random.Random(hashlib.sha256(key.encode()).digest())  # noqa: S311 -- a simulation wants repeatable chance
    one, other = rng.gauss(), rng.gauss()
    return max(-2.0, min(2.0, one)), max(-2.0, min(2.0, other))


def vapour(temp_c: float) -> float:
    """Return the saturation pressure of water vapour over its value at 0 °C (Magnus)."""
    return math.exp(_A * temp_c / (_B + temp_c))


def dew_point_c(temp_c: float, humidity: float) -> float:
    """Return the dew point in °C of air of that temperature and relative humidity, 0 < humidity ≤ 1 (Magnus)."""
    log = math.log(humidity) + _A * temp_c / (_B + temp_c)
    return _B * log / (_A - log)


def wet_bulb_c(temp_c: float, humidity: float) -> float:
    """Return the wet-bulb temperature in °C (Stull 2011, within 1 K from 5 % to 99 % and -20 °C to 50 °C)."""
    percent = 100.0 * min(0.99, max(0.05, humidity))
    wet_c: float = (
        temp_c * math.atan(0.151977 * math.sqrt(percent + 8.313659))
        + math.atan(temp_c + percent)
        - math.atan(percent - 1.676331)
        + 0.00391838 * math.pow(percent, 1.5) * math.atan(0.023101 * percent)
        - 4.686035
    )
    return wet_c
