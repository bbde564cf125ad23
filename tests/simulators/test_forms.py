"""A filled form is the document that building and encoding it would give."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.devices.forms import TRUTH, Form, fixed, plain, text, text_fixed, whole

CONSTANTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    constant=CONSTANTS,
    key=st.text(),
    count=st.integers(-(2**60), 2**60),
    rate=st.floats(-1e12, 1e12),
    flag=st.booleans(),
)
def test_a_filled_form_is_the_encoded_document(constant: Any, key: str, count: int, rate: float, flag: bool) -> None:
    figures = {"count": count, "rate": rate, "flag": TRUTH[flag], "name": "pool.example.com:3333 100%", "other": 1}
    form = Form(
        {
            f"constant {key}": constant,
            "Pool Stale%%": whole("count"),
            "rows": [{"rate": fixed("rate"), "again": fixed("rate", 4)}, {"spelt": text_fixed("rate")}],
            "flag": plain("flag"),
            "name": text("name"),
        }
    )
    assert msgspec.json.decode(form.fill(figures)) == {
        f"constant {key}": msgspec.json.decode(msgspec.json.encode(constant)),
        "Pool Stale%%": count,
        "rows": [{"rate": round(rate, 2), "again": round(rate, 4)}, {"spelt": f"{rate:.2f}"}],
        "flag": flag,
        "name": "pool.example.com:3333 100%",
    }


def test_a_figure_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="accepted"):
        Form([whole("accepted"), whole("rejected")]).fill({"rejected": 1})


def test_what_json_has_no_form_of_is_no_form() -> None:
    with pytest.raises(TypeError):
        Form({"a": object(), "b": whole("b"), "c": whole("c")})
