"""The plan's JSON form, and which flow was which trial."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import InputError
from dpiprobe.plan.design import design
from dpiprobe.plan.plan import Pace, Plan, Trial, endpoint, read_plan, split_endpoint, trials_by_endpoint


def small_plan() -> Plan:
    return design("192.0.2.1:443", ["blocked.example"], control="allowed.example", repetitions=1, seed=1)


def test_a_plan_read_back_is_the_plan() -> None:
    plan = small_plan()
    assert read_plan(plan.to_json()) == plan
    assert read_plan(plan.to_json(indent=2)) == plan


@given(
    st.lists(st.from_regex(r"[a-z]{4,9}\.[a-z]{2,5}", fullmatch=True), min_size=1, max_size=4, unique=True),
    st.integers(1, 3),
    st.integers(),
    st.floats(0, 1e6),
)
def test_any_plan_survives_the_round_trip(names: list[str], repetitions: int, seed: int, gap: float) -> None:
    plan = design("[2001:db8::1]:443", names, control=None, repetitions=repetitions, seed=seed, pace=Pace(gap=gap))
    clients = [endpoint("2001:db8::2", 40000 + trial.number) for trial in plan.trials]
    plan = plan.with_clients(clients)
    assert read_plan(plan.to_json()) == plan


def test_a_flow_finds_its_trial_by_its_endpoints() -> None:
    plan = small_plan().with_clients([f"198.51.100.7:{50000 + i}" for i in range(5)])
    found = trials_by_endpoint(plan)
    assert len(found) == 5
    assert found["198.51.100.7:50002", "192.0.2.1:443"] is plan.trials[2]


def test_a_trial_without_source_endpoint_is_not_matched() -> None:
    assert trials_by_endpoint(small_plan()) == {}


def test_a_run_trial_replaces_the_intended_one() -> None:
    plan = small_plan()
    run = Trial(2, plan.trials[1].role, plan.trials[1].name, plan.server, "198.51.100.7:1025", 5)
    assert plan.with_trial(run).trials[1].start_ns == 5
    assert plan.with_trial(run).trials[0] == plan.trials[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "dpiprobe-plan/9"}, "dpiprobe-plan/9"),
        ({"seed": True}, "seed is True"),
        ({"names": "blocked.example"}, "names is 'blocked.example'"),
        ({"names": [1]}, "names must hold text"),
        ({"colour": "red"}, "'colour' is not known"),
        ({"server": "192.0.2.1"}, "not an endpoint"),
        ({"way": "shout"}, "way is 'shout'"),
        ({"trials": [3]}, "trials[0] is not a JSON object"),
        ({"pace": {"gap": 1}}, "pace: connect is missing"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_place(change: dict[str, object], says: str) -> None:
    raw = json.loads(small_plan().to_json())
    with pytest.raises(InputError, match=r".*;.*") as error:
        read_plan(json.dumps({**raw, **change}), "plan.json")
    assert says in str(error.value)


def test_trials_out_of_order_or_with_one_source_port_are_refused() -> None:
    raw = json.loads(small_plan().to_json())
    with pytest.raises(InputError, match="not numbered"):
        read_plan(json.dumps({**raw, "trials": raw["trials"][::-1]}))
    twice = [{**trial, "client": "198.51.100.7:1025"} for trial in raw["trials"]]
    with pytest.raises(InputError, match="same endpoints"):
        read_plan(json.dumps({**raw, "trials": twice}))


@given(st.text())
def test_no_text_is_anything_but_a_plan_or_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        read_plan(text)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_endpoints_are_read_back(address: object, port: int) -> None:
    assert split_endpoint(endpoint(str(address), port)) == (str(address), port)


def test_a_zone_is_not_part_of_an_endpoint() -> None:
    assert endpoint("fe80::1%eth0", 443) == "[fe80::1]:443"
