"""Nothing grows with the square of a flow or of the number of flows: bounds ten times above what was measured on two slow cores."""

from __future__ import annotations

from time import perf_counter

import pytest

from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES
from tests.flow.talk import HELLO, SERVER_HELLO, Talk

SIZE = len(HELLO)


def seconds(talk: Talk) -> float:
    packets = talk.packets()
    begin = perf_counter()
    observed = observe(settle(packets))
    for name in PACKET_FEATURES:
        observed.feature(name)
    for name in FLOW_FEATURES:
        observed.flow_feature(name)
    return perf_counter() - begin


def one_flow_that_repeats_itself() -> Talk:
    talk = Talk(timestamps=True).shake().hello()
    for _ in range(10_000):
        talk.s("PA", SERVER_HELLO, ack=SIZE).s("RA", ack=SIZE, stamps=(1, 1))
    return talk


def one_port_used_again_and_again() -> Talk:
    talk = Talk()
    for i in range(4000):
        talk.isn = 1000 + 7 * i
        talk.c("S").s("RA", ack=0).s("R", source="203.0.113.66").error(3, 1, talk.frames[-3][1])
    return talk


def holes_that_are_never_filled() -> Talk:
    talk = Talk().shake().hello()
    for i in range(10_000):
        talk.s("A", b"x" * 10, seq=100_000 - 9 * i, ack=SIZE).s("A", b"y", seq=0)
    return talk


@pytest.mark.parametrize("make", [one_flow_that_repeats_itself, one_port_used_again_and_again, holes_that_are_never_filled])
def test_twenty_thousand_packets_of_the_worst_kind_take_no_time(make: object) -> None:
    assert seconds(make()) < 5  # type: ignore[operator]
