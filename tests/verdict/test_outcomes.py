"""Outcomes as columns against a list of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.signature.words import OUTCOMES
from dpiprobe.verdict.grouping import groups_of
from dpiprobe.verdict.model import Outcome
from dpiprobe.verdict.outcomes import NUMBER, Outcomes, in_columns

ENDED = st.lists(st.builds(Outcome, st.sampled_from(OUTCOMES), st.integers(-1, 99)), max_size=20)


@given(ENDED, st.sets(st.sampled_from(OUTCOMES)))
def test_columns_say_what_the_list_says(plain: list[Outcome], asked: set[str]) -> None:
    code, slot = np.array([NUMBER[o.word] for o in plain], np.int8), np.array([o.slot for o in plain], np.int64)
    made: list[Outcome | None] = [None] * len(plain)
    for columns in (in_columns(plain), Outcomes(code, slot, made)):
        assert list(columns) == plain and columns[:] == plain and columns.words == [o.word for o in plain]
        assert columns.having(*asked) == [f for f, o in enumerate(plain) if o.word in asked]
        assert columns.are(*asked).tolist() == [o.word in asked for o in plain]


def test_what_is_changed_in_a_copy_stays_there() -> None:
    before = in_columns([Outcome("worked", 3), Outcome("silent", 4)])
    after = before.copy()
    after[0] = Outcome("slow", 3)
    assert (before.words, after.words, after[0].word, before[0].word) == (["worked", "silent"], ["slow", "silent"], "slow", "worked")


@given(st.lists(st.integers(0, 5) | st.integers(0, 1 << 40), max_size=30))
def test_groups_are_numbered_by_their_first_flow_however_far_keys_reach(keys: list[int]) -> None:
    groups = groups_of(np.array(keys, np.int64))
    order = list(dict.fromkeys(keys))
    assert groups.of.tolist() == [order.index(key) for key in keys]
    assert groups.first.tolist() == [keys.index(key) for key in order]
