"""YAML is read without guessing, bounded, and with a place for everything; arbitrary text is loaded or refused."""

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import ConfigError, load
from agent.config.source import MAX_FILE_BYTES
from agent.config.yaml_source import parse_yaml
from tests.config.sites import SITE, TEN_LINES, TEN_LINES_CSV, written


def problems_of(text: str) -> list[str]:
    try:
        _, problems = parse_yaml(text, "f")
    except ConfigError as error:
        problems = list(error.problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("-3", -3),
        ("0", 0),
        ("2.50", 2.5),
        ("1e3", 1000.0),
        ("true", True),
        ("yes", "yes"),
        ("off", "off"),
        ("null", None),
        ("~", None),
        ("'010'", "010"),
        ('"22:00"', "22:00"),
        ("20:11:22:33:44:55", "20:11:22:33:44:55"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        (".nan", ".nan"),
        ("2026-03-01", "2026-03-01"),
        ("9" * 30, "9" * 30),
    ],
)
def test_plain_scalars_are_what_they_look_like(text: str, value: object) -> None:
    tree, problems = parse_yaml(f"a: {text}", "f")

    assert tree.plain() == {"a": value}
    assert problems == []


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", "f:1:1: expected a mapping of keys, got an empty file"),
        ("# nothing\n", "f:1:1: expected a mapping of keys, got an empty file"),
        ("a: 1\nb: 010", "f:2:4: expected a number without leading zeros, got 010; write 10"),
        ("a: 08", "f:1:4: expected a number without leading zeros, got 08; write 8"),
        ("a: 22:00", "f:1:4: expected a number or quoted text, got 22:00"),
        ("a: 1\na: 2", "f:2:1: expected each key once, got 'a' a second time; remove it here or in line 1"),
        ("a: {b: 1, b: 2}", "f:1:11: expected each key once"),
        ("a: &x {b: 1}\nc: {<<: *x}", "f:2:5: expected the keys themselves, got a merge key"),
        ("a: !!python/object/apply:os.system [ls]", "f:1:4: expected a plain value, got the tag"),
        ("a: !mine 1", "f:1:4: expected a plain value, got the tag '!mine'"),
        ("? [a]\n: 1", "f:1:3: expected a key as plain text"),
        ("a: 1\n---\nb: 2", "f:2:1: expected one document"),
        ("a: b: c", "f:1:5: expected YAML, got a text that does not parse (mapping values are not allowed"),
        ("a: 'x", "f:1:6: expected YAML"),
        ("a:\n\t- b", "f:2:1: expected blanks as indentation, got a tab"),
        ("a: 1\nb: \x07", "f:2:4: expected printable text, got a control character"),
        ("a: *b", "f:1:4: expected an anchor set further up"),
        ("a: &x [*x]", "f:1:8: expected an anchor set further up"),
        ("[" * 33, "f:1:33: expected at most 32 levels"),
        ("[a: " * 30_000, "f:1:65: expected at most 32 levels"),
        ("- " * 100_000, "f:1:65: expected at most 32 levels"),
    ],
)
def test_what_would_be_read_wrongly_is_refused_where_it_stands(text: str, start: str) -> None:
    assert any(line.startswith(start) for line in problems_of(text)), problems_of(text)


def test_a_bomb_of_aliases_is_refused_before_it_is_expanded() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(12)]

    (line,) = problems_of("\n".join(lines))

    assert "expected at most 1000000 values" in line


@pytest.mark.parametrize("secret", ["0123456789", "*Hunter2", "!Hunter2", "12:34:56:7", "Hunter2: x", "@Hunter2"])
def test_a_secret_in_the_wrong_place_is_not_repeated(secret: str) -> None:
    text = f"logins:\n  whatsminer:\n    user: admin\n    password: {secret}\n"

    assert len(problems_of(text)) == 1
    assert "Hunter2" not in problems_of(text)[0]
    assert secret not in problems_of(text)[0]


def test_a_file_too_large_a_folder_and_bad_bytes_are_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"site:\n  name: Z\xfcrich\n")

    with pytest.raises(ConfigError, match="more than"):
        load(large)
    with pytest.raises(ConfigError, match="not a regular file"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"latin.yaml:2:10: expected UTF-8 text, got the byte 0xfc"):
        load(latin)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")

    with pytest.raises(ConfigError, match="not a regular file"):
        load(tmp_path / "pipe.yaml")


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + TEN_LINES, "\ufeff" + TEN_LINES_CSV)

    assert len(load(path).site.miners) == 2


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SPOILT = st.builds(
    lambda start, length, new: SITE[:start] + new + SITE[start + length :],
    st.integers(0, len(SITE)),
    st.integers(0, 40),
    st.text(max_size=12) | st.sampled_from(["- ", ": ", "{", "}", "[", "]", "&a ", "*a", "'", "\n", "1", "~", "#"]),
)


def only_refuses(path: Path) -> None:
    """Load it; a ConfigError that can be printed is the only error there may be."""
    refusal: ConfigError | None = None
    try:
        load(path)
    except ConfigError as error:
        refusal = error
    if refusal is not None:
        assert refusal.problems
        assert all(problem.place.line >= 1 and problem.place.column >= 1 for problem in refusal.problems)
        assert str(refusal).encode("utf-8", "replace")


@settings(max_examples=150)
@given(text=st.text(max_size=200) | SPOILT)
def test_arbitrary_text_is_loaded_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "text.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    only_refuses(path)


@settings(max_examples=150)
@given(data=st.data())
def test_arbitrary_values_under_known_keys_are_loaded_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = yaml.safe_load(SITE)
    for _ in range(data.draw(st.integers(1, 3))):
        holder = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
                holder = holder[key]
                continue
            holder[key] = data.draw(ANYTHING)
            break
    path = tmp_path_factory.getbasetemp() / "values.yaml"
    path.write_text(json.dumps(document, ensure_ascii=True), encoding="utf-8")

    only_refuses(path)


@settings(max_examples=150)
@given(rows=st.text(max_size=200) | st.lists(st.text("ab,;\"'\n\r\t0/-.", max_size=40)).map("\n".join))
def test_an_arbitrary_inventory_is_loaded_or_refused(rows: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "inventory.csv").write_bytes(("id,host,model,outlets\n" + rows).encode("utf-8", "surrogatepass"))
    (folder / "rows.yaml").write_text(TEN_LINES)

    only_refuses(folder / "rows.yaml")
