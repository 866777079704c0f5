"""pcap and its relatives."""

from __future__ import annotations

from struct import pack

import pytest

from dpiprobe.capture.model import Capture
from dpiprobe.capture.read import read_capture
from dpiprobe.errors import InputError
from tests.capture.files import FRAME, SECOND, pcap


def read(data: bytes) -> Capture:
    return read_capture("test.pcap", data=data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_both_units_of_time(order: str, magic: int, unit: int) -> None:
    capture = read(pcap([FRAME, FRAME], order=order, magic=magic))
    assert capture.packets.time.tolist() == [1000 * SECOND + 250 * unit, 1001 * SECOND + 250 * unit]
    assert capture.packets.number.tolist() == [1, 2]
    assert (capture.frames, capture.links, capture.damage, capture.complete) == (2, ["ethernet"], [], True)


@pytest.mark.parametrize("order", ["<", ">"])
def test_kuznetzov_s_longer_record_headers(order: str) -> None:
    capture = read(pcap([FRAME] * 3, order=order, magic=0xA1B2CD34, record=bytes(8)))
    assert [capture.packets.payload(i) for i in range(3)] == [b"hello"] * 3


@pytest.mark.parametrize(("magic", "record"), [(0xA1B2C3D4, 4), (0xA1B2C3D4, 8), (0xA1B2CD34, 12)])
def test_relatives_that_share_a_magic_number_are_told_by_their_records(magic: int, record: int) -> None:
    capture = read(pcap([FRAME] * 5, magic=magic, record=b"\xee" * record))
    assert (capture.frames, len(capture.packets), capture.damage) == (5, 5, [])


@pytest.mark.parametrize(("magic", "unit"), [(0x1C0001AC, 1), (0x1C0001AB, 1000)])
def test_ixia_s_longer_file_header(magic: int, unit: int) -> None:
    capture = read(pcap([FRAME], magic=magic, header=pack("<I", 99)))
    assert capture.packets.time.tolist() == [1000 * SECOND + 250 * unit]


@pytest.mark.parametrize("magic", [0xA12B3C4D, 0xA1B234CD])
def test_variants_that_nobody_describes_are_named(magic: int) -> None:
    with pytest.raises(InputError, match="variant of pcap"):
        read(pcap([FRAME], magic=magic))


def test_old_files_have_their_two_lengths_the_other_way_round() -> None:
    data = pcap([], minor=2) + pack("<IIII", 1, 0, 1500, len(FRAME)) + FRAME
    assert read(data).packets.payload(0) == b"hello"


def test_a_version_that_does_not_exist_is_not_read() -> None:
    data = bytearray(pcap([FRAME]))
    data[4] = 9
    with pytest.raises(InputError, match="version 9"):
        read(bytes(data))


def test_the_frame_check_sequence_is_no_part_of_the_frame() -> None:
    datagram_to_the_end = FRAME[:16] + b"\0\0" + FRAME[18:]  # IP length zero: the rest of the frame
    capture = read(pcap([datagram_to_the_end + b"fcs!"], link=1 | 0x04000000 | (2 << 28)))
    assert capture.packets.payload(0) == b"hello"


def test_a_capture_without_packets_is_fine() -> None:
    capture = read(pcap([]))
    assert (capture.frames, len(capture.packets), capture.complete) == (0, 0, True)


@pytest.mark.parametrize("cut", [1, 15, 16, 17, len(FRAME) + 15])
def test_a_truncated_tail_costs_the_last_frame_and_is_said(cut: int) -> None:
    capture = read(pcap([FRAME] * 3)[:-cut])
    assert len(capture.packets) == 2
    assert not capture.complete
    assert capture.damage == (["the file ends inside frame 3"])


def test_cut_between_records_nothing_is_missing() -> None:
    assert read(pcap([FRAME] * 3)[: -len(FRAME) - 16]).damage == []


@pytest.mark.parametrize("length", [262145, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_lying_length_ends_the_reading_and_keeps_what_was_before(length: int) -> None:
    capture = read(pcap([FRAME] * 4) + pack("<IIII", 1, 0, length, length) + FRAME)
    assert len(capture.packets) == 4
    assert capture.damage == [f"frame 5 claims {length} bytes, more than the 262144 that a frame can have; reading ended there"]


def test_a_link_type_that_is_not_read_is_counted_by_name() -> None:
    capture = read(pcap([FRAME] * 2, link=127))
    assert (capture.frames, capture.undecoded) == (2, 2)
    assert capture.undecoded_reasons == {"802.11 with radiotap header is not read": 2}
    assert capture.links == ["802.11 with radiotap header"]


def test_a_file_filled_with_zeros_ends_where_the_zeros_begin() -> None:
    capture = read(pcap([FRAME]) + bytes(8 << 20))
    assert len(capture.packets) == 1
    assert "the file is zeros; reading ended there" in capture.damage[0]


def test_a_few_empty_frames_are_frames() -> None:
    assert read(pcap([b"", b"", FRAME])).packets.number.tolist() == [3]
