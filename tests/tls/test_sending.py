"""What a server reads out of segments, whatever their order; and cuts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.sending import Segment, Sending, cut, sizes_to_edges, whole


def test_one_piece() -> None:
    assert whole(b"abc") == Sending((Segment(b"abc", 0),))
    assert (whole(b"abc").stream, whole(b"abc").in_order) == (b"abc", True)


def test_cuts() -> None:
    assert cut(b"abcdef", [4, 1, 4], delay=0.5) == Sending((Segment(b"a", 0), Segment(b"bcd", 1, 0.5), Segment(b"ef", 4, 0.5)))
    for at in (0, 6, -1, 9):
        with pytest.raises(UsageError, match="inside"):
            cut(b"abcdef", [at])


def test_sizes() -> None:
    assert sizes_to_edges((2, 3), 10) == [2, 5]
    assert sizes_to_edges((2, 3), 5) == [2]


@given(st.binary(min_size=2, max_size=60), st.data())
def test_any_order_of_the_pieces_is_read_as_the_stream(stream: bytes, data: st.DataObject) -> None:
    edges = data.draw(st.lists(st.integers(1, len(stream) - 1), max_size=8))
    pieces = data.draw(st.permutations(cut(stream, edges).segments))
    sending = Sending(tuple(pieces))
    assert sending.stream == stream
    assert sending.in_order == (list(pieces) == sorted(pieces, key=lambda s: s.offset))


def test_what_was_read_is_not_read_again() -> None:
    """A copy that comes once the bytes are read is dropped; one that waits in the queue loses against the segment that closes the hole."""
    assert Sending((Segment(b"abcd", 0), Segment(b"XXef", 2))).stream == b"abcdef"
    assert Sending((Segment(b"XXef", 2), Segment(b"abcd", 0))).stream == b"abXXef"[:2] + b"cdef"


def test_decoys_holes_and_what_is_before_the_stream() -> None:
    assert Sending((Segment(b"zz", 0, decoy=True), Segment(b"ab", 0), Segment(b"ef", 4))).stream == b"ab"
    assert Sending((Segment(b"_ab", -1), Segment(b"c", 2))).stream == b"abc"
    assert not Sending((Segment(b"_ab", -1),)).in_order


def test_an_urgent_byte_takes_a_sequence_number_and_is_not_read() -> None:
    sending = Sending((Segment(b"abU", 0, urgent=True), Segment(b"cd", 3)))
    assert (sending.stream, sending.in_order) == (b"abcd", True)
