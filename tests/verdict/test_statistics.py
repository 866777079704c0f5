"""Exact tests against small tables that can be counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.verdict.statistics import rank_sum_less, upper_bound


@pytest.mark.parametrize(("m", "n", "p"), [(1, 1, 1 / 2), (2, 2, 1 / 6), (3, 3, 1 / 20), (4, 4, 1 / 70), (1, 19, 1 / 20)])
def test_complete_separation_has_one_arrangement(m: int, n: int, p: float) -> None:
    assert rank_sum_less([1.0 + i for i in range(m)], [100.0 + i for i in range(n)]) == pytest.approx(p)


def test_the_other_way_round_is_certain() -> None:
    assert rank_sum_less([10.0, 11.0], [1.0, 2.0]) == pytest.approx(1.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=7), st.lists(st.floats(0, 1e6), min_size=1, max_size=7))
def test_it_is_a_probability_and_equal_samples_never_reach_the_level(a: list[float], b: list[float]) -> None:
    assert 0 <= rank_sum_less(a, b) <= 1
    assert rank_sum_less(a, a) > 0.05


def test_no_failure_in_n_trials_leaves_a_bound() -> None:
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-6)
    assert upper_bound(0, 0) == 1.0
    assert upper_bound(3, 3) == 1.0
