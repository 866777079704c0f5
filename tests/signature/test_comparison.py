"""Test against control: ratios and medians."""

from __future__ import annotations

from dpiprobe.signature.comparison import compared_features, control_values, ratios
from tests.signature.fake_table import table
from tests.signature.signatures import signature

FLOWS = [{"goodput": 1000.0}, {"goodput": 3000.0}, {"goodput": 2000.0}, {"goodput": 500.0}, {}]


def test_a_ratio_is_the_value_over_the_median_of_the_controls() -> None:
    suspects = table(flows=FLOWS)
    controls: list[list[int]] = [[], [], [], [0, 1, 2], [0]]
    assert ratios(suspects, controls, ["goodput"]) == {"goodput": [None, None, None, 0.25, None]}
    assert control_values(suspects, controls, ["goodput"]) == {"goodput": [None, None, None, 2000.0, 1000.0]}


def test_only_what_clauses_ask_for_is_measured() -> None:
    asks = signature("expect: {slow: {compare: {goodput: at most 0.5}}, split: {control: {state: completes, split_round_trips: at least 2}}}")
    assert compared_features([asks]) == ({"goodput"}, {"split_round_trips"})
