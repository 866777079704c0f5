"""How a captured hello was sent: its segments come back from a capture of them."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.capture.read import read_capture
from dpiprobe.flow.hello_segments import SentHello, sent_hellos
from dpiprobe.flow.settle import settle
from dpiprobe.report.hello_capture import write_hello_capture
from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.sending import Segment, Sending, cut

HELLO = client_hello("blocked.example", b"1")


def captured(*sendings: Sending) -> list[SentHello]:
    file = io.BytesIO()
    write_hello_capture(file, list(sendings))
    return list(sent_hellos(settle(read_capture("x", data=file.getvalue()).packets)))


@given(st.sets(st.integers(1, len(HELLO) - 1), max_size=8))
def test_the_cuts_of_a_sending_are_read_out_of_its_capture(cuts: set[int]) -> None:
    (one,) = captured(cut(HELLO, cuts, delay=0.125))
    assert one.stream == HELLO
    assert one.cuts(len(HELLO)) == tuple(sorted(cuts))
    assert one.delays(len(HELLO)) == pytest.approx([0.125] * len(cuts), abs=0.02)
    assert one.in_order and one.before == 0


def test_endpoints_and_flows_are_those_of_the_records() -> None:
    first, second = captured(cut(HELLO, [10]), cut(HELLO, []))
    assert (first.flow, second.flow) == (1, 2)
    assert first.server == "198.51.100.20:443" and first.client.startswith("192.0.2.10:")


@given(st.permutations([0, 1, 2, 3]))
def test_order_is_told_and_offsets_are_sorted(order: list[int]) -> None:
    edges = [0, 60, 120, 200, len(HELLO)]
    (one,) = captured(Sending(tuple(Segment(HELLO[edges[i] : edges[i + 1]], edges[i]) for i in order)))
    assert one.stream == HELLO
    assert one.cuts(len(HELLO)) == (60, 120, 200)
    assert one.in_order == (order == sorted(order))


def test_overlapping_bytes_count_from_the_first_new_one() -> None:
    (one,) = captured(Sending((Segment(HELLO[:100], 0), Segment(HELLO[50:], 50))))
    assert [(s.offset, s.length) for s in one.segments] == [(0, 100), (100, len(HELLO) - 100)]
