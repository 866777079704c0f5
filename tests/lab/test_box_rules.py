"""What the wider `emulate:` grammar makes boxes do: trigger rules, own delays, counters and cycles, rewriting, counts from both sides, chains."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from dpiprobe.lab import segment
from dpiprobe.lab.box import Box, Emit
from dpiprobe.lab.boxes import make
from dpiprobe.lab.segment import Segment
from dpiprobe.signature.emulation import parse_emulation
from dpiprobe.tls.craft import client_hello
from tests.lab.test_box import CLIENT, END, HELLO, ISS, MS, SERVER, SERVER_ISS, box, from_client, from_server, handshake, sent


def passes(device: Box, hello: bytes, **more: int) -> bool:
    """Does a box that swallows what it acts on let this hello through."""
    handshake(device)
    return bool(device.packet(0, "client", from_client("PA", ISS + 1, hello, **more)))


def parsed(emits: list[Emit]) -> list[Segment]:
    found = [segment.parse(emit.packet) for emit in emits]
    assert None not in found
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("rule", "name", "blocked"),
    [
        ("exact", "blocked.example", True), ("exact", "www.blocked.example", False), ("suffix", "www.blocked.example", True),
        ("suffix", "notblocked.example", False), ("substring", "notblocked.example.org", True), ("substring", "free.example", False),
        ("any", "free.example", True),
    ],
)  # fmt: skip
def test_name_rules(rule: str, name: str, blocked: bool) -> None:
    assert passes(box({"trigger": {"kind": "client_hello", "names": rule}, "hello": "drop"}), client_hello(name, b"1")) != blocked


def test_ports_and_bare_headers_narrow_a_trigger_down() -> None:
    assert passes(box({"trigger": {"kind": "client_hello", "ports": [8443]}, "hello": "drop"}), HELLO)
    assert not passes(box({"trigger": {"kind": "client_hello", "ports": [443]}, "hello": "drop"}), HELLO)
    henan: dict[str, object] = {"trigger": {"kind": "client_hello", "tcp_options": "none"}, "hello": "drop"}
    assert passes(box(henan), HELLO), "the client's segments carry timestamps"
    bare = segment.build(Segment(CLIENT, SERVER, 40000, 443, ISS + 1, 0, segment.ACK, payload=HELLO))
    assert box(henan).packet(0, "client", bare) == []


def test_a_box_that_needs_the_handshake_must_have_seen_the_syn() -> None:
    block: dict[str, object] = {"trigger": {"kind": "client_hello", "handshake": "needed"}, "hello": "drop"}
    assert box(block).packet(0, "client", from_client("PA", ISS + 1, HELLO))
    assert not passes(box(block), HELLO)


def in_records(hello: bytes, at: int) -> bytes:
    """The same ClientHello in two TLS records."""
    body = hello[5:]
    return b"".join(hello[:3] + len(part).to_bytes(2, "big") + part for part in (body[:at], body[at:]))


@pytest.mark.parametrize(("reassembly", "segments", "records"), [("full", True, True), ("tcp", True, False), ("none", False, False)])
def test_reassembly_decides_what_a_split_hello_hides(reassembly: str, segments: bool, records: bool) -> None:
    block: dict[str, object] = {"trigger": {"kind": "client_hello", "reassembly": reassembly}, "hello": "drop"}
    device = box(block)
    handshake(device)
    cut = HELLO.index(b"blocked") + 3
    device.packet(0, "client", from_client("A", ISS + 1, HELLO[:cut]))
    assert (device.packet(0, "client", from_client("PA", ISS + 1 + cut, HELLO[cut:])) == []) == segments
    assert (not passes(box(block), in_records(HELLO, 40))) == records
    assert not passes(box(block), HELLO), "whole, every one of them reads it"


def test_without_reassembly_a_name_that_is_whole_in_the_first_segment_is_enough() -> None:
    device = box({"trigger": {"kind": "client_hello", "reassembly": "none"}, "hello": "drop"})
    handshake(device)
    cut = HELLO.index(b"blocked.example") + 15
    assert device.packet(0, "client", from_client("A", ISS + 1, HELLO[:cut])) == []


def with_extension(kind: int) -> bytes:
    """A ClientHello without a name, with one more extension."""
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
    extension = kind.to_bytes(2, "big") + b"\0\4abcd"
    body += len(extension).to_bytes(2, "big") + extension
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + len(message).to_bytes(2, "big") + message


def test_esni_and_ech_are_triggers_by_themselves() -> None:
    for word, kind, other in (("esni", 0xFFCE, 0xFE0D), ("ech", 0xFE0D, 0xFFCE)):
        block: dict[str, object] = {"trigger": {"kind": "client_hello", "names": "any", "extension": word}, "hello": "drop"}
        assert not passes(box(block), with_extension(kind))
        assert passes(box(block), with_extension(other))


def test_inbound_boxes_act_on_connections_from_the_other_side() -> None:
    hello = segment.build(Segment(SERVER, CLIENT, 50000, 443, 100, 1, segment.ACK | segment.PSH, payload=HELLO))
    for direction, acts in (("outbound", False), ("inbound", True), ("both", True)):
        device = box({"trigger": {"kind": "client_hello", "direction": direction}, "hello": "drop", "send": [{"to": "client", "flags": "R"}]})
        emits = device.packet(0, "server", hello)
        assert [emit.to for emit in emits] == (["server"] if acts else ["client"]), direction
    assert not passes(box({"trigger": {"kind": "client_hello", "direction": "both"}, "hello": "drop"}), HELLO)


def test_a_syn_ack_can_be_the_trigger() -> None:
    device = box({"trigger": "syn_ack", "send": [{"flags": "RA", "copies": 3, "window": {"cycle": [3293, 3295]}, "ttl": {"cycle": [50, 60]}}]})
    device.packet(0, "client", from_client("S", ISS))
    answer, *resets = device.packet(0, "server", from_server("SA", SERVER_ISS))
    assert answer.packet == from_server("SA", SERVER_ISS)
    assert [(p.seq, p.window, p.ttl) for p in parsed(resets)] == [(SERVER_ISS + 1, 3293, 50), (SERVER_ISS + 1, 3294, 51), (SERVER_ISS + 1, 3295, 52)]
    assert {emit.to for emit in resets} == {"client"}


def test_groups_have_their_own_delays() -> None:
    block: dict[str, object] = {"hello": "drop", "delay": "2 ms", "send": [{"flags": "R"}, {"flags": "RA", "delay": "9 ms", "copies": 2, "spacing": "1 ms"}]}
    assert [(at, one.flags) for at, _, one in sent(block)] == [(2, 4), (9, 0x14), (10, 0x14)]


def test_counters_have_steps_and_mirrors_offsets() -> None:
    counted = [p.ipid for _, _, p in sent({"hello": "drop", "send": [{"flags": "R", "copies": 3, "ipid": {"counter": -26}}]})]
    assert [(b - a) & 0xFFFF for a, b in pairwise(counted)] == [0x10000 - 26] * 2
    ((_, _, mirrored),) = sent({"hello": "drop", "send": [{"flags": "R", "ipid": {"mirror": 64}}]})
    assert mirrored.ipid == 777 + 64


def test_later_packets_and_answers_can_be_answered_too() -> None:
    device = box({"send": [{"flags": "R"}, {"flags": "RA", "when": "later"}, {"to": "server", "flags": "R", "when": "answer"}]})
    handshake(device)
    _, first = device.packet(0, "client", from_client("PA", ISS + 1, HELLO))
    assert parsed([first])[0].flags == 4
    again = device.packet(0, "client", from_client("A", END, b"more"))
    assert [(emit.to, one.flags, one.ack) for emit, one in zip(again[:1], parsed(again[:1]), strict=True)] == [("client", 0x14, (END + 4) & 0xFFFFFFFF)]
    answered = device.packet(0, "server", from_server("A", SERVER_ISS + 1, b"answer"))
    assert sorted(emit.to for emit in answered) == ["client", "server"]


def test_the_servers_own_packet_becomes_a_reset() -> None:
    for rule, ack in (({"flags": "RA"}, ISS + 1), ({"flags": "RA", "ack": {"plus": -100}}, ISS - 99), ({"flags": "R", "ack": "zero"}, 0)):
        device = box({"rewrite": rule})
        handshake(device)
        device.packet(0, "client", from_client("PA", ISS + 1, HELLO))
        (pure,) = device.packet(0, "server", from_server("A", SERVER_ISS + 1))
        assert pure.packet == from_server("A", SERVER_ISS + 1), "an acknowledgement without data passes"
        genuine = segment.parse(from_server("PA", SERVER_ISS + 1, b"hello"))
        assert genuine is not None
        (reset,) = parsed(device.packet(0, "server", segment.build(genuine)))
        assert (reset.ttl, reset.ipid, reset.seq, reset.options) == (genuine.ttl, genuine.ipid, genuine.seq, genuine.options)
        assert (reset.ack, reset.payload) == (ack & 0xFFFFFFFF, b"")
        assert reset.flags & segment.RST


def test_the_servers_own_packet_may_get_another_text() -> None:
    device = box({"rewrite": {"flags": "FPA", "payload": "HTTP/1.1 302 Found\r\n\r\n"}})
    handshake(device)
    device.packet(0, "client", from_client("PA", ISS + 1, HELLO))
    (answer,) = parsed(device.packet(9, "server", from_server("PA", SERVER_ISS + 1, b"genuine")))
    assert (answer.payload, answer.seq) == (b"HTTP/1.1 302 Found\r\n\r\n", SERVER_ISS + 1)


def test_a_packet_may_come_from_the_box_itself_with_options_of_its_own() -> None:
    device = box({"send": [{"to": "client", "flags": "R", "from": "box", "options": {"hex": "02 04 05 b4 01"}}]})
    handshake(device)
    _, forged = parsed(device.packet(0, "client", from_client("PA", ISS + 1, HELLO)))
    assert forged.source not in (SERVER, CLIENT)
    assert (forged.destination, forged.source_port, forged.options.hex()) == (CLIENT, 443, "020405b401010101")


def test_only_data_may_be_dropped_and_counts_may_come_from_both_sides() -> None:
    device = box({"then": {"to_client": "drop", "carrying": "data"}})
    handshake(device)
    device.packet(0, "client", from_client("A", ISS + 1, HELLO))
    assert device.packet(0, "server", from_server("A", SERVER_ISS + 1))
    assert not device.packet(0, "server", from_server("A", SERVER_ISS + 1, b"answer"))
    device = box({"then": {"to_client": "drop", "to_server": "drop", "after": {"packets": {"random": [5, 8]}, "from": "both"}}})
    handshake(device)
    device.packet(0, "client", from_client("A", ISS + 1, HELLO))
    passed = [bool(device.packet(0, *(("server", from_server("A", SERVER_ISS + 1)) if i % 2 else ("client", from_client("A", END))))) for i in range(12)]
    assert 5 <= sum(passed) <= 8
    assert passed == sorted(passed, reverse=True)


def test_residual_by_four_tuple_from_one_side_and_renewed() -> None:
    block: dict[str, object] = {"hello": "drop", "residual": {
        "what": "drop", "for": "10 s", "same": ["client", "client_port", "server", "port"], "renewed": "by_packets", "from": "client"}}  # fmt: skip
    device = box(block)
    handshake(device)
    device.packet(0, "client", from_client("A", ISS + 1, HELLO))
    handshake(device, 40001, 1 * MS)
    assert device.packet(8000 * MS, "client", from_client("S", 7)) == [], "the same four, a new connection"
    assert device.packet(8000 * MS, "server", from_server("SA", SERVER_ISS)), "the other direction is open"
    assert device.packet(17_000 * MS, "client", from_client("S", 7)) == [], "renewed by the packet at 8 s"
    assert device.packet(28_000 * MS, "client", from_client("S", 7))


def test_boxes_in_a_row_each_see_what_the_other_lets_go() -> None:
    slow = {"delay": "5 ms", "send": [{"to": "both", "flags": "R", "ttl": 99}]}
    device = make([{"trigger": {"kind": "client_hello", "names": "any"}, "hello": "drop", "send": [{"flags": "FA"}]}, slow], ["blocked.example"], [],
                  random.Random(1))  # fmt: skip
    handshake(device)
    (close,) = device.packet(0, "client", from_client("PA", ISS + 1, HELLO))
    assert (close.to, parsed([close])[0].flags) == ("client", 0x11), "the first swallows it, so the second never sees it"
    turned = make([slow, {"hello": "drop"}], ["blocked.example"], [], random.Random(1))
    handshake(turned)
    assert [emit.to for emit in turned.packet(0, "client", from_client("PA", ISS + 1, HELLO))] == ["client"]
    assert turned.wake_at() == 5 * MS
    assert [emit.to for emit in turned.wake(5 * MS)] == ["server"], "the forged packet passes the second box, which the hello did not"
    assert {(event["box"], event["kind"]) for event in turned.events} == {(0, "trigger"), (0, "inject"), (1, "trigger")}
    turned.events.clear()
    assert turned.events == []


def test_ipv6_is_treated_alike() -> None:
    client, server = bytes.fromhex("20010002000000000000000000010002"), bytes.fromhex("20010002000000000000000000040002")
    device = box({"hello": "drop", "send": [{"flags": "RA", "ttl": 70}, {"icmp": "admin_prohibited"}]})
    hello = segment.build(Segment(client, server, 40000, 443, 100, 1, segment.ACK, payload=HELLO, ttl=60))
    reset, error = device.packet(0, "client", hello)
    (seen,) = parsed([reset])
    assert (seen.source, seen.ttl, seen.ack) == (server, 70, 100 + len(HELLO))
    assert (error.packet[6], error.packet[40:42]) == (58, b"\1\1"), "ICMPv6: communication administratively prohibited"
    shorter = segment.decrement_ttl(hello, 60)
    assert shorter is None
    assert segment.parse(segment.decrement_ttl(hello, 59) or b"").ttl == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"trigger": {"kind": "syn", "names": "any"}}, "carries no name"), ({"trigger": {"kind": "http_request", "extension": "ech"}}, "only a client_hello"),
        ({"trigger": {"kind": "hello"}}, "none of"), ({"send": [{"flags": "R", "ttl": {"cycle": [5, 2]}}]}, "cycle"),
        ({"send": [{"flags": "R", "ipid": {"counter": "x"}}]}, "STEP"), ({"rewrite": {"ack": "odd", "flags": "RA"}}, "keep, zero"),
        ({"rewrite": {}}, "is missing"), ({"mitm": {"tls": "1.1"}}, "none of"), ({"mitm": {}, "hello": "drop"}, "intercepting"),
        ({"mitm": {"issuer": ""}}, "common name"), ({"residual": {"what": "drop", "for": "1 s", "same": ["shoe size"]}}, "not a list out of"),
        ({"then": {"after": {"packets": 3, "from": "client"}}}, "none of"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said(block: dict[str, object], problem: str) -> None:
    emulation, problems = parse_emulation(block)
    assert emulation is None
    assert any(problem in sentence for _, sentence in problems), problems
