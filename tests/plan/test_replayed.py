"""A recorded hello in a plan: its bytes, its name, its segments."""

from __future__ import annotations

import pytest

from dpiprobe.errors import InputError, UsageError
from dpiprobe.plan.plan import Plan, read_plan
from dpiprobe.plan.replayed import Recorded, design_replay, recorded_in, sending_of
from dpiprobe.probe.dialogue import crafted_sending
from dpiprobe.tls import clients
from dpiprobe.tls.hello import build, parse
from dpiprobe.tls.position import resolve

STREAM = build(clients.hello_of("firefox", "blocked.example"))
HOST, ENDHOST = resolve(STREAM, "host"), resolve(STREAM, "endhost")
RECORDED = Recorded(STREAM, (HOST + 4, 1300), (0.1, 0.02), "x.pcap, flow 3")
SERVER = "192.0.2.1:443"


def plan_of(*recorded: Recorded, names: tuple[str, ...] = (), control: str | None = "served.example") -> Plan:
    return design_replay(SERVER, recorded or (RECORDED,), names, control=control, repetitions=2, seed=1)


def test_the_recorded_name_is_sent_with_the_recorded_bytes_cuts_and_pauses() -> None:
    sending = sending_of(RECORDED, "blocked.example")
    assert sending.stream == STREAM
    assert [(s.offset, s.delay) for s in sending.segments] == [(0, 0.0), (HOST + 4, 0.1), (1300, 0.02)]
    assert sending.in_order


def test_another_name_of_equal_length_changes_the_name_alone() -> None:
    other = sending_of(RECORDED, "another.example").stream
    assert len(other) == len(STREAM)
    assert other == STREAM[:HOST] + b"another.example" + STREAM[ENDHOST:]


@pytest.mark.parametrize("name", ["a.example", "a-much-longer-name.blocked.example"])
def test_cuts_behind_the_name_move_with_what_follows_it(name: str) -> None:
    sending = sending_of(RECORDED, name)
    hello = parse(sending.stream)
    assert hello is not None and hello.server_name == name and hello.complete
    more = len(sending.stream) - len(STREAM)
    assert more == len(name) - len("blocked.example")
    assert [s.offset for s in sending.segments] == [0, HOST + 4, 1300 + more]
    assert sending.segments[2].data == STREAM[1300:]


def test_a_cut_inside_the_name_stays_inside_a_shorter_one() -> None:
    sending = sending_of(Recorded(STREAM, (ENDHOST - 1,)), "a.example")
    assert HOST < sending.segments[1].offset < resolve(sending.stream, "endhost")


def test_tests_stand_between_controls_and_all_send_the_recorded_hello() -> None:
    plan = plan_of()
    roles = [trial.role for trial in plan.trials]
    assert all({roles[i - 1], roles[i + 1]} <= {"control", "random-control"} for i, role in enumerate(roles) if role == "test")
    assert plan.names == ("blocked.example",)
    for trial in plan.trials:
        hello = parse(crafted_sending(plan, trial).stream)
        assert hello is not None and hello.server_name == trial.name
        assert hello.random == RECORDED.hello.random
        if trial.role == "random-control":
            assert len(trial.name) == len("blocked.example")


def test_several_hellos_and_names_are_laid_out_one_after_the_other() -> None:
    other = Recorded(build(clients.hello_of("curl", "b.example")), source="y")
    plan = plan_of(RECORDED, other, names=("one.example", "two.example"))
    assert [trial.number for trial in plan.trials] == list(range(1, len(plan.trials) + 1))
    pairs = {(trial.settings["source"], trial.name): trial.settings["pair"] for trial in plan.trials if trial.role == "test"}
    assert sorted(pairs.values()) == [1, 2, 3, 4]


def test_the_plan_reads_back_and_is_the_same_for_the_same_seed() -> None:
    plan = plan_of()
    assert read_plan(plan.to_json()) == plan == plan_of()
    assert recorded_in(read_plan(plan.to_json()).trials[0].settings) == RECORDED


def test_what_cannot_be_meant_is_said_before_anything_is_sent() -> None:
    nameless = Recorded(build(clients.hello_of("openssl", None)), source="flow 1")
    for call, says in (
        (lambda: plan_of(nameless), "no server name"),
        (lambda: plan_of(Recorded(STREAM[:200], source="flow 2")), "not one whole"),
        (lambda: plan_of(names=("a.example", "a.example")), "given twice"),
        (lambda: plan_of(control="blocked.example"), "both tested and the control"),
        (lambda: plan_of(RECORDED, Recorded(build(clients.hello_of("curl", "served.example")), source="y")), "control"),
        (lambda: design_replay(SERVER, [], control=None, repetitions=1, seed=1), "no recorded hello"),
        (lambda: design_replay(SERVER, [RECORDED] * 9, control=None, repetitions=90, seed=1), "more than one run"),
    ):
        with pytest.raises(UsageError, match=says):
            call()


def test_a_hello_without_a_name_can_be_given_one() -> None:
    nameless = Recorded(build(clients.hello_of("openssl", None)), source="flow 1")
    plan = plan_of(nameless, names=("a.example",))
    assert all((hello := parse(crafted_sending(plan, trial).stream)) and hello.server_name == trial.name for trial in plan.trials)


@pytest.mark.parametrize("broken", [{"recorded": "?"}, {"recorded": "", "cuts": "x"}, {"recorded": "", "delays": "soon"}])
def test_broken_settings_are_an_input_error(broken: dict[str, str]) -> None:
    with pytest.raises(InputError, match="write the plan again"):
        recorded_in(broken)
