"""What captures show of packets: hops, translation, merged segments, IPv6 headers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.lab import segment, vantage
from dpiprobe.lab.segment import ACK, PSH, SYN, Segment
from dpiprobe.wire.build import address
from dpiprobe.wire.checksum import internet_checksum
from dpiprobe.wire.parse import parse_packet

HERE, THERE, FRONT = address("192.0.2.1"), address("192.0.2.2"), address("198.51.100.9")


def packet(payload: bytes = b"", flags: int = ACK, seq: int = 1, **more: int) -> bytes:
    return segment.build(Segment(HERE, THERE, 40_000, 443, seq, 7, flags, 500, payload, **more))  # type: ignore[arg-type]


@given(st.integers(2, 255), st.integers(0, 0xFFFF), st.integers(1, 254), st.integers(0, 255))
def test_hops_take_from_the_ttl_and_keep_the_checksum(ttl: int, ipid: int, hops: int, tos: int) -> None:
    sent = packet(ttl=ttl, ipid=ipid, tos=tos)
    arrived = vantage.forward(sent, hops)
    if hops >= ttl:
        assert arrived is None
        return
    assert arrived is not None
    assert (arrived[8], internet_checksum(arrived[:20])) == (ttl - hops, 0)


@given(st.integers(1, 255), st.integers(1, 255))
def test_a_cloud_writes_the_ttl_it_likes(before: int, after: int) -> None:
    changed = vantage.with_ttl(packet(ttl=before), after)
    assert (changed[8], internet_checksum(changed[:20])) == (after, 0)


def test_mss_is_only_written_down_and_only_in_syns() -> None:
    offer = segment.build(Segment(HERE, THERE, 1, 2, 3, 0, SYN, options=bytes.fromhex("020405b4")))
    clamped = segment.parse(vantage.clamp_mss(offer, 1360))
    assert clamped is not None
    assert clamped.options == bytes.fromhex("02040550")
    assert vantage.clamp_mss(offer, 1500) == offer
    assert vantage.clamp_mss(packet(b"data"), 1360) == packet(b"data")


def test_translation_there_and_back() -> None:
    nat = vantage.Translator(HERE, FRONT)
    out = segment.parse(nat.out(packet(b"x")))
    assert out is not None
    assert out.source == FRONT
    answer = segment.build(Segment(THERE, FRONT, 443, out.source_port, 7, 2, ACK))
    home = nat.home(answer)
    assert home is not None
    back = segment.parse(home)
    assert back is not None
    assert (back.destination, back.destination_port) == (HERE, 40_000)
    assert nat.home(segment.build(Segment(THERE, FRONT, 443, 1, 7, 2, ACK))) is None


def test_segments_that_follow_at_once_are_merged_and_others_are_not() -> None:
    frames = [(0, packet(b"aa", seq=1)), (10, packet(b"bb", ACK | PSH, seq=3)), (1_000_000, packet(b"cc", seq=5)), (1_000_010, packet(b"dd", seq=9))]
    merged = [(at, segment.parse(p)) for at, p in vantage.merge(frames)]
    assert [(at, p.payload) for at, p in merged if p is not None] == [(0, b"aabb"), (1_000_000, b"cc"), (1_000_010, b"dd")]
    assert merged[0][1] is not None
    assert merged[0][1].flags == ACK | PSH


def test_ipv6_has_the_segment_and_neither_id_nor_df() -> None:
    six = {HERE: address("2001:db8::1"), THERE: address("2001:db8::2")}
    ((at, shown),) = vantage.as_ipv6([(5, packet(b"hello", ttl=61, ipid=77))], six)
    parsed = parse_packet(shown)
    assert parsed is not None
    assert (at, parsed.version, parsed.payload, parsed.ttl, parsed.ip_id, parsed.df, parsed.seq) == (5, 6, b"hello", 61, -1, -1, 1)


def test_icmp_errors_become_icmpv6() -> None:
    six = {HERE: address("2001:db8::1"), THERE: address("2001:db8::2"), FRONT: address("2001:db8::9")}
    error = segment.icmp_error(FRONT, HERE, 3, 13, packet(b"hello"))
    ((_, shown),) = vantage.as_ipv6([(0, error)], six)
    parsed = parse_packet(shown)
    assert parsed is not None
    assert (parsed.version, parsed.icmp_type, parsed.icmp_code) == (6, 1, 1)
    assert parsed.quote[8:24] == six[HERE]


def test_a_kernel_answers_what_no_socket_waits_for() -> None:
    seen = segment.parse(packet(b"late", seq=100))
    assert seen is not None
    reset = segment.parse(vantage.no_socket_reset(seen) or b"")
    assert reset is not None
    assert (reset.flags, reset.seq, reset.ack, reset.ipid, reset.window, reset.df) == (segment.RST, 7, 0, 0, 0, True)
    assert vantage.no_socket_reset(reset) is None
