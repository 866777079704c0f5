"""The layout of a run: controls around every test, equal names, an order that the seed alone decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.plan.design import checked_name, design
from dpiprobe.plan.plan import Plan

SERVER = "192.0.2.1:443"


def laid_out(names: list[str], control: str | None = "served.example", repetitions: int = 3, seed: int = 7) -> Plan:
    return design(SERVER, names, control=control, repetitions=repetitions, seed=seed)


def test_one_name_three_times_with_both_kinds_of_control() -> None:
    plan = laid_out(["blocked.example"])
    roles = [trial.role for trial in plan.trials if not trial.settings.get("spare")]
    assert (roles.count("test"), roles.count("control"), roles.count("random-control")) == (3, 4, 3)
    assert {trial.name for trial in plan.trials if trial.role == "control"} == {"served.example"}


@given(st.integers(1, 4), st.integers(1, 4), st.integers(), st.booleans())
def test_every_test_has_a_control_right_before_it_and_one_after_it_before_the_next_test(
    names: int, repetitions: int, seed: int, with_control: bool
) -> None:
    plan = laid_out([f"name-{i}.example" for i in range(names)], "served.example" if with_control else None, repetitions, seed)
    sought = "control" if with_control else "random-control"
    tests = [i for i, trial in enumerate(plan.trials) if trial.role == "test"]
    for before, after in zip([-1, *tests], [*tests, len(plan.trials)], strict=True):
        assert sought in [trial.role for trial in plan.trials[before + 1 : after]]
    for name in plan.names:
        assert sum(trial.name == name for trial in plan.trials) == repetitions


def test_a_spare_control_stands_at_the_end() -> None:
    for control, role in (("served.example", "control"), (None, "random-control")):
        plan = laid_out(["blocked.example"], control)
        assert [(trial.role, trial.settings["spare"]) for trial in plan.trials if "spare" in trial.settings] == [(role, True)]
        assert plan.trials[-1].settings["spare"]


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    names = [f"name-{i}.example" for i in range(6)]
    assert laid_out(names, seed=1) == laid_out(names, seed=1)
    assert laid_out(names, seed=1).trials != laid_out(names, seed=2).trials


def test_the_random_name_has_the_length_and_the_last_label_of_its_test() -> None:
    plan = laid_out(["www.blocked.example", "b.org"])
    for trial in plan.trials:
        if trial.role == "random-control":
            like = plan.names[int(trial.settings["pair"] or 0) - 1]
            assert [len(label) for label in trial.name.split(".")] == [len(label) for label in like.split(".")]
            assert trial.name.split(".")[-1] == like.split(".")[-1]
            assert trial.name != like


def test_trials_that_are_compared_share_the_hello_seed_and_the_room_of_the_longest_name() -> None:
    plan = laid_out(["www.blocked.example", "b.org"])
    for pair in (1, 2):
        seeds = {trial.settings["hello_seed"] for trial in plan.trials if trial.settings["pair"] == pair}
        assert len(seeds) == 1
    assert {trial.settings["name_room"] for trial in plan.trials} == {len("www.blocked.example")}


@pytest.mark.parametrize(
    ("names", "control", "repetitions", "says"),
    [
        ([], "served.example", 3, "no name"),
        (["a.example", "a.example"], None, 3, "twice"),
        (["a.example"], "a.example", 3, "both tested and the control"),
        (["a.example"], None, 0, "0 repetitions"),
        (["a.example"], None, 100_000, "more than one run takes"),
        (["https://a.example/"], None, 3, "without scheme"),
        (["a..example"], None, 3, "not a host name"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(names: list[str], control: str | None, repetitions: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        laid_out(names, control, repetitions)


def test_names_are_brought_into_the_form_of_the_wire() -> None:
    assert checked_name("bücher.example.") == "xn--bcher-kva.example"
    assert checked_name("WwW.Example") == "WwW.Example"
