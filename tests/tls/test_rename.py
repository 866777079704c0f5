"""A hello with another name is what its client would have sent for that name."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.errors import UsageError
from dpiprobe.tls.craft import client_hello, pad_to
from dpiprobe.tls.extension import server_name_body
from dpiprobe.tls.hello import PADDING, SERVER_NAME, ClientHello, Extension, ServerName, build, parse, with_extension
from dpiprobe.tls.rename import with_name
from tests.tls.clients import openssl_hello


def read(stream: bytes) -> ClientHello:
    hello = parse(stream)
    assert hello is not None
    return hello


PLAIN = read(client_hello("some.example", b"s"))


def masked(stream: bytes) -> bytes:
    """Without what a client draws anew: random, session id, and the key share's 32 bytes."""
    hello = read(stream)
    shares = hello.extension(51)
    blank = replace(hello, random=bytes(32), session_id=bytes(len(hello.session_id)))
    return build(with_extension(blank, 51, shares[:-32] + bytes(32)) if shares else blank)


@pytest.mark.parametrize("name", ["x.example", "a-name-of-another-length.example", "n" * 40 + ".example", ".".join(["n" * 60] * 4)])
@pytest.mark.parametrize("settings", [{"options": 0}, {"options": ssl.OP_ALL}], ids=["plain", "padding"])
def test_it_is_what_openssl_sends_for_that_name(settings: dict[str, object], name: str) -> None:
    """Below and above 256 bytes, with and without a padding extension."""
    pads = settings["options"] != 0
    for old in ("one.example", "o" * 60 + "." + "n" * 60 + ".example"):
        changed = with_name(read(openssl_hello(old, alpn=("h2",), maximum_version=ssl.TLSVersion.TLSv1_2, **settings)), name, pads=pads)
        assert masked(build(changed)) == masked(openssl_hello(name, alpn=("h2",), maximum_version=ssl.TLSVersion.TLSv1_2, **settings))


@given(st.binary(max_size=600))
def test_the_result_is_what_parse_reads(name: bytes) -> None:
    changed = with_name(PLAIN, name)
    assert parse(build(changed)) == changed
    assert changed.server_names == (ServerName(0, name),)
    assert with_name(changed, "some.example") == PLAIN


def test_padding_that_follows_another_rule_is_kept() -> None:
    padded = read(pad_to(build(PLAIN), 1400))
    assert with_name(padded, "other-name.example").padding == padded.padding


def test_no_name_takes_the_extension_out_and_a_name_puts_it_first() -> None:
    bare = with_name(PLAIN, None)
    assert bare.extension(SERVER_NAME) is None
    assert next(e.type for e in with_name(bare, "a.example").extensions or ()) == SERVER_NAME
    greased = replace(bare, extensions=(Extension(0x2A2A, b""), *(bare.extensions or ())))
    assert [e.type for e in with_name(greased, "a.example").extensions or ()][:2] == [0x2A2A, SERVER_NAME]


def test_a_first_padding_stands_before_pre_shared_keys() -> None:
    ours = replace(read(client_hello(None, b"s")), extensions=(Extension(10, b"\0" * 60), Extension(41, bytes(80))))
    changed = with_name(ours, "a.example", pads=True)
    assert [e.type for e in changed.extensions or ()] == [SERVER_NAME, 10, PADDING, 41]
    assert changed.records[0].length == 512


def test_malformed_lists_and_cut_hellos_are_the_callers_error() -> None:
    for body in (b"", b"\0\0", b"\0\x09\0\0\x03abc", server_name_body([ServerName(7, b"x")])):
        with pytest.raises(UsageError, match="host name"):
            with_name(with_extension(PLAIN, SERVER_NAME, body), "a.example")
    with pytest.raises(UsageError, match="whole"):
        with_name(read(build(PLAIN)[:100]), "a.example")
