"""What captures show of packets: hops, translation, merged segments, IPv6 headers."""

from __future__ import annotations

import pytest
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


def test_hop_limits_fall_and_are_made_alike_in_ipv6_too() -> None:
    one, two = address("2001:db8::1"), address("2001:db8::2")
    sent = segment.build(Segment(one, two, 40_000, 443, 1, 2, ACK, payload=b"hello", ttl=3))
    further = vantage.forward(sent, 2)
    assert further is not None and vantage.forward(further, 1) is None
    alike = parse_packet(vantage.with_ttl(further, 251))
    assert alike is not None
    assert (alike.version, alike.payload, alike.ttl, parse_packet(further).ttl) == (6, b"hello", 251, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(("here", "there", "box"), [("198.18.1.2", "198.18.4.2", "198.18.2.2"), ("2001:2::1:2", "2001:2::4:2", "2001:2::2:2")])
def test_an_unreachable_tells_whose_connection_it_is_about(here: str, there: str, box: str) -> None:
    syn = segment.build(Segment(address(here), address(there), 40_123, 443, 1, 0, segment.SYN))
    error = segment.icmp_error(address(box), address(here), 3, 13, syn)
    assert vantage.unreachable_from(error) == 40_123
    assert vantage.unreachable_from(segment.time_exceeded(syn, address(box))) is None
    assert vantage.unreachable_from(syn) is None


def test_a_kernel_answers_what_no_socket_waits_for() -> None:
    seen = segment.parse(packet(b"late", seq=100))
    assert seen is not None
    reset = segment.parse(vantage.no_socket_reset(seen) or b"")
    assert reset is not None
    assert (reset.flags, reset.seq, reset.ack, reset.ipid, reset.window, reset.df) == (segment.RST, 7, 0, 0, 0, True)
    assert vantage.no_socket_reset(reset) is None
