"""Boxes as pure machines: every field of what they send, which packets trigger them, what they let pass. No network, no clock."""

from __future__ import annotations

import random
import socket
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.lab import segment
from dpiprobe.lab.box import Box, EmulatedBox
from dpiprobe.lab.boxes import make
from dpiprobe.lab.segment import Segment
from dpiprobe.tls.craft import client_hello

CLIENT, SERVER = socket.inet_aton("198.18.1.2"), socket.inet_aton("198.18.4.2")
MS = 1_000_000
ISS, SERVER_ISS = 0xFFFFFF00, 5000  # the client's numbers wrap inside the hello
OPTIONS = bytes.fromhex("0101080a0000000100000002")


def box(block: dict[str, object] | None, seed: int = 1) -> Box:
    return make(block, ["Blocked.example"], ["198.18.4.2"], random.Random(seed))


def from_client(flags: str, seq: int, payload: bytes = b"", port: int = 40000, **more: int) -> bytes:
    bits = sum(bit for letter, bit in zip("FSRPA", (1, 2, 4, 8, 16), strict=True) if letter in flags)
    ack = SERVER_ISS + 1 if "A" in flags else 0
    return segment.build(Segment(CLIENT, SERVER, port, 443, seq, ack, bits, 502, payload, OPTIONS, 62, ipid=777, **more))


def from_server(flags: str, seq: int, payload: bytes = b"", port: int = 40000) -> bytes:
    bits = sum(bit for letter, bit in zip("FSRPA", (1, 2, 4, 8, 16), strict=True) if letter in flags)
    return segment.build(Segment(SERVER, CLIENT, 443, port, seq, ISS + 1, bits, 500, payload, OPTIONS, 63))


def handshake(device: Box, port: int = 40000, now: int = 0) -> None:
    for side, packet in (("client", from_client("S", ISS, port=port)), ("server", from_server("SA", SERVER_ISS, port=port)),
                         ("client", from_client("A", ISS + 1, port=port))):
        assert [emit.packet for emit in device.packet(now, side, packet)] == [packet]


def sent(block: dict[str, object], hello: bytes | None = None) -> list[tuple[int, str, Segment]]:
    """What a box does with a blocked hello that comes at 100 ms: (ms after it, to, segment)."""
    device = box(block)
    handshake(device)
    out = device.packet(100 * MS, "client", from_client("PA", ISS + 1, hello or client_hello("blocked.example", b"1")))
    found = []
    for emit in out:
        seen = segment.parse(emit.packet)
        assert seen is not None
        found.append(((emit.at - 100 * MS) // MS, emit.to, seen))
    return found


def made(send: dict[str, object], **block: object) -> list[Segment]:
    """What one `send` entry makes, of a box that swallows the hello."""
    return [seen for _, _, seen in sent({"hello": "drop", "send": [send], **block})]


HELLO = client_hello("blocked.example", b"1")
END = (ISS + 1 + len(HELLO)) & 0xFFFFFFFF


def test_the_impersonated_side_is_right_in_both_directions() -> None:
    (_, to, one), (_, to_two, two) = sent({"hello": "drop", "send": [{"to": "both", "flags": "RA"}]})
    assert (to, one.source, one.source_port, one.destination, one.destination_port) == ("client", SERVER, 443, CLIENT, 40000)
    assert (one.seq, one.ack) == (SERVER_ISS + 1, END)
    assert (to_two, two.source, two.source_port, two.destination_port) == ("server", CLIENT, 40000, 443)
    assert (two.seq, two.ack) == ((ISS + 1) & 0xFFFFFFFF, SERVER_ISS + 1), "the server never got the hello, so its first byte is expected"


def test_towards_a_server_that_gets_the_hello_its_end_is_expected() -> None:
    passed, reset = sent({"hello": "pass", "send": [{"to": "server", "flags": "R"}]})
    assert passed[1:] == ("server", passed[2])
    assert reset[2].seq == END


@pytest.mark.parametrize(
    ("entry", "field", "value"),
    [
        ({"ack": "zero"}, "ack", 0), ({"ack": "hello_start"}, "ack", (ISS + 1) & 0xFFFFFFFF), ({"ack": {"hello_end": 3}}, "ack", END + 3),
        ({"ack": {"hello_end": -514}}, "ack", (END - 514) & 0xFFFFFFFF), ({"seq": "zero"}, "seq", 0),
        ({"ipid": 13330}, "ipid", 13330), ({"ipid": "mirror"}, "ipid", 777), ({"ipid": "mirror_plus_one"}, "ipid", 778),
        ({"df": "clear"}, "df", False), ({"df": "set"}, "df", True), ({}, "ttl", 64), ({"ttl": 200}, "ttl", 200), ({"ttl": "copy"}, "ttl", 62),
        ({"ttl": "server"}, "ttl", 63), ({"window": 32120}, "window", 32120), ({"window": "mirror"}, "window", 502),
        ({"window": {"ttl_plus": 1375}, "ttl": 50}, "window", 1425), ({"tos": 40}, "tos", 40), ({}, "options", b""),
        ({"options": "copy"}, "options", OPTIONS), ({"payload": {"zeros": 6}}, "payload", bytes(6)), ({"payload": {"hex": "01 02"}}, "payload", b"\1\2"),
        ({"payload": "ä"}, "payload", "ä".encode()), ({"reserved_bits": 5}, "reserved", 5),
    ],
)  # fmt: skip
def test_every_field_is_as_the_block_says(entry: dict[str, object], field: str, value: object) -> None:
    (seen,) = made({"flags": "R", **entry})
    assert getattr(seen, field) == value


def test_copies_spacing_offsets_and_ladders() -> None:
    times = [at for at, _, _ in sent({"hello": "drop", "delay": "2 ms", "send": [{"flags": "R", "copies": 3, "spacing": "5 ms"}]})]
    assert times == [2, 7, 12]
    ladder = made({"flags": "R", "windows": [0, 1, 3]})
    assert [(p.seq - SERVER_ISS - 1) for p in ladder] == [0, 502, 1506]
    offsets = made({"flags": "R", "copies": 2, "seq_offsets": [0, 1460]})
    assert [(p.seq - SERVER_ISS - 1) for p in offsets] == [0, 1460, 0, 1460]


def test_random_fields_differ_between_packets_or_between_reactions_as_asked() -> None:
    each = made({"flags": "R", "copies": 20, "ipid": "random", "window": "random", "ttl": {"random_each": [39, 238]}})
    assert len({p.ipid for p in each}) > 10
    assert len({p.window for p in each}) > 10
    assert len({p.ttl for p in each}) > 10
    assert all(39 <= p.ttl <= 238 for p in each)
    same = made({"flags": "R", "copies": 20, "ipid": "random_same", "window": "random_same", "ttl": {"random": [39, 238]}})
    assert len({(p.ipid, p.window, p.ttl) for p in same}) == 1
    counted = made({"flags": "R", "copies": 3, "ipid": "counter"})
    assert [(p.ipid - counted[0].ipid) & 0xFFFF for p in counted] == [0, 1, 2]


def test_the_same_seed_makes_the_same_packets() -> None:
    block = {"send": [{"flags": "R", "ipid": "random", "ttl": {"random": [1, 255]}, "copies": 5}], "delay": {"random": ["1 ms", "50 ms"]}}
    assert sent(block) == sent(block)


def test_a_hello_in_pieces_and_out_of_order_triggers_when_it_is_whole() -> None:
    device = box({"hello": "drop", "send": [{"flags": "R"}]})
    handshake(device)
    one, two, three = HELLO[:100], HELLO[100:300], HELLO[300:]
    start = ISS + 1
    assert len(device.packet(0, "client", from_client("A", start + 300, three))) == 1
    assert len(device.packet(0, "client", from_client("A", start, one))) == 1
    assert [emit.to for emit in device.packet(0, "client", from_client("A", start + 100, two))] == [], "the piece that completes it is swallowed"
    again = device.packet(0, "client", from_client("A", start + 300, three))
    assert [emit.to for emit in again] == ["client"], "a copy that carries its end is swallowed, and answered"
    assert device.packet(0, "client", from_client("A", start, one)) == [], "so is every other copy"


@given(st.binary(max_size=600), st.lists(st.integers(1, 599), max_size=6))
def test_bytes_that_hold_no_blocked_name_pass_untouched(data: bytes, cuts: list[int]) -> None:
    device = box({"hello": "drop", "send": [{"flags": "R"}]})
    handshake(device)
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        if data[at:cut]:
            packet = from_client("A", ISS + 1 + at, data[at:cut])
            assert [emit.packet for emit in device.packet(0, "client", packet)] == [packet]
            at = cut


@pytest.mark.parametrize(
    ("name", "blocked"), [("blocked.example", True), ("www.BLOCKED.example", True), ("unblocked.example", False), ("blocked.example.org", False)]
)
def test_names_below_a_blocked_one_are_blocked(name: str, blocked: bool) -> None:
    device = box({"hello": "drop"})
    handshake(device)
    assert (device.packet(0, "client", from_client("A", ISS + 1, client_hello(name, b"1"))) == []) == blocked


def test_http_host_and_syn_triggers() -> None:
    device = box({"trigger": "http_request", "hello": "drop"})
    handshake(device)
    assert device.packet(0, "client", from_client("A", ISS + 1, b"GET / HTTP/1.1\r\nhost: blocked.example:80\r\n\r\n")) == []
    device = box({"trigger": "syn", "hello": "drop", "send": [{"flags": "RA", "ack": "hello_end"}]})
    (reset,) = device.packet(0, "client", from_client("S", ISS))
    seen = segment.parse(reset.packet)
    assert seen is not None
    assert (seen.seq, seen.ack) == (0, ISS + 1), "RFC 9293 3.10.7.1: a reset to a SYN acknowledges it"


def test_an_icmp_error_comes_from_the_box_and_quotes_the_hello() -> None:
    device = box({"hello": "drop", "send": [{"to": "client", "icmp": "admin_prohibited", "ttl": 255}]})
    handshake(device)
    (emit,) = device.packet(0, "client", from_client("PA", ISS + 1, HELLO))
    assert emit.packet[12:20] == socket.inet_aton("198.18.2.2") + CLIENT
    assert (emit.packet[8], emit.packet[20], emit.packet[21]) == (255, 3, 13)
    assert emit.packet[40:48] == CLIENT + SERVER
    assert emit.packet[48:56] == from_client("PA", ISS + 1, HELLO)[20:28], "ports and sequence number"


def test_what_follows_the_trigger_can_be_dropped_by_direction_and_after_a_count() -> None:
    device = box({"then": {"to_client": "drop", "after": {"packets": 2}}})
    handshake(device)
    device.packet(0, "client", from_client("A", ISS + 1, HELLO))
    passed = [bool(device.packet(0, "server", from_server("A", SERVER_ISS + 1 + 10 * i, bytes(10)))) for i in range(4)]
    assert passed == [True, True, False, False]
    assert device.packet(0, "client", from_client("A", END)), "the other direction stays open"


def test_residual_punishes_its_kind_for_its_time_and_not_its_cause() -> None:
    device = box({"residual": {"what": "rst", "for": "8 s", "same": ["client", "server", "port"]}})
    handshake(device)
    device.packet(0, "client", from_client("A", ISS + 1, HELLO))
    assert device.packet(1, "server", from_server("A", SERVER_ISS + 1, b"x")), "the connection itself is not what residual means"
    (reset,) = device.packet(7_999 * MS, "client", from_client("S", ISS, port=40001))
    seen = segment.parse(reset.packet)
    assert seen is not None
    assert (reset.to, seen.flags, seen.destination_port, seen.ack) == ("client", 0x14, 40001, ISS + 1)
    handshake(device, 40002, 8_000 * MS)


def test_shaper_queues_and_policer_drops() -> None:
    shaper = box({"throttle": {"rate": "10 kB/s", "how": "shape"}})
    handshake(shaper)
    shaper.packet(0, "client", from_client("A", ISS + 1, HELLO))
    data = [from_server("A", SERVER_ISS + 1, bytes(948)) for _ in range(10)]  # 1000 bytes each with headers of 52
    assert [emit.at // MS for packet in data for emit in shaper.packet(0, "server", packet)] == [100 * i for i in range(1, 11)]
    policer = box({"throttle": {"rate": "10 kB/s", "how": "police"}})
    handshake(policer)
    policer.packet(0, "client", from_client("A", ISS + 1, HELLO))
    assert [len(policer.packet(5 * MS, "server", packet)) for packet in data] == [1] * 6 + [0] * 4, "a burst of 6000 bytes, then nothing"
    assert len(policer.packet(105 * MS, "server", data[0])) == 1


def test_a_new_connection_on_the_same_port_starts_clean() -> None:
    device = box({"hello": "drop", "then": {"to_server": "drop", "to_client": "drop"}})
    handshake(device)
    device.packet(0, "client", from_client("A", ISS + 1, HELLO))
    assert device.packet(0, "client", from_client("A", END)) == []
    assert device.packet(0, "client", from_client("S", ISS + 70000))
    assert device.packet(0, "client", from_client("A", ISS + 70001, client_hello("allowed.example", b"1")))


@given(st.binary(max_size=120))
def test_no_bytes_upset_a_box(data: bytes) -> None:
    packet = b"\x45" + data + bytes(20)
    for device in (box({"hello": "drop", "send": [{"flags": "R"}]}), box({"proxy": {"answer": "close"}}), box(None)):
        device.packet(0, "client", packet)
        device.packet(0, "server", packet)


@given(
    st.builds(
        Segment, st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4), st.integers(0, 65535), st.integers(0, 65535),
        st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 511), st.integers(0, 65535), st.binary(max_size=100),
        st.integers(0, 10).map(lambda n: bytes(4 * n)), st.integers(1, 255), st.integers(0, 65535), st.booleans(), st.integers(0, 255), st.integers(0, 7),
    )
)  # fmt: skip
def test_what_is_built_is_parsed_back(one: Segment) -> None:
    assert segment.parse(segment.build(one)) == one
    shorter = segment.decrement_ttl(segment.build(one))
    if one.ttl == 1:
        assert shorter is None
    else:
        assert shorter == segment.build(replace(one, ttl=one.ttl - 1)), "the checksum is that of the new header"


def test_flows_are_bounded() -> None:
    device = box({"hello": "drop"})
    assert isinstance(device, EmulatedBox)
    for port in range(1, 60000, 7):
        device.packet(0, "client", from_client("S", ISS, port=port))
    assert len(device.flows) <= 100_000
