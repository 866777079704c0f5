"""The kernel engine against servers on loopback, each with one habit."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dpiprobe.plan.design import design
from dpiprobe.plan.plan import Pace, Plan, Way
from dpiprobe.probe.kernel import Interrupted, Outcome, endpoint_of, reserve, run_trial
from dpiprobe.probe.route import resolve, route_to
from tests.probe.servers import closes, is_mute, reset, serves, serving

QUICK = Pace(gap=0, connect=2, answer=0.3, unacknowledged=1, after_answer=0.05, after_end=0.1)


@pytest.fixture(params=["127.0.0.1", "::1"])
def address(request: pytest.FixtureRequest) -> str:
    if ":" in request.param:
        try:
            socket.create_server((request.param, 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    return str(request.param)


def plan_for(address: str, port: int, way: Way = "hello", get: str | None = None, vary: tuple[str, ...] = ()) -> Plan:
    endpoint = resolve(address, port).endpoint
    return design(endpoint, ["blocked.example"], control="served.example", repetitions=1, seed=1, way=way, get=get, pace=QUICK, vary=vary)


def one_trial(address: str, port: int, way: Way = "hello", get: str | None = None, vary: tuple[str, ...] = ()) -> Outcome:
    target = resolve(address, port)
    (bound,) = reserve(1, route_to(target), target)
    plan = plan_for(address, port, way, get, vary)
    return run_trial(plan, plan.trials[0], bound, target)


def test_a_crafted_hello_is_answered(address: str) -> None:
    with serving(serves(), address) as port:
        outcome = one_trial(address, port)
    assert outcome.worked
    assert outcome.account["answer"] == "server_hello"
    assert outcome.account["end"] == "eof"
    assert 0 < outcome.account["hello_sent"] <= outcome.account["answered"]


@pytest.mark.parametrize("vary", ["record-16-segments", "cut-name-3", "record-at-midsld-cut-1-midsld", "urgent-midsld", "cut-midsld-delayed:delay=0.1",
                                  "cut-8x16:size=40;count=0;await_ack=yes",
                                  "place-behind-16384", "key-share-post-quantum", "before-alert:body=0100"])  # fmt: skip
def test_a_varied_hello_is_answered(address: str, vary: str) -> None:
    """A server of today puts all of these together."""
    with serving(serves(), address) as port:
        outcome = one_trial(address, port, vary=(vary,))
    assert outcome.account["hello_acknowledged"] is not None
    assert outcome.account["answer"] in ("server_hello", "alert") if vary.startswith("before") else outcome.worked


def test_segments_arrive_as_they_were_sent(address: str) -> None:
    """A fifth of a second apart, each is read alone."""
    heard: list[bytes] = []

    def listens(connection: socket.socket) -> None:
        while data := connection.recv(4096):
            heard.append(data)

    with serving(listens, address) as port:
        one_trial(address, port, vary=("cut-8x2:size=100;count=2;delay=0.2",))
    assert [len(data) for data in heard[:2]] == [100, 100]
    assert len(heard) == 3


def test_a_handshake_fetches_a_page(address: str) -> None:
    with serving(serves(b"x" * 100_000), address) as port:
        outcome = one_trial(address, port, "handshake", "/")
    assert outcome.worked
    assert (outcome.account["http_status"], outcome.account["tls_version"]) == (200, "TLSv1.3")
    assert outcome.account["http_bytes"] > 100_000


def test_a_reset_is_a_result(address: str) -> None:
    with serving(reset, address) as port:
        outcome = one_trial(address, port)
    assert not outcome.worked
    assert outcome.account["end"] == "reset"
    assert outcome.account["finished"] - outcome.account["ended"] >= 0.1e9


def test_a_close_is_a_result(address: str) -> None:
    with serving(closes, address) as port:
        outcome = one_trial(address, port)
    assert (outcome.worked, outcome.account["end"], outcome.account["received"]) == (False, "eof", 0)


def test_silence_after_the_acknowledgement_ends_at_the_answer_time(address: str) -> None:
    with serving(is_mute, address) as port:
        outcome = one_trial(address, port)
    assert outcome.account["end"] == "timeout"
    assert outcome.account["hello_acknowledged"] is not None
    assert 0.3e9 <= outcome.account["finished"] - outcome.account["hello_sent"] < 1e9


def test_nobody_there_is_a_result(address: str) -> None:
    with serving(closes, address) as port:
        pass
    outcome = one_trial(address, port)
    assert (outcome.account["end"], outcome.account["connected"]) == ("refused", None)


def test_each_trial_leaves_from_the_port_reserved_for_it() -> None:
    with serving(serves()) as port:
        target = resolve("127.0.0.1", port)
        sockets = reserve(5, route_to(target), target)
        clients = [endpoint_of(bound) for bound in sockets]
        plan = plan_for("127.0.0.1", port).with_clients(clients)
        outcomes = [run_trial(plan, trial, bound, target) for trial, bound in zip(plan.trials, sockets, strict=True)]
    assert len(set(clients)) == 5
    assert [outcome.trial.client for outcome in outcomes] == clients
    assert all(outcome.trial.start_ns for outcome in outcomes)


def test_many_ports_are_reserved_at_once() -> None:
    target = resolve("127.0.0.1", 443)
    sockets = reserve(1200, route_to(target), target)
    assert len({endpoint_of(bound) for bound in sockets}) == 1200
    for bound in sockets:
        bound.close()


@pytest.fixture
def interrupt() -> Iterator[None]:
    """SIGINT after 0.2 s."""
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    yield
    timer.cancel()
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_trial_with_what_there_was(interrupt: None) -> None:
    begun = time.monotonic()
    with serving(is_mute) as port:
        target = resolve("127.0.0.1", port)
        (bound,) = reserve(1, route_to(target), target)
        plan = design(target.endpoint, ["blocked.example"], control=None, repetitions=1, seed=1, pace=Pace(answer=30))
        with pytest.raises(Interrupted) as stopped:
            run_trial(plan, plan.trials[0], bound, target)
    assert time.monotonic() - begun < 5
    assert stopped.value.outcome.account["interrupted"] is True
    assert stopped.value.outcome.account["hello_sent"] is not None
    assert bound.fileno() == -1
