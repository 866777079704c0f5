"""What is built is what is read: with the loop here, with dpkt, and with checksums that verify."""

from __future__ import annotations

from struct import pack

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.wire.build import address, ethernet, fragments, icmp, icmp_error, icmpv6, ip, ipv4, ipv6, tcp, tcp_options, tcp_packet, udp
from dpiprobe.wire.checksum import internet_checksum, transport_checksum
from dpiprobe.wire.packets import ICMP, ICMPV6, OPT_FAST_OPEN, OPT_MSS, OPT_NOP, OPT_SACK, OPT_SACK_OK, OPT_TIMESTAMPS, OPT_WSCALE, TCP, UDP
from dpiprobe.wire.parse import parse_packet
from tests.wire.packets import CLIENT, CLIENT6, SERVER, SERVER6, addresses, byte, quad, word


@given(addresses(), word, word, quad, quad, st.integers(0, 0xFFF), word, word, byte, word, st.booleans(), byte, st.binary(max_size=60))
def test_tcp_fields_come_back(
    ends: tuple[bytes, bytes], sport: int, dport: int, seq: int, ack: int, flags: int, window: int, urgent: int, ttl: int, ip_id: int, df: bool,
    tos: int, payload: bytes,
) -> None:  # fmt: skip
    datagram = tcp_packet(
        *ends, sport, dport, seq=seq, ack=ack, flags=flags, window=window, urgent=urgent, ttl=ttl, ip_id=ip_id, df=df, tos=tos, payload=payload
    )
    p = parse_packet(datagram)
    assert p is not None
    assert (p.source, p.destination, p.source_port, p.destination_port) == (*ends, sport, dport)
    assert (p.seq, p.ack, p.flags, p.window, p.urgent, p.ttl, p.tos) == (seq, ack, flags, window, urgent, ttl, tos)
    assert (p.ip_id, p.df) == ((ip_id, df) if len(ends[0]) == 4 else (-1, -1))
    assert (p.payload, p.payload_length, p.ip_length) == (payload, len(payload), len(datagram))


@given(
    st.none() | word, st.none() | byte, st.booleans(), st.none() | st.tuples(quad, quad), st.lists(st.tuples(quad, quad), max_size=1),
    st.none() | st.binary(min_size=4, max_size=8),
)  # fmt: skip
def test_options_come_back(
    mss: int | None, scale: int | None, sack_ok: bool, stamps: tuple[int, int] | None, sack: list[tuple[int, int]], cookie: bytes | None
) -> None:
    options = tcp_options(mss=mss, window_scale=scale, sack_ok=sack_ok, timestamps=stamps, sack=tuple(sack), fast_open=cookie)
    assert len(options) % 4 == 0
    if len(options) > 40:
        return
    p = parse_packet(tcp_packet(CLIENT, SERVER, 1, 2, options=options))
    assert p is not None
    bits = (OPT_MSS, OPT_WSCALE, OPT_SACK_OK, OPT_TIMESTAMPS, OPT_SACK, OPT_FAST_OPEN)
    given_bits = zip((mss, scale, sack_ok or None, stamps, sack or None, cookie), bits, strict=True)
    assert p.options & ~OPT_NOP == sum(bit for value, bit in given_bits if value is not None)
    assert (p.mss, p.window_scale) == (-1 if mss is None else mss, -1 if scale is None else scale)
    assert (p.ts_value, p.ts_echo) == (stamps or (-1, -1))


@given(addresses(), word, word, st.binary(max_size=100))
def test_udp_comes_back(ends: tuple[bytes, bytes], sport: int, dport: int, payload: bytes) -> None:
    p = parse_packet(ip(*ends, UDP, udp(*ends, sport, dport, payload)))
    assert p is not None
    assert (p.protocol, p.source_port, p.destination_port, p.payload) == (UDP, sport, dport, payload)


@given(byte, byte, quad, st.binary(max_size=100))
def test_icmp_comes_back(kind: int, code: int, rest: int, payload: bytes) -> None:
    for datagram in (
        ipv4(CLIENT, SERVER, ICMP, icmp(kind, code, rest, payload)),
        ipv6(CLIENT6, SERVER6, ICMPV6, icmpv6(CLIENT6, SERVER6, kind, code, rest, payload)),
    ):
        p = parse_packet(datagram)
        assert p is not None
        assert (p.icmp_type, p.icmp_code, p.payload) == (kind, code, payload)


@given(st.binary(min_size=20, max_size=60), word, word, quad, quad, st.integers(0, 0x1FF), word, st.binary(max_size=40), st.booleans())
def test_dpkt_reads_the_same(
    _: bytes, sport: int, dport: int, seq: int, ack: int, flags: int, window: int, payload: bytes, six: bool
) -> None:
    ends = (CLIENT6, SERVER6) if six else (CLIENT, SERVER)
    options = tcp_options(mss=1400, timestamps=(5, 6))
    datagram = tcp_packet(*ends, sport, dport, seq=seq, ack=ack, flags=flags, window=window, options=options, payload=payload, ttl=33, ip_id=99)
    frame = dpkt.ethernet.Ethernet(ethernet(datagram))
    segment = frame.data.data
    p = parse_packet(ethernet(datagram), 1)
    assert p is not None
    assert (p.source, p.destination) == (frame.data.src, frame.data.dst)
    assert (p.source_port, p.destination_port, p.seq, p.ack, p.window) == (segment.sport, segment.dport, segment.seq, segment.ack, segment.win)
    assert (p.flags & 0xFF, p.urgent, p.payload) == (segment.flags & 0xFF, segment.urp, segment.data)
    assert dict(dpkt.tcp.parse_opts(segment.opts))[8] == pack(">II", p.ts_value, p.ts_echo)
    assert p.ttl == (frame.data.hlim if six else frame.data.ttl)
    if not six:
        assert (p.ip_id, p.ip_length, p.df) == (frame.data.id, frame.data.len, frame.data.df)


@given(addresses(), word, word, st.binary(max_size=61))
def test_checksums_verify(ends: tuple[bytes, bytes], sport: int, dport: int, payload: bytes) -> None:
    segment = tcp(*ends, sport, dport, payload=payload)
    assert transport_checksum(*ends, TCP, segment) == 0
    assert transport_checksum(*ends, UDP, udp(*ends, sport, dport, payload)) in (0, 0xFFFF)
    if len(ends[0]) == 4:
        assert internet_checksum(ipv4(*ends, TCP, segment)[:20]) == 0
        assert internet_checksum(icmp(3, 1, 0, payload)) == 0
    else:
        assert transport_checksum(*ends, ICMPV6, icmpv6(*ends, 1, 1, 0, payload)) == 0


def test_the_example_of_rfc_1071() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.binary(max_size=64))
def test_the_checksum_is_the_sum_of_words_with_carries_carried_around(data: bytes) -> None:
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"))
        total = (total & 0xFFFF) + (total >> 16)
    assert internet_checksum(data) == 0xFFFF - total


def test_a_udp_checksum_is_never_the_zero_that_means_none() -> None:
    zeros = bytes(4)
    assert all(udp(zeros, zeros, port, 0xFFFF - 17 - 8 - 8 - port)[6:8] != b"\0\0" for port in (0, 1, 1000))


def test_fields_that_are_given_are_sent_as_they_are() -> None:
    datagram = ipv4(CLIENT, SERVER, TCP, b"", total_length=9999, checksum=0xABCD, header_length=15, version=7, reserved=True, mf=True, df=False)
    assert datagram[0] == 0x7F
    assert (datagram[2:4], datagram[6], datagram[10:12]) == (pack(">H", 9999), 0xA0, b"\xab\xcd")
    assert tcp(CLIENT, SERVER, 1, 2, checksum=0x1234, header_length=2)[12:18] == b"\x20\x10\xff\xff\x12\x34"


def test_an_error_quotes_what_rfc_792_guarantees() -> None:
    quoted = tcp_packet(CLIENT, SERVER, 40000, 443, seq=5, payload=b"x" * 100)
    p = parse_packet(icmp_error(SERVER, CLIENT, 11, 0, quoted))
    assert p is not None
    assert p.quote == quoted[:28]


def test_fragments_carry_the_whole_payload_once() -> None:
    datagram = ipv4(CLIENT, SERVER, TCP, bytes(range(100)), df=False)
    parts = fragments(datagram, 24)
    assert len(parts) == 5
    assert b"".join(part[20:] for part in parts) == datagram[20:]


def test_an_address_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="address"):
        address("example")
