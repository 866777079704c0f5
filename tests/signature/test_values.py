"""The plain-English values: what each asks, and what is refused with which words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES
from dpiprobe.signature.values import ValueProblem, duration_test, number_test, read_duration, read_value, restore

WINDOW, DELAY, RTT = PACKET_FEATURES["window"], PACKET_FEATURES["delay"], PACKET_FEATURES["delay_over_rtt"]


@pytest.mark.parametrize(
    ("node", "passes", "fails"),
    [
        (3, [3], [2, 4]),
        ("2 to 4", [2, 3, 4], [1, 5]),
        ("exactly 3", [3], [2, 4]),
        ("at least 2", [2, 900], [1]),
        ("at most 2", [2, -5], [3]),
        ("more than 2", [3], [2]),
        ("less than 2", [1], [2]),
        ("not 0", [1, -1], [0]),
        ("not 2 to 4", [1, 5], [2, 3, 4]),
        ([54, 187, "190 to 200"], [54, 187, 195], [55, 189, 201]),
        ("0x3412", [13330], [0]),
        ("-1409", [-1409], [1409]),
    ],
)
def test_numbers(node: object, passes: list[int], fails: list[int]) -> None:
    test = number_test(node)
    assert all(test.accepts(v) for v in passes)
    assert not any(test.accepts(v) for v in fails)


def test_durations_carry_their_unit_and_count_in_nanoseconds() -> None:
    assert duration_test("at most 10 ms").accepts(10_000_000)
    assert not duration_test("at most 10 ms").accepts(10_000_001)
    assert read_value("3 to 17 ms", DELAY).accepts(3_200_000)
    assert read_value("500 us to 2 s", DELAY).accepts(2_000_000_000)
    assert read_duration("3 min") == 180_000_000_000


def test_rates_and_sizes_carry_units() -> None:
    assert read_value("at most 10 kB/s", FLOW_FEATURES["goodput"]).accepts(9_999.0)
    assert read_value("at most 128 kbit/s", FLOW_FEATURES["goodput"]).accepts(16_000.0)
    assert read_value("15 kB to 20 kB", FLOW_FEATURES["server_bytes"]).accepts(18_000)


def test_choices_and_flags_are_words() -> None:
    assert read_value("set", PACKET_FEATURES["df"]).accepts(0)
    assert read_value("not set", PACKET_FEATURES["df"]).accepts(1)
    assert read_value(["none", "partial"], FLOW_FEATURES["server_ack"]).accepts(1)
    assert read_value(True, PACKET_FEATURES["after_fin"]).mask(np.array([True, False])).tolist() == [True, False]


def test_bytes_are_the_whole_payload_and_text_is_a_part_of_it() -> None:
    test = read_value("01 02 03", PACKET_FEATURES["payload_bytes"])
    assert test.accepts(b"\x01\x02\x03") and not test.accepts(b"\x01\x02\x03\x04")
    assert read_value(["Surf", "Safely"], PACKET_FEATURES["body_contains"]).accepts(b"x Safely x")


@pytest.mark.parametrize(
    ("node", "feature", "message"),
    [
        ("10", DELAY, "'10' has no unit; write it like `10 ms`"),
        ("at most 10 lightyears", DELAY, "'lightyears' is no unit of delay; units are ns, us, µs, ms, s, min, h"),
        ("10 ms", WINDOW, "'ms' is no unit of window; it has no unit"),
        ("lots", WINDOW, "cannot read 'lots'; window takes a number such as 3, `2 to 4`, `at least 2`, `not 0` or a list"),
        ("4 to 2", WINDOW, "`4 to 2` runs backwards; the smaller comes first"),
        ("sett", PACKET_FEATURES["df"], "df cannot be 'sett', did you mean set?"),
        ("yes", PACKET_FEATURES["after_fin"], "after_fin takes true or false, not 'yes'"),
        ([], WINDOW, "an empty list passes nothing; name a value"),
        ([1, "not 2"], WINDOW, "'not 2' inside a list; a list means any of, so write `not` alone"),
        ("zz", PACKET_FEATURES["payload_bytes"], "'zz' is not hex; payload_bytes takes bytes in hex such as `01 02 0a`"),
        (1.5, WINDOW, "1.5 is not a whole number of units"),
        (True, WINDOW, "window takes a number such as 3, `2 to 4`, `at least 2`, `not 0` or a list, not true"),
    ],
)
def test_what_cannot_be_is_refused_in_words(node: object, feature: object, message: str) -> None:
    with pytest.raises(ValueProblem) as error:
        read_value(node, feature)  # type: ignore[arg-type]
    assert str(error.value) == message


@given(st.integers(-100, 100), st.integers(-100, 100), st.lists(st.integers(-150, 150), min_size=1))
def test_a_range_passes_what_lies_in_it_and_survives_json(a: int, b: int, data: list[int]) -> None:
    low, high = sorted((a, b))
    test = number_test(f"{low} to {high}")
    expected = [low <= v <= high for v in data]
    assert test.mask(np.array(data)).tolist() == expected
    assert restore(test.plain()) == test
    assert number_test(f"not {low} to {high}").mask(np.array(data)).tolist() == [not e for e in expected]


def test_a_ratio_may_be_an_edge() -> None:
    assert read_value("at most 0.5", RTT).accepts(0.5)
    assert not read_value("less than 0.5", RTT).accepts(0.5)
