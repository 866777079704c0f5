"""Landmarks, round trips, and what must hold for any packets at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.cases.build import Tape
from dpiprobe.flow.flows import Flows
from dpiprobe.flow.settle import settle
from dpiprobe.observe.build import observe
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES
from dpiprobe.wire.build import address
from dpiprobe.wire.packets import Packets
from dpiprobe.wire.parse import parse_packets
from tests.flow.talk import HELLO, MS, SERVER_HELLO, Talk

SIZE = len(HELLO)


def whole() -> Talk:
    talk = Talk().shake().hello().s("A", ack=SIZE, at=110).s("PA", SERVER_HELLO, ack=SIZE).c("A", seq=SIZE, ack=len(SERVER_HELLO))
    return talk.c("FA", seq=SIZE, ack=len(SERVER_HELLO)).s("FA", seq=len(SERVER_HELLO), ack=SIZE + 1)


def test_landmarks_of_a_whole_connection() -> None:
    f = whole().flows()
    names = ("syn", "last_syn", "syn_ack", "handshake", "hello", "hello_done", "ack_end", "answer", "client_fin", "server_fin", "client_rst", "server_rst")
    assert [int(getattr(f, n)[0]) for n in names] == [0, 0, 1, 2, 3, 3, 4, 5, 7, 8, -1, -1]
    assert (f.server_acked[0], f.client_acked[0], f.client_seen[0], f.server_seen[0]) == (SIZE + 1, len(SERVER_HELLO), SIZE, len(SERVER_HELLO))


def test_the_first_reset_of_each_side() -> None:
    f = Talk().shake().hello().s("RA", ack=SIZE).s("R").c("R").flows()
    assert (f.server_rst[0], f.client_rst[0], f.server_acked[0]) == (4, 6, 0)


def test_the_answer_is_new_payload_after_the_hello() -> None:
    greeting = b"220 hello\r\n"
    f = Talk().shake().s("PA", greeting).hello().s("PA", greeting, ack=SIZE).s("PA", SERVER_HELLO, seq=len(greeting), ack=SIZE).flows()
    assert f.answer[0] == 6


def test_a_retransmitted_syn_moves_last_syn() -> None:
    f = Talk().c("S").c("S", at=1000).s("SA", at=1050).flows()
    assert (f.syn[0], f.last_syn[0]) == (0, 1)


# -- round trips


def test_the_handshake_gives_a_round_trip() -> None:
    f = Talk().shake().flows()
    assert (f.rtt[0], f.rtt_samples[0]) == (50 * MS, 1)


def test_so_does_the_acknowledgement_of_data() -> None:
    f = Talk().shake().hello().s("A", ack=SIZE, at=51 + 2 + 40).flows()
    assert (f.rtt[0], f.rtt_samples[0]) == (40 * MS, 2)


def test_a_syn_sent_twice_gives_none() -> None:
    f = Talk().c("S", at=0).c("S", at=1000).s("SA", at=1010).flows()
    assert (f.rtt[0], f.rtt_samples[0]) == (-1, 0)


def test_unless_the_echoed_timestamp_tells_which_was_answered() -> None:
    f = Talk().c("S", at=0, stamps=(100, 0)).c("S", at=1000, stamps=(1100, 0)).s("SA", at=1050, stamps=(7, 1100)).flows()
    assert f.rtt[0] == 50 * MS
    f = Talk().c("S", at=0, stamps=(100, 0)).c("S", at=1000, stamps=(1100, 0)).s("SA", at=1050, stamps=(7, 100)).flows()
    assert f.rtt[0] == -1


def test_a_segment_sent_twice_gives_none() -> None:
    f = Talk().hello().c("PA", HELLO, at=300).s("A", ack=SIZE, at=310).flows()
    assert f.rtt[0] == -1


def test_nor_does_one_acknowledged_only_after_an_earlier_hole_was_filled() -> None:
    f = Talk().c("A", HELLO[:100], at=0).c("PA", HELLO[100:], seq=100, at=1).c("A", HELLO[:100], at=300).s("A", ack=SIZE, at=320).flows()
    assert f.rtt[0] == -1


@pytest.mark.parametrize(("flags", "payload"), [("RA", b""), ("FA", b""), ("PA", b"\x15\x03\x03\0\2\2\x28"), ("PA", b"HTTP/1.1 403 No\r\n\r\n")])
def test_what_an_injector_sends_gives_none(flags: str, payload: bytes) -> None:
    f = Talk().shake().hello().s(flags, payload, ack=SIZE, at=54).flows()
    assert (f.rtt[0], f.rtt_samples[0]) == (50 * MS, 1)


def test_a_clock_that_jumps_back_gives_none() -> None:
    packets = Talk().shake().packets()
    packets.time[:] = packets.time[::-1].copy()
    assert settle(packets).rtt[0] == -1


# -- timestamps


@pytest.mark.parametrize("both", [True, False])
def test_timestamps_are_negotiated_by_both_or_not(both: bool) -> None:
    f = Talk().c("S", stamps=(1, 0)).s("SA", stamps=(2, 1) if both else None).flows()
    assert f.timestamps[0] == int(both)


def test_of_one_side_alone_nothing_is_known() -> None:
    assert Talk(timestamps=True).hello().flows().timestamps[0] == -1


def test_mid_stream_the_segments_tell() -> None:
    assert Talk(timestamps=True).hello().s("A", ack=SIZE).flows().timestamps[0] == 1


# -- for any packets


def shown(flows: Flows, of: int) -> dict[str, Any]:
    """A flow's landmarks with packet positions inside the flow, without addresses and ports."""
    first = int(flows.start[of])
    marks = ("syn", "last_syn", "syn_ack", "handshake", "hello", "hello_done", "answer", "ack_end", "client_fin", "server_fin", "client_rst", "server_rst")
    plain = ("hello_start", "hello_end", "server_acked", "client_acked", "client_seen", "server_seen", "rtt", "rtt_samples", "timestamps", "trigger_kind")
    out: dict[str, Any] = {m: int(getattr(flows, m)[of]) - first if getattr(flows, m)[of] >= 0 else -1 for m in marks}
    out |= {p: int(getattr(flows, p)[of]) for p in plain}
    span = slice(first, int(flows.stop[of]))
    out |= {c: getattr(flows, c)[span].tolist() for c in ("origin", "offset", "end", "acked", "client_next", "server_next", "duplicate")}
    trigger = flows.triggers[of]
    return out | {"name": trigger.server_name if trigger else None}


step = st.tuples(st.booleans(), st.sampled_from(["S", "SA", "A", "PA", "FA", "R", "RA"]), st.sampled_from([0, 0, 100, 300]), st.sampled_from([0, SIZE, 150]))


def conversation(steps: list[tuple[bool, str, int, int]], **settings: Any) -> Talk:
    talk = Talk(**settings)
    for ours, flags, seq, ack in steps:
        payload = (HELLO if ours else SERVER_HELLO)[seq : seq + 200] if "P" in flags else b""
        (talk.c if ours else talk.s)(flags, payload, seq=seq, ack=ack)
    return talk


@given(st.lists(step, min_size=1, max_size=15))
def test_other_addresses_and_ports_make_no_difference(steps: list[tuple[bool, str, int, int]]) -> None:
    here = conversation(steps).flows()
    there = conversation(steps, client="203.0.113.200", server="192.0.2.1", port=50001, to=8443).flows()
    assert [shown(here, f) for f in range(len(here))] == [shown(there, f) for f in range(len(there))]


@given(st.lists(step, min_size=1, max_size=15), st.lists(step, min_size=1, max_size=15))
def test_unrelated_flows_beside_it_make_none(steps: list[tuple[bool, str, int, int]], others: list[tuple[bool, str, int, int]]) -> None:
    alone = conversation(steps).flows()
    talk, noise = conversation(steps), conversation(others, client="192.0.2.99", port=41234)
    talk.frames += noise.frames
    both = talk.flows()
    mine = [f for f in range(len(both)) if both.client_port[f] == 40000 or both.server_port[f] == 40000]
    assert [shown(alone, f) for f in range(len(alone))] == [shown(both, f) for f in mine]


def look_at_everything(packets: Packets) -> Flows:
    flows = settle(packets)
    observed = observe(flows)
    for name in PACKET_FEATURES:
        values = observed.feature(name)
        assert len(values.data) == len(values.known) == len(observed.slot), name
    for name in FLOW_FEATURES:
        values = observed.flow_feature(name)
        assert len(values.data) == len(values.known) == len(flows), name
    return flows


frame = st.one_of(st.binary(max_size=80), st.builds(lambda head, tail: head + tail, st.sampled_from([f for _, f in whole().frames]), st.binary(max_size=30)))


@settings(max_examples=150)
@given(st.lists(frame, max_size=20))
def test_any_bytes_settle(frames: list[bytes]) -> None:
    look_at_everything(parse_packets(frames))


@settings(max_examples=150)
@given(st.data())
def test_any_fields_settle(data: st.DataObject) -> None:
    talk = whole()
    talk.error(3, 1, talk.frames[3][1]).datagram(True, b"\xc0\0\0\0\1" + bytes(1300)).datagram(False, b"\xe0\0\0\0\1" + bytes(20))
    packets = talk.packets()
    for name in ("flags", "seq", "ack", "time", "window", "ts_value", "ts_echo", "ttl"):
        column = getattr(packets, name)
        for row in data.draw(st.lists(st.integers(0, len(packets) - 1), max_size=6)):
            column[row] = data.draw(st.integers(0, 0xFFF if name == "flags" else 0xFFFFFFFF if name != "ttl" else 255))
    flows = look_at_everything(packets)
    assert sorted(flows.row.tolist()) == list(range(len(packets)))
    assert np.all(np.diff(flows.flow) >= 0)
    assert flows.start.tolist() == np.searchsorted(flows.flow, np.arange(len(flows))).tolist()


def test_the_smallest_captures() -> None:
    for talk in (Talk(), Talk().c("S"), Talk().datagram(True, b"x" * 50), Talk().error(3, 1, Talk().segment(True, "S"))):
        look_at_everything(talk.packets())


def test_a_built_case_has_the_landmarks_it_tells() -> None:
    tape = Tape()
    tape.connection(name="blocked.example", rtt=50).handshake().hello().acknowledge().answer().close()
    ordered = tape.ordered()
    flows = settle(parse_packets([bytes(p) for _, p, _ in ordered], [t for t, _, _ in ordered]))
    assert (flows.syn[0], flows.syn_ack[0], flows.handshake[0], flows.hello[0], flows.ack_end[0], flows.answer[0]) == (0, 1, 2, 3, 4, 5)
    assert flows.rtt[0] == 50 * MS


def test_columns_are_64_bit_and_of_one_length() -> None:
    flows = whole().flows()
    for name in ("row", "flow", "origin", "offset", "end", "acked", "client_next", "server_next", "duplicate"):
        assert (getattr(flows, name).dtype, len(getattr(flows, name))) == (np.int64, 9), name
    assert replace(flows).packets.addresses[flows.client[0]] == address("192.0.2.10")
