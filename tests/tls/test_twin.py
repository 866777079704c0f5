"""The twin of a sending differs in letters of names alone, and no checksum tells it apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import client_hello, equal_length_name
from dpiprobe.tls.hello import parse
from dpiprobe.tls.rename import with_name
from dpiprobe.tls.sending import Sending, whole
from dpiprobe.tls.twin import innocuous_twin
from dpiprobe.tls.vary.catalogue import CATALOGUE
from dpiprobe.tls.vary.variation import apply
from tests.tls.vary.wire import base, named, sent

NAMELESS = {"name-empty", "name-omit", "names-empty-list", "names-empty-body", "names-name-length-long", "extensions-none", "extensions-empty", "esni"}
TOO_SHORT = {"cut-bytes-paced", "cut-bytes-acked"}


def ones_complement(data: bytes) -> int:
    """RFC 1071, word by word, as its text describes it."""
    total = 0
    for i in range(0, len(data), 2):
        total += int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - NAMELESS - TOO_SHORT - {"ech-none"}))
def test_every_sending_has_a_twin(name: str) -> None:
    sending = Sending(sent(name))
    twin = innocuous_twin(sending, b"1")
    assert [(s.offset, len(s.data), s.delay, s.await_ack, s.urgent, s.decoy) for s in twin.segments] == [
        (s.offset, len(s.data), s.delay, s.await_ack, s.urgent, s.decoy) for s in sending.segments
    ]
    assert [ones_complement(s.data) for s in twin.segments] == [ones_complement(s.data) for s in sending.segments]
    one, two = parse(sending.stream), parse(twin.stream)
    assert one is not None and two is not None
    assert [len(e.name) for e in one.server_names] == [len(e.name) for e in two.server_names]
    assert one.server_names != two.server_names


@pytest.mark.parametrize("name", sorted(TOO_SHORT))
def test_segments_of_one_byte_have_a_twin_without_the_sums(name: str) -> None:
    sending = Sending(sent(name))
    with pytest.raises(UsageError, match="same_sum=False"):
        innocuous_twin(sending, b"1")
    twin = innocuous_twin(sending, b"1", same_sum=False)
    assert twin.stream != sending.stream and len(twin.segments) == len(sending.segments)


@pytest.mark.parametrize("name", sorted(NAMELESS - {"names-name-length-long"}))
def test_without_a_name_there_is_none(name: str) -> None:
    with pytest.raises(UsageError, match="no name"):
        innocuous_twin(Sending(sent(name)), b"1")


@pytest.mark.parametrize("name", [b"Ab3.Xy-Z9.example", b"blocked.example.", b"www.blocked.example"])
def test_form_and_case_stay(name: bytes) -> None:
    (twin,) = innocuous_twin(whole(named(name)), b"2").segments
    made = twin.data[111 : 111 + len(name)]
    assert twin.data == named(made)
    assert made != name

    def kinds(text: bytes) -> list[str]:
        return ["." if c in b"." else "-" if c in b"-" else "9" if c in b"0123456789" else "A" if 65 <= c <= 90 else "a" for c in text]

    assert kinds(made) == kinds(name)
    assert made.rstrip(b".").endswith(b".example")


@given(st.from_regex(r"[a-z]{3,12}(\.[a-z0-9]{2,12}){1,3}", fullmatch=True), st.binary(max_size=4))
def test_the_seed_decides(name: str, seed: bytes) -> None:
    sending = whole(client_hello(name, b"s"))
    try:
        twin = innocuous_twin(sending, seed)
    except UsageError:
        return  # so few letters that no other keep the sum
    assert innocuous_twin(sending, seed) == twin
    assert ones_complement(twin.stream) == ones_complement(sending.stream)


def test_a_twin_of_a_varied_hello_is_the_varied_hello_of_the_twins_name() -> None:
    """For variations that only carry the hello otherwise."""
    name = equal_length_name(b"www.blocked.example", b"x")
    assert apply(with_name(base(), name), [CATALOGUE["record-at-midsld"]]).sending.segments[0].data != sent("record-at-midsld")[0].data
    twin = innocuous_twin(Sending(sent("record-at-midsld")), b"1")
    hello = parse(twin.stream)
    assert hello is not None and hello.server_name is not None
    assert twin == apply(with_name(base(), hello.server_name), [CATALOGUE["record-at-midsld"]]).sending
