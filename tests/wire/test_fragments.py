"""Fragments: whole datagrams come back, everything else is counted, and nothing is misread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.wire.build import fragments, ipv4, ipv6, ipv6_fragment, tcp, tcp_packet
from dpiprobe.wire.decode import Decoder, Records
from dpiprobe.wire.fragments import MEMORY, TIMEOUT, Reassembler
from dpiprobe.wire.packets import TCP, UDP, Packets
from dpiprobe.wire.parse import parse_packets
from tests.wire.packets import CLIENT, CLIENT6, SERVER, SERVER6

PAYLOAD = bytes(range(256)) * 4
WHOLE = tcp_packet(CLIENT, SERVER, 40000, 443, seq=77, payload=PAYLOAD, df=False, ip_id=9, ttl=50)


def read(datagrams: list[bytes]) -> tuple[Packets, int]:
    decoder = Decoder()
    ends, at = [], 0
    for d in datagrams:
        at += len(d)
        ends.append(at)
    n = len(datagrams)
    decoder.append(Records(b"".join(datagrams), [0, *ends[:-1]][:n], ends, [101] * n, list(range(n))))
    return decoder.finish(), decoder.fragments


def test_a_datagram_is_one_row_at_its_last_fragment_with_the_headers_of_the_first() -> None:
    parts = fragments(WHOLE, 104)
    packets, lost = read([tcp_packet(SERVER, CLIENT, 443, 1), *parts, tcp_packet(SERVER, CLIENT, 443, 1)])
    assert packets.number.tolist() == [1, len(parts) + 1, len(parts) + 2]
    assert (packets.seq[1], packets.ttl[1], packets.ip_id[1], packets.ip_length[1]) == (77, 50, 9, len(WHOLE))
    assert packets.payload(1) == PAYLOAD
    assert lost == 0


@given(st.permutations(fragments(WHOLE, 304)), st.sampled_from([0, 1, 2]))
def test_order_and_copies_do_not_matter(parts: list[bytes], copied: int) -> None:
    packets, lost = read([parts[copied], *parts])
    assert [packets.payload(i) for i in range(len(packets))] == [PAYLOAD]
    assert lost == 0


def test_ipv6_fragments_become_whole() -> None:
    segment = tcp(CLIENT6, SERVER6, 1, 2, payload=PAYLOAD)
    parts = [ipv6(CLIENT6, SERVER6, TCP, segment[:512], extensions=((0, b"\0\x01\x04\0\0\0\0"), ipv6_fragment(0, True, 5))),
             ipv6(CLIENT6, SERVER6, TCP, segment[512:], extensions=((0, b"\0\x01\x04\0\0\0\0"), ipv6_fragment(64, False, 5)))]  # fmt: skip
    packets, lost = read(parts)
    assert (packets.payload(0), packets.ip_options[0], lost) == (PAYLOAD, 1, 0)


def test_what_never_becomes_whole_is_counted() -> None:
    packets, lost = read(fragments(WHOLE, 104)[:-1])
    assert len(packets) == 0
    assert lost == len(fragments(WHOLE, 104)) - 1


def test_overlapping_fragments_throw_the_datagram_away() -> None:
    teardrop = [ipv4(CLIENT, SERVER, UDP, bytes(40), mf=True, ip_id=3), ipv4(CLIENT, SERVER, UDP, bytes(24), fragment_offset=3, ip_id=3)]
    packets, lost = read(teardrop)
    assert (len(packets), lost) == (0, 2)


def test_a_first_fragment_sent_again_with_other_bytes_throws_the_datagram_away() -> None:
    parts = fragments(WHOLE, 520)
    other = parts[0][:-1] + b"?"
    packets, lost = read([parts[0], other, parts[1], parts[1]])
    assert (len(packets), lost) == (0, 4)


def test_a_datagram_longer_than_ip_allows_does_not_exist() -> None:
    ping_of_death = [ipv4(CLIENT, SERVER, 1, bytes(1480), mf=True), ipv4(CLIENT, SERVER, 1, bytes(1480), fragment_offset=8189)]
    packets, lost = read(ping_of_death)
    assert (len(packets), lost) == (0, 2)


def test_a_fragment_cut_by_the_snap_length_is_only_counted() -> None:
    parts = fragments(WHOLE, 520)
    packets, lost = read([parts[0][:100], parts[1]])
    assert (len(packets), lost) == (0, 2)


def test_identifications_are_reused_after_the_timeout() -> None:
    parts = fragments(WHOLE, 520)
    reassembler = Reassembler()
    assert reassembler.add(parts[0], 0) is None
    assert reassembler.add(parts[1], TIMEOUT[4] + 1) is None
    assert reassembler.finish() == 2


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    reassembler = Reassembler()
    count = MEMORY // 1000
    for i in range(count):
        reassembler.add(ipv4(CLIENT, i.to_bytes(4), UDP, bytes(1400), mf=True), 0)
    assert reassembler.lost > count // 3
    assert reassembler._memory <= MEMORY


def test_many_small_fragments_are_not_slow() -> None:
    segment = tcp(CLIENT, SERVER, 1, 2, payload=bytes(60000))
    parts = fragments(ipv4(CLIENT, SERVER, TCP, segment), 8)
    packets, lost = read(parts[::-1])
    assert (packets.payload_length.tolist(), lost) == ([60000], 0)


def test_fragments_that_meet_across_chunks_become_whole() -> None:
    decoder = Decoder()
    for part in fragments(WHOLE, 304):
        decoder.append(Records(part, [0], [len(part)], [101], [0]))
    packets = decoder.finish()
    assert [packets.payload(i) for i in range(len(packets))] == [PAYLOAD]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40), st.booleans()), max_size=12))
def test_no_set_of_fragments_crashes_or_invents_bytes(pieces: list[tuple[int, int, bool]]) -> None:
    datagrams = [ipv4(CLIENT, SERVER, UDP, bytes([n + 1]) * n, fragment_offset=o, mf=m, df=False) for o, n, m in pieces]
    packets, lost = read(datagrams)
    assert lost + sum(1 for _ in packets.number) <= len(datagrams) or not datagrams


def test_parse_packets_numbers_from_one() -> None:
    assert parse_packets([WHOLE, WHOLE]).number.tolist() == [1, 2]
