"""Arithmetic over runs of equal group number equals the loop one would write."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.flow import segments

Row = tuple[int, bool, int]
rows = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(-(1 << 40), 1 << 40)), max_size=30).map(lambda r: sorted(r, key=lambda x: x[0]))


def columns(data: list[Row]) -> tuple[segments.Ints, segments.Bools, segments.Ints]:
    return np.array([g for g, _, _ in data], np.int64), np.array([m for _, m, _ in data], bool), np.array([v for _, _, v in data], np.int64)


@given(rows)
def test_first_last_and_count(data: list[Row]) -> None:
    group, mask, _ = columns(data)
    places = [[i for i, (g, m, _) in enumerate(data) if g == f and m] for f in range(6)]
    assert segments.first_where(mask, group, 6).tolist() == [p[0] if p else -1 for p in places]
    assert segments.last_where(mask, group, 6).tolist() == [p[-1] if p else -1 for p in places]
    assert segments.count_where(mask, group, 6).tolist() == [len(p) for p in places]


@given(rows)
def test_max_min_and_sum(data: list[Row]) -> None:
    group, mask, values = columns(data)
    held = [[v for g, m, v in data if g == f and m] for f in range(6)]
    assert segments.max_where(mask, values, group, 6, -7).tolist() == [max(h) if h else -7 for h in held]
    assert segments.min_where(mask, values, group, 6, -7).tolist() == [min(h) if h else -7 for h in held]
    assert segments.sum_where(mask, values, group, 6).tolist() == [sum(h) for h in held]


@given(rows)
def test_running_max(data: list[Row]) -> None:
    group, _, values = columns(data)
    assert segments.running_max(values, group).tolist() == [max(v for g, _, v in data[: i + 1] if g == data[i][0]) for i in range(len(data))]


@given(rows)
def test_shifted(data: list[Row]) -> None:
    group, _, values = columns(data)
    before = [data[i - 1][2] if i and data[i - 1][0] == data[i][0] else -7 for i in range(len(data))]
    assert segments.shifted(values, group, -7).tolist() == before


@given(rows)
def test_forward_fill(data: list[Row]) -> None:
    group, mask, _ = columns(data)
    latest = [max((j for j in range(i + 1) if data[j][1] and data[j][0] == data[i][0]), default=-1) for i in range(len(data))]
    assert segments.forward_fill(np.flatnonzero(mask), group, len(data)).tolist() == latest
