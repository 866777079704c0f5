"""QUIC long headers are recognised without keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.tls.quic import V1, V2, read_long_header, read_packets, read_varint, write_varint


@pytest.mark.parametrize(
    ("hexes", "value"), [("c2197c5eff14e88c", 151288809941952652), ("9d7f3e7d", 494878333), ("7bbd", 15293), ("25", 37), ("4025", 37)]
)
def test_the_integers_of_rfc_9000_appendix_a1(hexes: str, value: int) -> None:
    raw = bytes.fromhex(hexes)
    assert read_varint(raw, 0) == (value, len(raw))
    assert read_varint(raw[:-1], 0) is None


@given(st.integers(0, 2**62 - 1))
def test_written_integers_are_read_back(value: int) -> None:
    raw = write_varint(value)
    assert read_varint(raw, 0) == (value, len(raw))


def packet(first: int, version: int, rest: str) -> bytes:
    return bytes((first,)) + version.to_bytes(4, "big") + b"\x08" + bytes(range(8)) + b"\x03abc" + bytes.fromhex(rest)


def test_an_initial() -> None:
    header = read_long_header(packet(0xC3, V1, "02aabb0a" + "00" * 10))
    assert header is not None
    assert (header.type, header.dcid, header.scid, header.token) == ("initial", bytes(range(8)), b"abc", b"\xaa\xbb")
    assert (header.cut, header.end) == (False, 32)


@pytest.mark.parametrize(
    ("version", "types"),
    [
        (V1, ["initial", "0rtt", "handshake", "retry"]),
        (V2, ["retry", "initial", "0rtt", "handshake"]),
        (0xFF00001D, ["initial", "0rtt", "handshake", "retry"]),
    ],
)
def test_types_by_version(version: int, types: list[str]) -> None:
    found = [read_long_header(packet(0xC0 | bits << 4, version, "0004" + "00" * 8)) for bits in range(4)]
    assert [header.type for header in found if header] == types


def test_coalesced_packets() -> None:
    first, second = packet(0xC0, V1, "0004" + "00" * 4), packet(0xE0, V1, "04" + "00" * 4)
    assert [(h.type, h.start, h.end) for h in read_packets(first + second + b"\x40short")] == [("initial", 0, 24), ("handshake", 24, 47)]


def test_version_negotiation() -> None:
    header = read_long_header(packet(0x80, 0, "000000016b3343cf"))
    assert header is not None
    assert (header.type, header.versions) == ("version_negotiation", (V1, V2))


def test_a_cut_packet_says_so() -> None:
    header = read_long_header(packet(0xC0, V1, "0044ff0000"))
    assert header is not None
    assert header.cut


def test_other_datagrams_are_none() -> None:
    dns = bytes.fromhex("abcd01000001000000000000076578616d706c6503636f6d0000010001")
    for datagram in (b"", dns, packet(0x40, V1, "0000"), packet(0x80, V1, "0000"), packet(0xC0, 0x12345678, "0000")):
        assert read_long_header(datagram) is None


@given(st.binary(max_size=80), st.sampled_from([V1, V2, 0, 0xFF00001D, 0x1A2A3A4A]))
def test_any_bytes_never_raise_and_packets_do_not_overlap(data: bytes, version: int) -> None:
    for datagram in (data, b"\xc0" + version.to_bytes(4, "big") + data):
        end = 0
        for header in read_packets(datagram):
            assert header.start == end < header.end <= len(datagram)
            end = header.end
