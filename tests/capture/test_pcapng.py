"""pcapng: sections, interfaces, every kind of block, and lengths that lie."""

from __future__ import annotations

from struct import pack

import pytest

from dpiprobe.capture.model import Capture
from dpiprobe.capture.read import read_capture
from dpiprobe.errors import InputError
from tests.capture.files import FRAME, SECOND, block, enhanced, interface, obsolete, option, section, simple

BOTH = pytest.mark.parametrize("order", ["<", ">"])


def read(data: bytes) -> Capture:
    return read_capture("test.pcapng", data=data)


@BOTH
def test_enhanced_packets_in_microseconds_unless_said_otherwise(order: str) -> None:
    capture = read(section(order) + interface(order) + enhanced(units=1_700_000_000_000_001, order=order))
    assert capture.packets.time.tolist() == [1_700_000_000_000_001_000]
    assert (capture.packets.payload(0), capture.links, capture.complete) == (b"hello", ["ethernet"], True)


@pytest.mark.parametrize(
    ("resolution", "units", "time"),
    [
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (3, 1_700_000_000_123, 1_700_000_000_123_000_000),
        (0, 1_700_000_000, 1_700_000_000 * SECOND),
        (12, 1_700_000_000_999, 1_700_000_000),  # finer than a nanosecond: cut
        (0x80 | 10, 1024 * 7 + 512, 7 * SECOND + 500_000_000),
        (0x80 | 32, (5 << 32) + (1 << 31), 5 * SECOND + 500_000_000),
        (0x80, 9, 9 * SECOND),
    ],
)
def test_resolutions_in_powers_of_ten_and_of_two(resolution: int, units: int, time: int) -> None:
    capture = read(section() + interface(options=option(9, bytes((resolution,)))) + enhanced(units=units))
    assert capture.packets.time.tolist() == [time]


def test_an_offset_in_seconds_is_added() -> None:
    capture = read(section() + interface(options=option(14, pack("<q", -3))) + enhanced(units=10_000_000))
    assert capture.packets.time.tolist() == [7 * SECOND]


@pytest.mark.parametrize("resolution", [0, 127, 128, 255])
def test_times_that_no_clock_shows_do_not_break_the_columns(resolution: int) -> None:
    options = option(9, bytes((resolution,))) + option(14, pack("<q", 1 << 62))
    assert len(read(section() + interface(options=options) + enhanced(units=(1 << 64) - 1)).packets) == 1


def test_each_interface_has_its_own_link_and_resolution() -> None:
    two = interface() + interface(link=101, options=option(9, b"\x09"))
    capture = read(section() + two + enhanced(units=1) + enhanced(FRAME[14:], units=1, index=1))
    assert capture.packets.time.tolist() == [1000, 1]
    assert capture.links == ["ethernet", "raw ip"]


def test_sections_have_their_own_interfaces_and_byte_order() -> None:
    capture = read(section("<") + interface("<", link=101) + enhanced(FRAME[14:]) + section(">") + interface(">") + enhanced(order=">"))
    assert [capture.packets.payload(i) for i in range(2)] == [b"hello"] * 2
    assert capture.packets.number.tolist() == [1, 2]


@BOTH
def test_simple_packets_have_no_time_and_that_is_said(order: str) -> None:
    capture = read(section(order) + interface(order) + simple(order=order))
    assert (capture.packets.payload(0), capture.packets.time.tolist()) == (b"hello", [-1])
    assert capture.damage == ["simple packet blocks have no time: 1"]


def test_simple_packets_end_where_the_snap_length_says() -> None:
    cut = FRAME[:56]
    capture = read(section() + interface(snap=56) + simple(cut, wire=len(FRAME)))
    assert (capture.packets.payload_length.tolist(), capture.packets.payload_captured.tolist()) == ([5], [2])


@BOTH
def test_obsolete_packets_are_read_and_their_drops_counted(order: str) -> None:
    capture = read(section(order) + interface(order) + obsolete(units=3, drops=7, order=order) + obsolete(order=order))
    assert (capture.packets.time.tolist(), capture.drops, capture.complete) == ([3000, 0], 7, False)


def test_a_frame_check_sequence_is_cut_off() -> None:
    to_the_end = FRAME[:16] + b"\0\0" + FRAME[18:]
    capture = read(section() + interface(options=option(13, b"\x04")) + enhanced(to_the_end + b"fcs!"))
    assert capture.packets.payload(0) == b"hello"


@BOTH
def test_section_comments_are_kept(order: str) -> None:
    options = option(1, b"plan: {}", order) + option(4, b"someone", order) + option(1, "zwei \u00e4".encode(), order) + option(1, b"\xff", order)
    assert read(section(order, options) + interface(order)).comments == ["plan: {}", "zwei \u00e4", "\\xff"]


def test_the_last_statistics_of_an_interface_say_what_was_dropped() -> None:
    def statistics(index: int, dropped: int) -> bytes:
        return block(5, pack("<III", index, 0, 0) + option(4, pack("<Q", 100)) + option(5, pack("<Q", dropped)) + option(7, pack("<Q", 1)))

    first = section() + interface() + interface() + statistics(0, 2) + statistics(0, 5) + statistics(1, 10)
    capture = read(first + section() + interface() + statistics(0, 100))
    assert capture.drops == (5 + 1) + (10 + 1) + (100 + 1)
    assert not capture.complete


@pytest.mark.parametrize("kind", [4, 5, 7, 8, 10, 0x80000001])
def test_blocks_without_packets_are_skipped_in_silence(kind: int) -> None:
    capture = read(section() + interface() + block(kind, b"\xff" * 32) + enhanced())
    assert (len(capture.packets), capture.frames, capture.damage) == (1, 1, [])


@pytest.mark.parametrize("kind", [0xBAD, 0x40000BAD, 9])
def test_blocks_that_wireshark_numbers_are_numbered(kind: int) -> None:
    capture = read(section() + interface() + block(kind, b"\0\0\0\0text") + enhanced())
    assert (capture.packets.number.tolist(), capture.frames, capture.other, capture.damage, capture.links) == ([2], 2, 1, [], ["ethernet"])


def test_unknown_blocks_are_skipped_and_said() -> None:
    capture = read(section() + interface() + block(0x77, b"abcd") * 2 + enhanced())
    assert (len(capture.packets), capture.damage) == (1, ["blocks of unknown type 0x00000077 were skipped: 2"])


@pytest.mark.parametrize("length", [0, 8, 0x01000001, 0xFFFFFFFC])
def test_a_lying_block_length_ends_the_reading(length: int) -> None:
    capture = read(section() + interface() + enhanced() + pack("<II", 6, length) + bytes(64))
    assert len(capture.packets) == 1
    assert capture.damage == [f"a block claims a length of {length} bytes, after frame 1; reading ended there"]


def test_a_block_whose_two_lengths_differ_ends_the_reading() -> None:
    broken = bytearray(enhanced())
    broken[-4] += 4
    capture = read(section() + interface() + enhanced() + bytes(broken) + enhanced())
    assert len(capture.packets) == 1
    assert "two lengths of a block differ" in capture.damage[0]


def test_a_packet_longer_than_its_block_costs_that_packet() -> None:
    capture = read(section() + interface() + enhanced(captured=5000) + enhanced())
    assert (len(capture.packets), capture.damage) == (1, ["packets claim more bytes than their block holds: 1"])


def test_a_packet_of_an_interface_that_is_not_there_costs_that_packet() -> None:
    capture = read(section() + interface() + enhanced(index=3) + enhanced())
    assert (len(capture.packets), len(capture.damage)) == (1, 1)


def test_a_length_without_its_padding_is_taken_as_meant() -> None:
    body = pack("<IIIII", 0, 0, 0, len(FRAME) + 2, len(FRAME) + 2) + FRAME + b"xx"
    padded = body + bytes(-len(body) % 4)
    total = len(body) + 12
    assert total % 4
    capture = read(section() + interface() + pack("<II", 6, total) + padded + pack("<I", total) + enhanced())
    assert (len(capture.packets), capture.damage) == (2, [])


@pytest.mark.parametrize("cut", [1, 4, 30, 60])
def test_a_truncated_tail_costs_the_last_block_and_is_said(cut: int) -> None:
    capture = read((section() + interface() + enhanced() * 2)[:-cut])
    assert (len(capture.packets), capture.damage) == (1, ["the file ends inside a block, after frame 1"])


@pytest.mark.parametrize("cut", [5, 20, 27])
def test_a_file_that_ends_inside_its_first_header_is_no_capture(cut: int) -> None:
    with pytest.raises(InputError, match="first bytes"):
        read(section()[:cut])


@pytest.mark.parametrize("data", [section(major=2), section()[:8] + b"\0" + section()[9:]])
def test_a_section_header_that_cannot_be_true_is_no_capture(data: bytes) -> None:
    with pytest.raises(InputError, match="section header"):
        read(data)


def test_a_later_section_of_another_version_ends_the_reading() -> None:
    capture = read(section() + interface() + enhanced() + section(major=2) + interface() + enhanced())
    assert len(capture.packets) == 1
    assert "says version 2.0" in capture.damage[0]


def test_packets_of_a_large_file_do_not_depend_on_where_its_windows_end(monkeypatch: pytest.MonkeyPatch) -> None:
    data = section() + interface() + enhanced(FRAME) * 40 + section(options=option(1, b"x" * 300)) + interface() + enhanced() * 3
    whole = read(data)
    monkeypatch.setattr("dpiprobe.capture.records.CHUNK", 1)
    monkeypatch.setattr("dpiprobe.capture.source.STEP", 37)
    parts = read(data)
    assert whole.frames == parts.frames == 43
    assert (whole.packets.number.tolist(), whole.packets.arena) == (parts.packets.number.tolist(), parts.packets.arena)
    assert (whole.comments, whole.sha256, whole.damage) == (parts.comments, parts.sha256, parts.damage)
