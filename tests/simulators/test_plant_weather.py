"""The weather: dew points against the facts, days and weeks, the same for whoever asks when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.plant.weather import DAY_S, PEAK_S, Climate, Weather, dew_point_c, wet_bulb_c

WEEK_S = 7 * DAY_S
HALF_HOURS = [k * 1800.0 for k in range(7 * 48)]


@pytest.mark.parametrize(("temp_c", "humidity", "dew_c"), [(30, 0.60, 21.4), (35, 0.60, 26.1), (38, 0.62, 29.5)])
def test_dew_points_are_those_of_the_facts(temp_c: float, humidity: float, dew_c: float) -> None:
    assert dew_point_c(temp_c, humidity) == pytest.approx(dew_c, abs=0.06)


def test_mild_weather_never_changes() -> None:
    weather = Weather(Climate.MILD, seed=3)
    assert weather.is_constant
    assert {weather.outdoor_c(at) for at in HALF_HOURS} == {25.0}
    assert weather.humidity(0.0) == pytest.approx(0.5, abs=0.01)


def test_a_summer_week_has_hot_afternoons_cool_nights_and_no_two_days_alike() -> None:
    weather = Weather(Climate.SUMMER, seed=3)
    peaks = [weather.outdoor_c(day * DAY_S + PEAK_S) for day in range(7)]
    nights = [weather.outdoor_c(day * DAY_S + 3 * 3600.0) for day in range(7)]
    assert 32.0 < min(peaks) < max(peaks) < 37.5
    assert 17.0 < min(nights) < max(nights) < 25.0
    assert len({round(peak, 3) for peak in peaks}) == 7


def test_a_heat_wave_lasts_three_days_of_each_week() -> None:
    summer, wave = (Weather(climate, seed=3) for climate in (Climate.SUMMER, Climate.HEAT_WAVE))
    hotter = [
        wave.outdoor_c(day * DAY_S + 0.5 * DAY_S) - summer.outdoor_c(day * DAY_S + 0.5 * DAY_S) for day in range(7)
    ]
    assert hotter == pytest.approx([0, 0, 7, 7, 7, 0, 0])


@given(st.sampled_from(Climate), st.integers(0, 50), st.floats(0, 40 * WEEK_S))
def test_it_is_one_function_of_time_and_its_figures_agree_with_each_other(
    climate: Climate, seed: int, at: float
) -> None:
    weather = Weather(climate, seed=seed)
    outdoor_c, dew_c, humidity = weather.outdoor_c(at), weather.dew_point_c(at), weather.humidity(at)
    assert (outdoor_c, dew_c) == (
        Weather(climate, seed=seed).outdoor_c(at),
        Weather(climate, seed=seed).dew_point_c(at),
    )
    assert dew_c <= outdoor_c
    assert 0.0 < humidity <= 1.0
    assert dew_point_c(outdoor_c, humidity) == pytest.approx(dew_c, abs=1e-6)
    assert dew_c - 2.0 <= wet_bulb_c(outdoor_c, humidity) <= outdoor_c + 1.0
    # Nothing jumps: half a minute later it is about as warm.
    assert weather.outdoor_c(at + 30.0) == pytest.approx(outdoor_c, abs=0.05)
