"""Marks stand where zapret's documentation says, in hellos over several records and in HTTP requests."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.hello import parse
from dpiprobe.tls.position import MARKS, message_offset, resolve, resolve_all, stream_offset
from dpiprobe.tls.record import to_records
from dpiprobe.tls.rename import with_name
from tests.tls.vary.wire import ENDHOST, ENDSLD, HOST, MIDSLD, NAME, SIZE, SLD, SNIEXT, base, message, named, wire


@pytest.mark.parametrize(
    ("position", "at"),
    [("0", 0), ("7", 7), ("-1", SIZE - 1), ("-0", 0), ("half", SIZE // 2), ("half+3", SIZE // 2 + 3), ("sniext", SNIEXT), ("sniext+4", SNIEXT + 4),
     ("host", HOST), ("host-1", HOST - 1), ("sld", SLD), ("midsld", MIDSLD), ("midsld-2", MIDSLD - 2), ("endsld", ENDSLD), ("endhost", ENDHOST),
     ("endhost-1", ENDHOST - 1)],
)  # fmt: skip
def test_in_one_record(position: str, at: int) -> None:
    assert resolve(wire(), position) == at


@pytest.mark.parametrize(
    ("name", "sld", "endsld", "midsld"),
    [(b"blocked.example", 0, 7, 3), (b"a.b.c.d", 4, 5, 4), (b"localhost", 0, 9, 4), (b"www.blocked.example.", 4, 11, 7), (b"", 0, 0, 0)],
)
def test_labels(name: bytes, sld: int, endsld: int, midsld: int) -> None:
    stream = named(name)
    assert [resolve(stream, mark) - HOST for mark in ("sld", "endsld", "midsld", "endhost")] == [sld, endsld, midsld, len(name)]


def test_over_records_a_mark_lies_right_behind_the_byte_before_it() -> None:
    in_name = MIDSLD - 5  # in the message
    stream = to_records(message(), sizes=[in_name])
    assert resolve(stream, "midsld") == MIDSLD  # where the first record ends
    assert resolve(stream, "midsld+1") == MIDSLD + 5 + 1
    assert resolve(stream, "endhost") == ENDHOST + 5
    assert stream[resolve(stream, "host") : resolve(stream, "midsld")] + stream[MIDSLD + 5 : resolve(stream, "endhost")] == NAME


def test_behind_records_of_other_types() -> None:
    stream = bytes.fromhex("15 0301 0002 015a") + wire()
    assert resolve(stream, "host") == HOST + 7


def test_in_the_message() -> None:
    assert [message_offset(base(), p) for p in ("5", "-1", "host", "half")] == [5, SIZE - 5 - 1, HOST - 5, (SIZE - 5) // 2]


def test_http_requests() -> None:
    stream = b"\r\nGET /x HTTP/1.1\r\nAccept: */*\r\nHOST:  www.blocked.example \r\n\r\n"
    at = stream.index(b"www.")
    assert resolve(stream, "method") == 2
    assert [resolve(stream, mark) - at for mark in ("host", "sld", "midsld", "endsld", "endhost")] == [0, 4, 7, 11, 19]
    with pytest.raises(UsageError, match="sniext"):
        resolve(stream, "sniext")


def test_lists_are_ascending_and_without_doubles() -> None:
    assert resolve_all(wire(), "endhost, 1,host,1") == [1, HOST, ENDHOST]


@pytest.mark.parametrize(("position", "word"), [
    ("middle", "is not a position"), ("host+", "is not a position"), ("", "is not a position"), ("method", "HTTP"), ("999", "outside"),
    ("-999", "outside"), ("host-500", "outside"),
])  # fmt: skip
def test_what_is_no_position(position: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        resolve(wire(), position)


def test_what_has_no_name() -> None:
    from dpiprobe.tls.hello import build

    for stream, word in ((build(with_name(base(), None)), "no server_name"), (b"SSH-2.0-x\r\n", "neither"), (wire([("0000", "0000")]), "no host name")):
        with pytest.raises(UsageError, match=word):
            resolve(stream, "host")


@given(st.binary(max_size=300), st.sampled_from(MARKS), st.integers(-40, 40), st.booleans())
def test_any_bytes_have_a_position_or_none(data: bytes, mark: str, more: int, hello: bool) -> None:
    stream = b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + data if hello else data
    with contextlib.suppress(UsageError):
        assert 0 <= resolve(stream, f"{mark}{more:+d}") <= len(stream)


@given(st.lists(st.integers(1, 90), max_size=6), st.integers(0, 200))
def test_every_byte_of_the_message_is_where_it_is_said_to_be(sizes: list[int], index: int) -> None:
    data = client_hello("www.blocked.example", b"s")[5:]
    stream = to_records(data, sizes=sizes)
    hello = parse(stream)
    assert hello is not None
    assert stream[stream_offset(hello, index)] == data[index]
