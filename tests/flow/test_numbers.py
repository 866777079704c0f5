"""Equal keys get equal numbers, by whichever way they are found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.flow import number_loop
from dpiprobe.flow.numbers import by_loop, numbers


@given(st.lists(st.integers(0, 5) | st.integers(-3, 1 << 40) | st.sampled_from((0, 1 << 29, 1 << 58, (1 << 62) - 1)), max_size=40))
def test_both_forms_number_by_first_appearance(keys: list[int]) -> None:
    order = list(dict.fromkeys(keys))
    for of, first in (numbers(np.array(keys, np.int64)), by_loop(number_loop, np.array(keys, np.int64))):
        assert of.tolist() == [order.index(key) for key in keys]
        assert first.tolist() == [keys.index(key) for key in order]
        assert of.dtype == first.dtype == np.int64


def test_machine_code_is_taken_where_it_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Loops:
        @staticmethod
        def number(keys: npt.NDArray[np.int64], *rest: npt.NDArray[np.int64]) -> int:
            asked.append(len(keys))
            return number_loop.number(keys, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("dpiprobe.flow.numbers.at_hand", lambda _: Loops)
    assert numbers(np.array([7, 7, 3], np.int64))[0].tolist() == [0, 0, 1]
    assert asked == [3]
