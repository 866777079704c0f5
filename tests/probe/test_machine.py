"""A trial as events and commands: how long a connection is watched, and when it is let go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.plan.plan import Pace
from dpiprobe.probe.machine import Connected, Ended, Event, Finish, Machine, Progress, Received, Send, Shut, Tick
from dpiprobe.tls.sending import Segment, Sending

MS = 1_000_000
S = 1000 * MS
RTT = 50 * MS


class Says:
    """Says a hello, answers nothing, is done when it has heard `enough` pieces."""

    def __init__(self, enough: int = 1) -> None:
        self.done = False
        self._left = enough

    def open(self) -> bytes:
        return b"hello"

    def receive(self, data: bytes) -> bytes:
        self._left -= 1
        self.done = self._left <= 0
        return b""

    def account(self) -> dict[str, Any]:
        return {}


def connected(pace: Pace | None = None, enough: int = 1) -> Machine:
    machine = Machine(0, pace or Pace(), Says(enough))
    assert machine.handle(Connected(RTT, RTT)) == [Send(b"hello")]
    return machine


def run_out(machine: Machine) -> int:
    """Only time passes from now on; when the trial is over."""
    for _ in range(5):
        at = machine.wake
        if any(isinstance(command, Finish) for command in machine.handle(Tick(at))):
            return at
    raise AssertionError("does not end")


def test_the_hello_is_sent_when_the_handshake_is_complete_and_not_before() -> None:
    machine = Machine(0, Pace(), Says())
    assert machine.handle(Tick(3 * S)) == []
    assert machine.handle(Connected(4 * S, RTT)) == [Send(b"hello")]


def test_an_unanswered_syn_ends_as_a_timeout_after_the_connect_time() -> None:
    machine = Machine(0, Pace(connect=8), Says())
    assert run_out(machine) == 8 * S
    assert (machine.account.end, machine.account.stage) == ("timeout", "connecting")


def test_after_an_answer_the_connection_is_watched_and_closed_in_order() -> None:
    machine = connected(Pace(after_answer=0.5))
    assert machine.handle(Progress(100 * MS, 0, 0)) == []
    assert machine.handle(Received(100 * MS, b"server hello")) == []
    assert machine.handle(Tick(599 * MS)) == []
    assert machine.handle(Tick(600 * MS)) == [Shut()]
    assert machine.handle(Ended(650 * MS, "eof")) == [Finish(abort=False)]


def test_what_the_server_closes_is_closed_in_order_once_everything_is_acknowledged() -> None:
    machine = connected(Pace(after_end=1.0))
    machine.handle(Progress(100 * MS, 0, 0))
    machine.handle(Ended(100 * MS, "eof"))
    assert machine.handle(Tick(1100 * MS)) == [Finish(abort=False)]


def test_a_close_that_leaves_the_hello_unacknowledged_is_cut_off_so_that_no_copies_follow() -> None:
    machine = connected(Pace(after_end=1.0))
    machine.handle(Progress(100 * MS, 1, 0))
    machine.handle(Ended(100 * MS, "eof"))
    assert machine.handle(Tick(1100 * MS)) == [Finish(abort=True)]


def test_on_a_long_path_the_watch_is_three_round_trips() -> None:
    machine = Machine(0, Pace(after_answer=0.5), Says())
    machine.handle(Connected(S, S))
    machine.handle(Received(2 * S, b"server hello"))
    assert machine.wake == 5 * S


def test_after_a_reset_the_capture_goes_on_for_the_genuine_answer() -> None:
    machine = connected(Pace(after_end=1.0))
    assert machine.handle(Ended(60 * MS, "reset", "Connection reset by peer")) == []
    assert run_out(machine) == 60 * MS + S
    assert (machine.account.end, machine.account.ended) == ("reset", 60 * MS)


def test_a_reset_after_the_answer_is_watched_too() -> None:
    machine = connected()
    machine.handle(Received(100 * MS, b"server hello"))
    machine.handle(Ended(110 * MS, "reset"))
    assert run_out(machine) == 110 * MS + S


def unacknowledged(first: float, pace: Pace) -> tuple[float, int]:
    """A hello that nobody acknowledges, copied after `first` s and then at doubling times, looked at every 50 ms: seconds until the
    trial ends, and the copies sent by then."""
    machine, copies = connected(pace), [first * 2**n for n in range(8)]
    for step in range(1, 1000):
        at = step * 0.05
        if Finish(abort=True) in machine.handle(Progress(RTT + round(at * S), 1, sum(copy <= at for copy in copies))):
            assert machine.account.end == "timeout"
            assert machine.account.hello_acknowledged is None
            return at, sum(copy <= at for copy in copies)
    raise AssertionError("does not end")


@pytest.mark.parametrize(("first", "ends"), [(0.2, 4.5), (0.3, 4.8), (0.39, 4.5), (0.75, 6.0), (1.4, 5.6)])
def test_an_unacknowledged_hello_is_watched_for_three_copies_over_more_than_three_seconds(first: float, ends: float) -> None:
    took, copies = unacknowledged(first, Pace(unacknowledged=10, unacknowledged_least=4.5))
    assert copies >= 3 and first * 2 ** (copies - 1) >= 3
    assert ends <= took <= ends + 0.15


def test_with_too_few_copies_it_is_watched_to_the_full_time() -> None:
    machine = connected(Pace(unacknowledged=10))
    machine.handle(Progress(6 * S, 1, 2))
    assert machine.state == "speaking"
    assert run_out(machine) == RTT + 10 * S


def test_an_acknowledged_hello_may_be_answered_within_the_answer_time() -> None:
    machine = connected(Pace(answer=10, unacknowledged=5))
    machine.handle(Progress(120 * MS, 0, 0))
    assert machine.account.hello_acknowledged == 120 * MS
    assert machine.handle(Tick(RTT + 10 * S)) == [Shut()]
    assert machine.account.end == "timeout"


def silent_after_an_answer() -> tuple[Machine, int]:
    machine = connected(Pace(answer=10), enough=1000)
    machine.handle(Progress(90 * MS, 0, 0))
    machine.handle(Received(100 * MS, b"some of the page"))
    at = machine.wake
    assert machine.handle(Tick(at)) == [Shut()]
    return machine, at


def test_a_server_that_falls_silent_is_asked_by_a_fin_and_its_kernel_may_answer() -> None:
    machine, at = silent_after_an_answer()
    machine.handle(Progress(at + 50 * MS, 0, 0))
    assert run_out(machine) == at + 50 * MS + S // 2


def test_a_fin_that_nobody_acknowledges_is_watched_as_a_hello_is() -> None:
    machine, began = silent_after_an_answer()
    now = began
    while machine.state == "asking":
        now += 50 * MS
        copies = sum(now - began >= later * MS for later in (250, 750, 1750, 3750))
        ended = machine.handle(Progress(now, 1, copies))
    assert ended == [Finish(abort=True)]
    assert 3 * S <= now - began <= 5 * S


def test_a_reset_in_answer_to_the_fin_is_watched_like_any() -> None:
    machine, at = silent_after_an_answer()
    machine.handle(Ended(at + 50 * MS, "reset"))
    assert run_out(machine) == at + 50 * MS + S


def test_an_exchange_that_goes_on_slowly_ends_at_the_transfer_time() -> None:
    machine = connected(Pace(answer=10, transfer=20), enough=1000)
    machine.handle(Progress(90 * MS, 0, 0))
    at = 100 * MS
    while machine.state != "done":
        machine.handle(Received(at, b"x"))
        machine.handle(Progress(at, 0, 0))
        at += S
    assert machine.account.finished is not None
    assert 20 * S <= machine.account.finished <= 22 * S


def test_a_refused_connection_is_a_result() -> None:
    machine = Machine(0, Pace(after_end=1.0), Says())
    machine.handle(Ended(50 * MS, "refused", "Connection refused"))
    assert run_out(machine) == 50 * MS + S
    assert machine.account.end == "refused"


EVENTS = st.one_of(
    st.tuples(st.just("connected"), st.integers(0, 2 * S)),
    st.tuples(st.just("received"), st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("ended"), st.sampled_from(["eof", "reset", "refused", "error"])),
    st.tuples(st.just("progress"), st.tuples(st.integers(0, 3), st.integers(0, 9))),
)


@given(st.lists(st.tuples(st.integers(0, 5 * S), EVENTS), max_size=30), st.integers(1, 5))
def test_whatever_happens_the_trial_ends_once_and_in_bounded_time(script: list[tuple[int, tuple[str, Any]]], enough: int) -> None:
    machine = Machine(0, Pace(), Says(enough))
    now = 0
    finishes = 0
    seen: set[str] = set()

    def feed(event: Event) -> None:
        nonlocal finishes
        finishes += sum(isinstance(command, Finish) for command in machine.handle(event))

    for step, (kind, value) in script:
        while machine.state != "done" and machine.wake <= now + step:  # the driver wakes it in time
            now = max(now, machine.wake)
            feed(Tick(now))
        now += step
        if (kind == "connected") == ("connected" in seen) or "ended" in seen:
            continue  # a socket connects once, tells nothing before that and nothing after its end
        seen.add(kind)
        feed(
            Connected(now, value) if kind == "connected" else Received(now, value) if kind == "received"
            else Ended(now, value) if kind == "ended" else Progress(now, *value)
        )  # fmt: skip
    while machine.state != "done":
        now = max(now, machine.wake)
        feed(Tick(now))
    assert finishes == 1
    assert machine.handle(Tick(now + S)) == []
    assert machine.account.finished is not None


# ---- a hello in pieces


class Pieces(Says):
    """Says a hello in segments of their own."""

    def __init__(self, *segments: Segment) -> None:
        super().__init__()
        self._segments = segments

    def open(self) -> Sending:  # type: ignore[override]
        return Sending(self._segments)


def test_pieces_leave_at_once_and_apart() -> None:
    machine = Machine(0, Pace(), Pieces(Segment(b"he", 0), Segment(b"l", 2, urgent=True), Segment(b"o", 3)))
    assert machine.handle(Connected(RTT, RTT)) == [Send(b"he", boundary=True), Send(b"l", boundary=True, urgent=True), Send(b"o", boundary=True)]
    assert machine.account.hello_length == 4


def test_a_delayed_piece_waits_for_its_time() -> None:
    machine = Machine(0, Pace(), Pieces(Segment(b"he", 0), Segment(b"llo", 2, delay=0.5)))
    assert machine.handle(Connected(S, RTT)) == [Send(b"he", boundary=True)]
    assert machine.wake == S + 500 * MS
    assert machine.handle(Tick(S + 400 * MS)) == []
    assert machine.handle(Tick(S + 500 * MS)) == [Send(b"llo", boundary=True)]
    assert machine.account.hello_sent == S
    assert machine.handle(Progress(S + 550 * MS, 0, 0)) == []
    assert machine.account.hello_acknowledged == S + 550 * MS


def test_a_piece_that_awaits_the_acknowledgement_comes_after_it() -> None:
    machine = Machine(0, Pace(), Pieces(Segment(b"he", 0), Segment(b"l", 2, await_ack=True), Segment(b"lo", 3, await_ack=True)))
    assert machine.handle(Connected(S, RTT)) == [Send(b"he", boundary=True)]
    assert machine.handle(Progress(S + 10 * MS, 1, 0)) == []
    assert machine.handle(Progress(S + 50 * MS, 0, 0)) == [Send(b"l", boundary=True)]
    assert machine.handle(Tick(S + 60 * MS)) == []
    assert machine.handle(Progress(S + 100 * MS, 0, 0)) == [Send(b"lo", boundary=True)]
    assert machine.account.hello_acknowledged is None
    machine.handle(Progress(S + 150 * MS, 0, 0))
    assert machine.account.hello_acknowledged == S + 150 * MS


def test_pieces_that_are_left_are_not_sent_after_a_reset() -> None:
    machine = Machine(0, Pace(), Pieces(Segment(b"he", 0), Segment(b"llo", 2, delay=0.1)))
    machine.handle(Connected(S, RTT))
    commands = machine.handle(Ended(S + 50 * MS, "reset"))
    while machine.state != "done":
        commands += machine.handle(Tick(machine.wake))
    assert not any(isinstance(command, Send) for command in commands)


def test_an_unacknowledged_piece_ends_the_trial_in_time() -> None:
    machine = Machine(0, Pace(), Pieces(Segment(b"he", 0), Segment(b"llo", 2, await_ack=True)))
    machine.handle(Connected(S, RTT))
    at = S
    while machine.state != "done":
        at = max(at + MS, machine.wake)
        machine.handle(Progress(at, 1, 0))
    assert machine.account.end == "timeout"
    assert at <= S + 21 * S
