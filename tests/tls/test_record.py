"""Where a ClientHello ends in a stream, whatever it was cut into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.record import Complete, Invalid, NeedMore, read_client_hello, read_handshake, to_records

WIRE = client_hello("example.com", b"seed")
MESSAGE = WIRE[5:]


def test_one_record() -> None:
    answer = read_client_hello(WIRE + b"more")
    assert isinstance(answer, Complete)
    assert (answer.message, answer.start, answer.end, answer.extra) == (MESSAGE, 0, len(WIRE), b"")


def test_first_segment_only_tells_the_exact_end() -> None:
    answer = read_client_hello(WIRE[:100])
    assert isinstance(answer, NeedMore)
    assert (answer.end, answer.exact) == (len(WIRE), True)


def test_a_record_header_alone_tells_where_its_record_ends() -> None:
    answer = read_client_hello(WIRE[:5])
    assert isinstance(answer, NeedMore)
    assert (answer.end, answer.exact) == (len(WIRE), False)


def test_first_of_two_records_tells_the_least_possible_end() -> None:
    split = to_records(MESSAGE, sizes=[50])
    for cut, exact in ((40, False), (57, False), (60, True)):  # in the first record; in the second header; in the second record
        answer = read_client_hello(split[:cut])
        assert isinstance(answer, NeedMore)
        assert (answer.end, answer.exact) == (len(split), exact)


@given(st.lists(st.integers(1, 90), max_size=12))
def test_any_fragmentation_gives_the_same_message(sizes: list[int]) -> None:
    split = to_records(MESSAGE, sizes=sizes)
    answer = read_client_hello(split + b"\x17\x03\x03")
    assert isinstance(answer, Complete)
    assert (answer.message, answer.end) == (MESSAGE, len(split))


@given(st.lists(st.integers(1, 90), max_size=12), st.integers(0, 2000))
def test_a_prefix_needs_more_and_never_claims_an_end_beyond_the_true_one(sizes: list[int], cut: int) -> None:
    split = to_records(MESSAGE, sizes=sizes)
    cut %= len(split)
    answer = read_client_hello(split[:cut])
    assert isinstance(answer, NeedMore)
    assert cut < answer.end <= len(split)
    assert not answer.exact or answer.end == len(split)


def test_message_and_rest_in_one_record() -> None:
    body = MESSAGE + b"\x0b\0\0\0"
    answer = read_client_hello(to_records(body))
    assert isinstance(answer, Complete)
    assert (answer.message, answer.extra, answer.end) == (MESSAGE, b"\x0b\0\0\0", len(body) + 5)


def test_prepended_alert_and_change_cipher_spec_are_skipped() -> None:
    before = bytes.fromhex("15030100020100") + bytes.fromhex("140303000101")
    answer = read_client_hello(before + WIRE)
    assert isinstance(answer, Complete)
    assert (answer.start, answer.end) == (len(before), len(before) + len(WIRE))


@pytest.mark.parametrize("before", ["1603010000", "160301000400000000", "160301000401000000"], ids=["empty", "HelloRequest", "hello of no length"])
def test_handshake_records_that_ask_for_nothing_are_skipped(before: str) -> None:
    answer = read_client_hello(bytes.fromhex(before) + WIRE)
    assert isinstance(answer, Complete)
    assert (answer.message, answer.start, answer.end) == (MESSAGE, len(before) // 2, len(before) // 2 + len(WIRE))
    assert not isinstance(read_client_hello(bytes.fromhex(before)), Invalid)


def test_another_type_in_the_middle_is_invalid() -> None:
    answer = read_client_hello(to_records(MESSAGE[:50]) + bytes.fromhex("140303000101"))
    assert isinstance(answer, Invalid)
    assert (answer.offset, answer.message) == (55, MESSAGE[:50])


def test_odd_record_version_of_a_true_hello_is_read() -> None:
    assert isinstance(read_client_hello(to_records(MESSAGE, version=0x0909)), Complete)


def test_other_things_are_invalid_with_a_reason() -> None:
    for stream, word in (
        (b"GET / HTTP/1.1\r\n\r\n", "not TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not TLS"),
        (bytes.fromhex("1703030020") + bytes(32), "middle"),
        (to_records(b"\x02\0\0\x02ab"), "not a ClientHello"),
        (to_records(MESSAGE[:50]) + bytes.fromhex("1603010000") + to_records(MESSAGE[50:]), "empty"),
        (bytes.fromhex("160301ffff") + MESSAGE, "longer"),
    ):
        answer = read_client_hello(stream)
        assert isinstance(answer, Invalid), stream
        assert word in answer.reason


def test_nothing_yet_needs_more() -> None:
    assert isinstance(read_client_hello(b""), NeedMore)


@given(st.binary(max_size=300), st.binary(max_size=6))
def test_any_bytes_are_answered(data: bytes, head: bytes) -> None:
    for stream in (data, b"\x16\x03\x01" + data, b"\x16\x03\x01\x00\x40\x01\x00" + head + data):
        assert isinstance(read_client_hello(stream), Complete | NeedMore | Invalid)
        assert isinstance(read_handshake(stream), Complete | NeedMore | Invalid)
