"""The decode loop: link layers, lengths, options, and what it says of frames that it cannot read."""

from __future__ import annotations

from array import array
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.wire import loop
from dpiprobe.wire.build import ethernet, icmp, ip, ipv4, ipv6, tcp, tcp_options, tcp_packet, udp
from dpiprobe.wire.decode import LOOP_COLUMNS, REASONS
from dpiprobe.wire.packets import ACK, OPT_BROKEN, OPT_EOL, OPT_NOP, OPT_OTHER, OPT_TIMESTAMPS, OPTION_BITS, PSH, TCP, UDP
from dpiprobe.wire.parse import PACKET_FIELDS, Packet, parse_packet
from tests.wire.packets import CLIENT, CLIENT6, SERVER, SERVER6

SEGMENT = tcp_packet(CLIENT, SERVER, 40000, 443, seq=7, payload=b"hello")
SEGMENT6 = tcp_packet(CLIENT6, SERVER6, 40000, 443, seq=7, payload=b"hello")


def status_of(frame: bytes, link: int = loop.RAW) -> int:
    out, status = array("q", (-1,)) * loop.WIDTH, array("q", (0,))
    loop.decode_frames(frame, (0,), (len(frame),), (link,), 1, out, status)
    return status[0]


def read(frame: bytes, link: int = loop.RAW) -> Packet:
    packet = parse_packet(frame, link)
    assert packet is not None
    return packet


FRAMES = {
    "ethernet": (1, ethernet(SEGMENT)),
    "vlan": (1, ethernet(SEGMENT, vlans=((0x8100, 5),))),
    "qinq": (1, ethernet(SEGMENT, vlans=((0x88A8, 5), (0x8100, 6)))),
    "old qinq": (1, ethernet(SEGMENT, vlans=((0x9100, 5), (0x8100, 6)))),
    "pppoe in ethernet": (1, ethernet(pack(">BBHHH", 0x11, 0, 9, len(SEGMENT) + 2, 0x21) + SEGMENT, ethertype=0x8864)),
    "snap": (1, ethernet(b"\xaa\xaa\x03\0\0\0\x08\0" + SEGMENT, ethertype=len(SEGMENT) + 8)),
    "cooked v1": (113, bytes(14) + b"\x08\0" + SEGMENT),
    "cooked v1 with vlan": (113, bytes(14) + b"\x81\0\0\x05\x08\0" + SEGMENT),
    "cooked v2": (276, b"\x08\0" + bytes(18) + SEGMENT),
    "raw 101": (101, SEGMENT),
    "raw 12": (12, SEGMENT),
    "raw 14": (14, SEGMENT),
    "raw ipv4": (228, SEGMENT),
    "null little": (0, b"\x02\0\0\0" + SEGMENT),
    "null big": (0, b"\0\0\0\x02" + SEGMENT),
    "loop": (108, b"\0\0\0\x02" + SEGMENT),
    "loop little": (108, b"\x02\0\0\0" + SEGMENT),
    "ppp": (9, b"\0\x21" + SEGMENT),
    "ppp with address": (9, b"\xff\x03\0\x21" + SEGMENT),
    "ppp compressed": (9, b"\x21" + SEGMENT),
    "ppp in hdlc": (50, b"\xff\x03\0\x21" + SEGMENT),
    "cisco hdlc as ppp": (50, b"\x0f\0\x08\0" + SEGMENT),
    "cisco hdlc": (104, b"\x0f\0\x08\0" + SEGMENT),
    "pppoe": (51, pack(">BBHHH", 0x11, 0, 9, len(SEGMENT) + 2, 0x21) + SEGMENT),
}
FRAMES |= {
    "mpls in ethernet": (1, ethernet(b"\0\x01\x00\x40\0\x02\x01\x40" + SEGMENT, ethertype=0x8847)),
    "mpls in ppp": (9, b"\x02\x81\0\x02\x01\x40" + SEGMENT),
    "netfilter log": (239, b"\x02\0\0\0" + pack("<HHI", 8, 1, 0) + pack("<HHB3x", 5, 10, 65) + pack("<HH", 4 + len(SEGMENT), 9) + SEGMENT),
    "apple packet tap": (258, pack("<III", 108, 1, 1) + bytes(96) + ethernet(SEGMENT)),
}
FRAMES6 = {
    "ethernet": (1, ethernet(SEGMENT6)),
    "cooked v2": (276, b"\x86\xdd" + bytes(18) + SEGMENT6),
    "raw ipv6": (229, SEGMENT6),
    "null netbsd": (0, b"\x18\0\0\0" + SEGMENT6),
    "null freebsd": (0, b"\x1c\0\0\0" + SEGMENT6),
    "null darwin big": (0, b"\0\0\0\x1e" + SEGMENT6),
    "ppp": (9, b"\0\x57" + SEGMENT6),
}


@pytest.mark.parametrize("name", FRAMES)
def test_finds_ipv4_behind_every_link_header(name: str) -> None:
    link, frame = FRAMES[name]
    packet = read(frame, link)
    assert (packet.source, packet.destination_port, packet.payload) == (CLIENT, 443, b"hello")


@pytest.mark.parametrize("name", FRAMES6)
def test_finds_ipv6_behind_every_link_header(name: str) -> None:
    link, frame = FRAMES6[name]
    packet = read(frame, link)
    assert (packet.source, packet.destination_port, packet.payload) == (CLIENT6, 443, b"hello")


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_cut_anywhere_is_read_or_says_why_not(name: str) -> None:
    link, frame = FRAMES[name]
    for length in range(len(frame)):
        status = status_of(frame[:length], link)
        assert status == loop.ROW if length >= len(frame) - 5 else status in REASONS or status == loop.OTHER


def test_rows_have_the_columns_of_packets_in_their_order() -> None:
    names = {name.upper(): getattr(loop, name.upper()) for name in LOOP_COLUMNS}
    assert list(names.values()) == list(range(loop.WIDTH))


def test_single_packets_have_the_fields_of_a_row() -> None:
    assert tuple(Packet.__slots__) == PACKET_FIELDS


def test_ethernet_padding_is_not_payload() -> None:
    frame = ethernet(tcp_packet(CLIENT, SERVER, 1, 2), pad=True)
    assert len(frame) == 60
    assert (read(frame, 1).payload_length, read(frame, 1).payload) == (0, b"")


def test_zeros_inside_the_ip_length_are_payload() -> None:
    assert read(ethernet(tcp_packet(CLIENT, SERVER, 1, 2, payload=bytes(6))), 1).payload == bytes(6)


def test_ip_length_zero_means_the_rest_of_the_frame() -> None:
    segment = tcp(CLIENT, SERVER, 1, 2, payload=b"x" * 3000)
    packet = read(ipv4(CLIENT, SERVER, TCP, segment, total_length=0))
    assert (packet.payload_length, packet.ip_length) == (3000, 3040)


def test_ipv6_length_zero_means_the_rest_of_the_frame() -> None:
    segment = tcp(CLIENT6, SERVER6, 1, 2, payload=b"x" * 3000)
    assert read(ipv6(CLIENT6, SERVER6, TCP, segment, payload_length=0)).payload_length == 3000


def test_a_frame_cut_by_the_snap_length_keeps_the_true_length() -> None:
    packet = read(tcp_packet(CLIENT, SERVER, 1, 2, payload=b"x" * 1000)[:140])
    assert (packet.payload_length, len(packet.payload)) == (1000, 100)


def test_twenty_bytes_of_a_tcp_header_are_enough_and_its_lost_options_are_not_said_to_be_absent() -> None:
    datagram = tcp_packet(CLIENT, SERVER, 1, 2, seq=9, options=tcp_options(timestamps=(1, 2)), payload=b"xyz")
    packet = read(datagram[:40])
    assert (packet.seq, packet.payload_length, packet.payload) == (9, 3, b"")
    assert packet.options & OPT_BROKEN


def test_a_cut_tcp_header_is_no_packet() -> None:
    assert status_of(tcp_packet(CLIENT, SERVER, 1, 2)[:39]) == loop.CUT_TRANSPORT


@pytest.mark.parametrize(
    ("datagram", "status"),
    [
        (ipv4(CLIENT, SERVER, TCP, bytes(20), header_length=4), loop.BAD_IP),
        (ipv4(CLIENT, SERVER, TCP, bytes(20), total_length=19), loop.BAD_IP),
        (ipv4(CLIENT, SERVER, TCP, bytes(20), version=5), loop.BAD_IP),
        (ipv4(CLIENT, SERVER, TCP, tcp(CLIENT, SERVER, 1, 2), total_length=39), loop.BAD_TRANSPORT),
        (ipv4(CLIENT, SERVER, TCP, tcp(CLIENT, SERVER, 1, 2, header_length=4)), loop.BAD_TRANSPORT),
        (ipv4(CLIENT, SERVER, TCP, tcp(CLIENT, SERVER, 1, 2, header_length=6)), loop.BAD_TRANSPORT),
        (ipv4(CLIENT, SERVER, UDP, bytes(7)), loop.BAD_TRANSPORT),
        (ipv4(CLIENT, SERVER, 47, bytes(40)), loop.OTHER),
        (ipv4(CLIENT, SERVER, 4, SEGMENT), loop.OTHER),
        (ipv4(CLIENT, SERVER, TCP, bytes(8), mf=True), loop.FRAGMENT),
        (ipv4(CLIENT, SERVER, TCP, bytes(8), fragment_offset=1), loop.FRAGMENT),
    ],
)  # fmt: skip
def test_says_what_is_wrong(datagram: bytes, status: int) -> None:
    assert status_of(datagram) == status


def test_ip_options_are_skipped_and_marked() -> None:
    packet = read(ipv4(CLIENT, SERVER, TCP, tcp(CLIENT, SERVER, 1, 2, payload=b"a"), options=b"\x01\x01\x01\x00"))
    assert (packet.ip_options, packet.payload) == (1, b"a")


def test_ipv6_extension_headers_are_walked() -> None:
    extensions = ((0, b"\0\x01\x04\0\0\0\0"), (60, b"\0\x01\x04\0\0\0\0"), (43, b"\0\0\0\0\0\0\0"), (51, b"\x04" + bytes(22)), (44, bytes(7)))
    packet = read(ipv6(CLIENT6, SERVER6, TCP, tcp(CLIENT6, SERVER6, 1, 2, payload=b"abc"), extensions=extensions))
    assert (packet.payload, packet.ip_options, packet.ip_id, packet.df) == (b"abc", 1, -1, -1)


def test_no_next_header_is_another_protocol() -> None:
    assert status_of(ipv6(CLIENT6, SERVER6, 59, b"")) == loop.OTHER


def test_all_options_are_read() -> None:
    syn = read(tcp_packet(CLIENT, SERVER, 1, 2, options=tcp_options(mss=1460, window_scale=7, sack_ok=True, timestamps=(11, 22), fast_open=b"cookie")))
    assert (syn.mss, syn.window_scale, syn.ts_value, syn.ts_echo) == (1460, 7, 11, 22)
    assert syn.options == sum(OPTION_BITS[kind] for kind in (1, 2, 3, 4, 8, 34))
    signed = read(tcp_packet(CLIENT, SERVER, 1, 2, options=b"\x13\x12" + bytes(16) + tcp_options(sack=((1, 2),)) + b"\xfd\x02\0\0"))
    assert signed.options == sum(OPTION_BITS[kind] for kind in (19, 5, 1, 0)) | OPT_OTHER


@pytest.mark.parametrize("options", [b"\x08\x0a\0\0", b"\x08\x01\x01\x01", b"\x01\x01\x01\x02", b"\x02\x03\x05\x01", b"\x03\x04\x07\x01"])
def test_broken_options_are_marked_and_give_no_values(options: bytes) -> None:
    packet = read(tcp_packet(CLIENT, SERVER, 1, 2, options=options))
    assert packet.options & OPT_BROKEN
    assert (packet.mss, packet.window_scale, packet.ts_value) == (-1, -1, -1)


def test_what_follows_the_end_of_options_is_not_read() -> None:
    packet = read(tcp_packet(CLIENT, SERVER, 1, 2, options=b"\x01\0\x08\x0a" + bytes(8)))
    assert packet.options == OPT_NOP | OPT_EOL
    assert not packet.options & OPT_TIMESTAMPS


def test_reserved_bits_are_kept_in_the_flags() -> None:
    assert read(tcp_packet(CLIENT, SERVER, 1, 2, flags=0xE00 | PSH | ACK)).flags == 0xE00 | PSH | ACK


def test_udp_payload_ends_where_udp_says() -> None:
    assert read(ipv4(CLIENT, SERVER, UDP, udp(CLIENT, SERVER, 1, 2, b"abc") + b"surplus")).payload == b"abc"


def test_an_echo_quotes_nothing_and_an_error_does() -> None:
    echo, error = read(ipv4(CLIENT, SERVER, 1, icmp(8, 0, 1, b"ping"))), read(ipv4(SERVER, CLIENT, 1, icmp(3, 13, 0, SEGMENT[:28])))
    assert (echo.icmp_type, echo.payload, echo.quote, echo.source_port) == (8, b"ping", b"", -1)
    assert (error.icmp_type, error.icmp_code, error.quote) == (3, 13, SEGMENT[:28])


@given(st.binary(max_size=200), st.sampled_from([0, 1, 9, 12, 14, 50, 51, 101, 104, 108, 113, 228, 229, 276, 147, -1]))
def test_any_bytes_have_a_status_and_stay_inside_the_frame(frame: bytes, link: int) -> None:
    packet = parse_packet(frame, link)
    if packet is not None:
        assert len(packet.payload) <= packet.payload_length


@given(st.binary(max_size=80), st.sampled_from([ethernet, bytes]), st.sampled_from([4, 6]), st.sampled_from([0, 1, 6, 17, 43, 44, 51, 58, 60]))
def test_any_transport_has_a_status(payload: bytes, frame: type, version: int, protocol: int) -> None:
    ends = (CLIENT, SERVER) if version == 4 else (CLIENT6, SERVER6)
    datagram = ip(*ends, protocol, payload)
    packet = parse_packet(frame(datagram), 1 if frame is ethernet else loop.RAW)
    assert packet is None or packet.version == version


def test_the_loop_gives_the_same_over_bytes_and_over_arrays() -> None:
    frames = [frame for _, frame in (*FRAMES.values(), *FRAMES6.values())]
    links = [link for link, _ in (*FRAMES.values(), *FRAMES6.values())]
    buf = b"".join(frames)
    ends = np.cumsum([len(f) for f in frames])
    starts = ends - [len(f) for f in frames]
    n = len(frames)
    plain, plain_status = array("q", (-1,)) * (n * loop.WIDTH), array("q", (0,)) * n
    loop.decode_frames(buf, starts.tolist(), ends.tolist(), links, n, plain, plain_status)
    out, status = np.full(n * loop.WIDTH, -1, np.int64), np.zeros(n, np.int64)
    octets: Any = np.frombuffer(buf, np.uint8)
    columns: Any = (starts, ends, np.array(links), n, out, status)
    loop.decode_frames(octets, *columns)
    assert (plain.tolist(), plain_status.tolist()) == (out.tolist(), status.tolist())
