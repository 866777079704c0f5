"""A record is one line of valid JSON in valid UTF-8, whatever it holds."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.report import jsonl

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), anything, max_size=6))
def test_any_record_is_one_line_of_json(record: dict[str, object]) -> None:
    line = jsonl.line(record)
    assert "\n" not in line and "\r" not in line
    line.encode()
    json.loads(line, parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))


def test_keys_keep_their_order() -> None:
    assert jsonl.line({"kind": "flow", "capture": "a", "b": 1}) == '{"kind":"flow","capture":"a","b":1}'


def test_what_is_not_known_is_null() -> None:
    assert json.loads(jsonl.line({"rtt": math.nan, "rate": math.inf})) == {"rtt": None, "rate": None}


def test_bytes_that_are_no_text_are_shown_as_hex() -> None:
    assert json.loads(jsonl.line({"name": b"bad\xff.example"}))["name"] == "bad\\xff.example"
    assert json.loads(jsonl.line({"name": b"bad\xff.example".decode("utf-8", "surrogateescape")}))["name"] == "bad\\xff.example"


def test_numbers_of_columns_are_numbers() -> None:
    assert jsonl.line({"packets": [np.int64(3)], "row": np.array([1, 2])}) == '{"packets":[3],"row":[1,2]}'


def test_names_in_other_scripts_stay_readable() -> None:
    assert jsonl.line({"server_name": "пример.example"}) == '{"server_name":"пример.example"}'
