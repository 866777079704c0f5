"""Chunks to packets: quotes, addresses, counts, and that the cutting into chunks does not show."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.wire.build import fragments, icmp_error, ipv4, tcp_packet
from dpiprobe.wire.decode import Decoder, Records
from dpiprobe.wire.packets import PACKET_COLUMNS, QUOTE_COLUMNS, TCP, Packets
from dpiprobe.wire.parse import parse_packets
from dpiprobe.wire.quoted import read_quote
from tests.wire.packets import CLIENT, CLIENT6, ROUTER, ROUTER6, SERVER, SERVER6

HELLO = tcp_packet(CLIENT, SERVER, 40000, 443, seq=1000, payload=b"hello", ttl=3, ip_id=77)
HELLO6 = tcp_packet(CLIENT6, SERVER6, 40000, 443, seq=1000, payload=b"hello", ttl=3)
MIXED = [HELLO, HELLO6, icmp_error(ROUTER, CLIENT, 11, 0, HELLO), *fragments(tcp_packet(SERVER, CLIENT, 443, 40000, payload=bytes(100)), 64),
         icmp_error(ROUTER6, CLIENT6, 3, 0, HELLO6, quote_length=60), b"junk", ipv4(CLIENT, SERVER, 47, b"")]  # fmt: skip


def test_an_icmp_error_says_what_it_quotes() -> None:
    packets = parse_packets([HELLO, icmp_error(ROUTER, CLIENT, 11, 0, HELLO)])
    q = packets.quotes
    assert packets.quote.tolist() == [-1, 0]
    assert (q.source_port[0], q.destination_port[0], q.sequence[0], q.ttl[0], q.ip_id[0]) == (40000, 443, 1000, 3, 77)
    assert (packets.addresses[q.source[0]], packets.addresses[q.destination[0]]) == (CLIENT, SERVER)
    assert (q.source[0], q.destination[0]) == (packets.source[0], packets.destination[0])


def test_an_icmpv6_error_says_what_it_quotes() -> None:
    packets = parse_packets([icmp_error(ROUTER6, CLIENT6, 3, 0, HELLO6, quote_length=60)])
    assert (packets.quotes.version[0], packets.quotes.sequence[0], packets.quotes.ip_id[0]) == (6, 1000, -1)


def test_a_quote_that_ends_before_the_sequence_number_does_not_know_it() -> None:
    row = read_quote(HELLO[:24])
    assert row is not None
    assert (row[0]["source_port"], row[0]["sequence"]) == (40000, -1)


def test_a_quoted_later_fragment_has_no_ports() -> None:
    row = read_quote(ipv4(CLIENT, SERVER, TCP, bytes(8), fragment_offset=5))
    assert row is not None
    assert row[0]["source_port"] == -1


def test_a_quote_without_a_whole_ip_header_is_none() -> None:
    packets = parse_packets([icmp_error(ROUTER, CLIENT, 11, 0, HELLO, quote_length=12)])
    assert packets.quote.tolist() == [-1]
    assert len(packets.quotes.version) == 0


@given(st.binary(max_size=120))
def test_any_bytes_can_be_quoted(quote: bytes) -> None:
    row = read_quote(quote)
    assert row is None or set(row[0]) == set(QUOTE_COLUMNS)


def decode(cuts: list[int]) -> tuple[Packets, Decoder]:
    decoder = Decoder()
    for low, high in zip([0, *cuts], [*cuts, len(MIXED)], strict=True):
        part = MIXED[low:high]
        ends = np.cumsum([len(d) for d in part]).tolist()
        decoder.append(Records(b"".join(part), [0, *ends[:-1]][: len(part)], ends, [101] * len(part), list(range(low, high))))
    return decoder.finish(), decoder


@given(st.lists(st.integers(0, len(MIXED)), max_size=4).map(sorted))
def test_chunks_do_not_show(cuts: list[int]) -> None:
    whole, one = decode([])
    parts, many = decode(cuts)
    for name in set(PACKET_COLUMNS) - {"source", "destination"}:
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist(), name
    for side in ("source", "destination"):
        assert [whole.addresses[i] for i in getattr(whole, side)] == [parts.addresses[i] for i in getattr(parts, side)]
    assert whole.arena == parts.arena
    assert (one.frames, one.other, one.fragments, one.reasons) == (many.frames, many.other, many.fragments, many.reasons)


def test_every_frame_is_a_row_or_counted() -> None:
    packets, decoder = decode([])
    in_fragments = 1  # two fragments became one row
    assert len(packets) + decoder.other + sum(decoder.reasons.values()) + decoder.fragments + in_fragments == decoder.frames == len(MIXED)


def test_no_frames_are_no_packets() -> None:
    packets = Decoder().finish()
    assert (len(packets), packets.arena, len(packets.quotes.ttl)) == (0, b"", 0)


def test_columns_are_int64() -> None:
    packets, _ = decode([])
    assert {getattr(packets, name).dtype for name in PACKET_COLUMNS} == {np.dtype(np.int64)}
