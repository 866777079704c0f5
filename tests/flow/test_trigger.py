"""What the client asked for, in whatever pieces it came."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, NO_TRIGGER, OTHER_DATA, Flows, Trigger
from dpiprobe.flow.settle import settle
from dpiprobe.flow.trigger import read_trigger
from dpiprobe.tls.craft import client_hello
from tests.flow.talk import HELLO, SERVER_HELLO, Talk

REQUEST = b"GET /page HTTP/1.1\r\nhost:  blocked.example:8080 \r\nAccept: */*\r\n\r\n"
BIG = client_hello("blocked.example", b"big", post_quantum=True)


def trigger(flows: Flows, flow: int = 0) -> Trigger:
    found = flows.triggers[flow]
    assert found is not None
    return found


def test_a_hello_in_one_segment() -> None:
    flows = Talk().shake().hello(client_hello("blocked.example", b"x", alpn=(b"h2",))).flows()
    found = trigger(flows)
    assert (found.kind, found.server_name, found.alpn, found.complete) == (CLIENT_HELLO, "blocked.example", ["h2"], True)
    assert found.ja4 is not None
    assert (flows.hello[0], flows.hello_done[0]) == (3, 3)


def test_over_two_segments_it_ends_with_the_second() -> None:
    flows = Talk().shake().c("A", HELLO[:100]).c("PA", HELLO[100:], seq=100).flows()
    assert trigger(flows).server_name == "blocked.example"
    assert (flows.hello[0], flows.hello_done[0], flows.hello_end[0]) == (3, 4, len(HELLO))


def test_segments_out_of_order() -> None:
    flows = Talk().shake().c("PA", HELLO[100:], seq=100).c("A", HELLO[:100]).flows()
    assert trigger(flows).server_name == "blocked.example"
    assert (flows.hello[0], flows.hello_done[0]) == (4, 4)


def test_where_segments_overlap_the_bytes_that_came_first_win() -> None:
    other = HELLO.replace(b"blocked", b"xxxxxxx")
    at = HELLO.index(b"blocked")
    flows = Talk().shake().c("PA", HELLO[at:], seq=at).c("A", other[: at + 7]).flows()
    assert trigger(flows).server_name == "blocked.example"
    flows = Talk().shake().c("A", HELLO[: at + 7]).c("PA", other[at:], seq=at).flows()
    assert trigger(flows).server_name == "blocked.example"


def test_over_several_tls_records() -> None:
    body = HELLO[5:]
    records = b"".join(b"\x16\x03\x01" + len(p).to_bytes(2, "big") + p for p in (body[:50], body[50:60], body[60:]))
    flows = Talk().shake().hello(records).flows()
    assert trigger(flows).server_name == "blocked.example"
    assert flows.hello_end[0] == len(HELLO) + 10


def test_in_one_offloaded_frame_larger_than_a_segment() -> None:
    flows = Talk().shake().hello(BIG).flows()
    assert len(BIG) > 1460
    assert (trigger(flows).length, flows.hello_done[0]) == (len(BIG), 3)


def test_with_more_behind_it_in_the_same_segment() -> None:
    flows = Talk().shake().hello(HELLO + b"\x14\x03\x03\0\1\1").flows()
    assert flows.hello_end[0] == len(HELLO)


def test_a_hello_cut_by_the_snap_length_ends_where_it_says() -> None:
    packets = Talk().shake().hello().packets()
    packets.payload_captured[3] = 120
    flows = settle(packets)
    assert (trigger(flows).complete, flows.hello_end[0], flows.hello_done[0]) == (False, len(HELLO), 3)


def test_a_hello_whose_tail_was_never_captured_is_not_done() -> None:
    flows = Talk().shake().c("A", BIG[:1400]).flows()
    assert (trigger(flows).complete, flows.hello[0], flows.hello_done[0], flows.hello_end[0]) == (False, 3, -1, len(BIG))


def test_retransmitted_it_began_with_the_first() -> None:
    flows = Talk().shake().hello().hello().hello().flows()
    assert (flows.hello[0], flows.hello_done[0], flows.hello_end[0]) == (3, 3, len(HELLO))


def test_mid_stream_it_is_still_read() -> None:
    assert trigger(Talk().c("PA", HELLO, seq=700).flows()).server_name == "blocked.example"


def test_mid_stream_data_are_no_hello() -> None:
    flows = Talk().c("PA", b"\x17\x03\x03\0\x20" + bytes(32), seq=700).flows()
    assert (trigger(flows).kind, flows.trigger_kind[0]) == (OTHER_DATA, OTHER_DATA)


def test_no_data_no_trigger() -> None:
    flows = Talk().shake().flows()
    assert (flows.triggers[0], flows.trigger_kind[0]) == (None, NO_TRIGGER)


def test_a_reset_with_a_hello_inside_is_no_trigger() -> None:
    assert Talk().shake().c("RA", HELLO).flows().triggers[0] is None


def test_an_http_request_is_named_by_its_host() -> None:
    flows = Talk(to=80).shake().hello(REQUEST).flows()
    found = trigger(flows)
    assert (found.kind, found.server_name, found.method, found.complete) == (HTTP_REQUEST, "blocked.example", "GET", True)
    assert flows.hello_end[0] == len(REQUEST)


@pytest.mark.parametrize("request_", [b"get / http/1.1\nHOST:blocked.example\n\n", b"GET http://blocked.example/x HTTP/1.1\r\n\r\n", b"\r\n" + REQUEST])
def test_a_sloppy_request_too(request_: bytes) -> None:
    found = read_trigger(request_)
    assert found is not None
    assert found[0].server_name == "blocked.example"


@pytest.mark.parametrize("line", [b"get key\r\n", b"EHLO mail.example\r\n", b"SSH-2.0-x\r\n", b"", b"\0"])
def test_other_protocols_are_no_request(line: bytes) -> None:
    assert read_trigger(line) is None


def test_behind_starttls_the_hello_is_found() -> None:
    talk = Talk(to=25).shake().c("PA", b"EHLO me.example\r\n").c("PA", b"STARTTLS\r\n", seq=17).c("PA", HELLO, seq=27)
    flows = talk.flows()
    assert (trigger(flows).server_name, flows.hello[0], flows.hello_start[0]) == ("blocked.example", 5, 27)


CONNECT = b"CONNECT blocked.example:443 HTTP/1.1\r\n\r\n"


def test_connect_alone_names_its_target() -> None:
    found = trigger(Talk(to=3128).shake().hello(CONNECT).flows())
    assert (found.kind, found.server_name, found.method) == (HTTP_REQUEST, "blocked.example", "CONNECT")


@pytest.mark.parametrize("cut", [0, 3, 100])
def test_behind_connect_the_hello_is_found_in_pieces_too(cut: int) -> None:
    talk = Talk(to=3128).shake().hello(CONNECT).s("PA", b"HTTP/1.1 200 OK\r\n\r\n")
    if cut:
        talk.c("PA", HELLO[:cut], seq=len(CONNECT))
    flows = talk.c("PA", HELLO[cut:], seq=len(CONNECT) + cut).flows()
    assert (trigger(flows).kind, flows.hello_start[0], flows.hello_end[0]) == (CLIENT_HELLO, len(CONNECT), len(CONNECT) + len(HELLO))


def test_an_empty_name_is_no_name() -> None:
    assert trigger(Talk().shake().hello(client_hello(b"", b"x")).flows()).server_name is None


def test_the_servers_hello_is_no_trigger() -> None:
    flows = Talk().shake().s("PA", SERVER_HELLO).flows()
    assert flows.triggers[0] is None


@given(st.lists(st.integers(1, len(HELLO) - 1), max_size=5), st.randoms(use_true_random=False), st.booleans())
def test_cut_and_shuffled_as_one_likes_the_name_stays(cuts: list[int], random: object, again: bool) -> None:
    edges = sorted({0, *cuts, len(HELLO)})
    pieces = list(pairwise(edges))
    pieces += [(max(a - 20, 0), b) for a, b in pieces] if again else []
    random.shuffle(pieces)  # type: ignore[attr-defined]
    talk = Talk(isn=0xFFFFFF00).shake()
    for a, b in pieces:
        talk.c("A", HELLO[a:b], seq=a)
    flows = talk.flows()
    assert trigger(flows).server_name == "blocked.example"
    assert (flows.hello_start[0], flows.hello_end[0], flows.client_seen[0]) == (0, len(HELLO), len(HELLO))
    assert np.all(flows.client_next <= len(HELLO))
