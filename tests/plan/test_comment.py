"""A plan goes into the comments of a capture and comes out again."""

from __future__ import annotations

import pytest

from dpiprobe.errors import InputError
from dpiprobe.plan.comment import comments_of, plan_in
from dpiprobe.plan.design import design
from dpiprobe.plan.plan import Plan


def plan_of(repetitions: int) -> Plan:
    return design("192.0.2.1:443", ["blocked.example"], control=None, repetitions=repetitions, seed=1)


def test_a_small_plan_is_one_comment() -> None:
    assert plan_in(["made by hand", *comments_of(plan_of(2)), "more"]) == plan_of(2)


def test_a_large_plan_is_cut_into_parts_that_fit() -> None:
    comments = comments_of(plan_of(400))
    assert len(comments) > 1
    assert all(len(comment.encode()) < 65536 for comment in comments)
    assert plan_in(["other", *comments]) == plan_of(400)


def test_half_a_plan_is_none() -> None:
    comments = comments_of(plan_of(400))
    assert plan_in(comments[:-1]) is None
    assert plan_in(comments[1:]) is None


def test_other_comments_are_no_plan() -> None:
    assert plan_in(["{}", "hello", '{"format": "else"}']) is None


def test_a_broken_plan_is_said() -> None:
    with pytest.raises(InputError):
        plan_in(['{"format": "dpiprobe-plan/1"}'])
