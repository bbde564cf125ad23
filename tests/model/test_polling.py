"""The latency histogram against exact quantiles."""

import math

from hypothesis import given
from hypothesis import strategies as st

from agent.model.polling import Latency


def test_nothing_is_known_before_the_first_reply() -> None:
    latency = Latency()
    assert (latency.p50_s, latency.p95_s, latency.mean_s) == (None, None, None)


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_never_too_low_and_at_most_a_bucket_too_high(seen: list[float], share: float) -> None:
    latency = Latency()
    for latency_s in seen:
        latency.add(latency_s)
    exact = sorted(seen)[max(0, math.ceil(share * len(seen)) - 1)]
    told = latency.quantile_s(share)
    assert told is not None
    assert exact * (1 - 1e-9) <= told <= exact * math.sqrt(2) * (1 + 1e-9)


def test_a_reply_later_than_the_last_bucket_is_counted_in_it() -> None:
    latency = Latency()
    latency.add(1e6)
    assert latency.p50_s is not None
    assert latency.p50_s > 100.0
    assert latency.count == 1
