"""Sequence numbers as offsets, what had come in order, and copies that the capture made."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.flow.flows import UNKNOWN
from dpiprobe.flow.stream import wrapped_difference
from tests.flow.talk import HELLO, SERVER_HELLO, Talk


def test_the_first_byte_after_the_syn_is_offset_0() -> None:
    flows = Talk().shake().hello().s("A", ack=len(HELLO)).flows()
    assert (flows.offset[3], flows.end[3], flows.acked[4]) == (0, len(HELLO), len(HELLO))


def test_offsets_go_on_where_sequence_numbers_wrap() -> None:
    flows = Talk(isn=0xFFFFFFF0).shake().c("A", HELLO[:100]).c("PA", HELLO[100:], seq=100).s("A", ack=len(HELLO)).flows()
    assert flows.offset[3:5].tolist() == [0, 100]
    assert (flows.client_seen[0], flows.server_acked[0], flows.hello_done[0]) == (len(HELLO), len(HELLO), 4)


def test_data_in_the_syn_begin_at_offset_0() -> None:
    flows = Talk().c("S", HELLO).s("SA", ack=len(HELLO)).flows()
    assert (flows.offset[0], flows.end[0], flows.acked[1], flows.hello[0]) == (0, len(HELLO), len(HELLO), 0)


def test_the_syn_ack_that_the_client_acknowledged_counts() -> None:
    talk = Talk().c("S").s("SA", seq=777_777).s("SA").c("A").s("A", b"abc")
    flows = talk.flows()
    assert (flows.syn_ack[0], flows.offset[4]) == (2, 0)


def test_a_mid_stream_beginning_counts_from_what_came_first() -> None:
    flows = Talk().s("A", b"x" * 1000, seq=5000).c("A", ack=6000).s("A", b"y" * 10, seq=6000).flows()
    assert flows.offset[[0, 2]].tolist() == [0, 1000]
    assert flows.server_seen[0] == 1010


def test_a_reset_moves_nothing() -> None:
    flows = Talk().shake().s("RA", b"123", seq=0).s("A", b"abc").flows()
    assert flows.server_next.tolist() == [0] * 5
    assert flows.server_seen[0] == 3


def test_a_first_payload_with_fin_moves_nothing() -> None:
    flows = Talk().shake().hello().s("FPA", b"HTTP/1.1 403 No\r\n\r\n").s("PA", SERVER_HELLO).flows()
    assert flows.server_next[-1] == 0
    assert flows.server_seen[0] == len(SERVER_HELLO)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 15)), max_size=25))
def test_the_next_byte_in_order_is_exact_for_any_order_and_overlap(pieces: list[tuple[bool, int, int]]) -> None:
    talk = Talk(isn=0xFFFFFFF0, their_isn=0xFFFFFFFE).shake()
    for ours, at, size in pieces:
        (talk.c if ours else talk.s)("A", b"x" * size, seq=at)
    flows = talk.flows()
    have: dict[bool, set[int]] = {True: set(), False: set()}
    expected = {True: [], False: []}  # type: dict[bool, list[int]]
    for ours, at, size in pieces:
        for side in (True, False):
            expected[side].append(next(i for i in range(100) if i not in have[side]))
        have[ours] |= set(range(at, at + size))
    assert flows.client_next[3:].tolist() == expected[True]
    assert flows.server_next[3:].tolist() == expected[False]


@given(st.integers(0, 0xFFFFFFFF), st.integers(-(1 << 31), (1 << 31) - 1))
def test_a_wrapped_difference_undoes_a_wrapped_sum(base: int, step: int) -> None:
    total = np.array([(base + step) & 0xFFFFFFFF])
    assert wrapped_difference(total, np.array([base])).tolist() == [step]


def test_a_mirror_port_doubles_and_is_noticed() -> None:
    talk = Talk().shake().hello().s("RA", ack=len(HELLO))
    talk.frames = [(t + copy * 2000, f) for t, f in talk.frames for copy in range(2)]
    assert talk.flows().duplicate.tolist() == [0, 1] * 5


def test_three_equal_resets_are_not_the_captures_doing() -> None:
    talk = Talk().shake().hello()
    for i in range(3):
        talk.s("RA", ack=len(HELLO), at=100 + i / 20)
    assert talk.flows().duplicate.tolist() == [0] * 7


def test_nor_is_a_page_sent_twice() -> None:
    talk = Talk().shake().hello()
    for i in range(2):
        talk.s("FPA", b"HTTP/1.1 403 No\r\n\r\n", ack=len(HELLO), at=100 + i / 20).s("R", at=100.5 + i / 20)
    assert talk.flows().duplicate.tolist() == [0] * 8


def test_nor_is_a_syn_sent_again_after_a_second() -> None:
    assert Talk().c("S").c("S", at=1000).flows().duplicate.tolist() == [0, 0]


def test_other_bytes_in_the_same_place_are_no_copy() -> None:
    talk = Talk().shake().c("PA", b"GET / HTTP/1.1\r\n\r\n", at=100).c("PA", b"GET / HTTP/1.0\r\n\r\n", at=100.01)
    assert talk.flows().duplicate.tolist() == [0] * 5


def test_strays_and_errors_have_no_offset() -> None:
    talk = Talk().shake().s("R", source="203.0.113.66")
    flows = talk.error(3, 1, talk.frames[0][1]).flows()
    assert flows.offset[3:].tolist() == [UNKNOWN, UNKNOWN]
