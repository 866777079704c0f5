"""ClientHellos are read and written back to the last bit, the broken ones as far as they go."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.extension import server_name_body
from dpiprobe.tls.fingerprint import ja3, ja4
from dpiprobe.tls.hello import (
    SERVER_NAME,
    ClientHello,
    Extension,
    ServerName,
    build,
    build_message,
    parse,
    parse_message,
    printable_name,
    raw_name,
    with_extension,
)
from dpiprobe.tls.record import Record, to_records
from tests.tls.clients import openssl_hello

WIRE = client_hello("example.com", b"seed", alpn=BROWSER_ALPN)


def read(stream: bytes) -> ClientHello:
    hello = parse(stream)
    assert hello is not None
    return hello


# ---- a real client


def test_a_real_openssl_hello() -> None:
    wire = openssl_hello("www.example.com")
    hello = read(wire)
    assert hello.server_name == "www.example.com"
    assert hello.alpn == (b"h2", b"http/1.1")
    assert hello.supported_versions[0] == 0x0304
    assert hello.legacy_version == 0x0303
    assert hello.record_version == 0x0301
    assert 0x1301 in hello.ciphers
    assert hello.groups
    assert hello.key_shares[-1].group in hello.groups
    assert 0x0403 in hello.signature_algorithms
    assert hello.ech is None
    assert (hello.end, hello.complete, hello.problems) == (len(wire), True, ())
    assert build(hello) == wire


def test_old_settings() -> None:
    wire = openssl_hello(alpn=(), maximum_version=ssl.TLSVersion.TLSv1_2)
    hello = read(wire)
    assert (hello.supported_versions, hello.key_shares, hello.alpn) == ((), (), ())
    assert build(hello) == wire


def test_scapy_and_dpkt_read_the_same() -> None:
    dpkt_ssl = pytest.importorskip("dpkt.ssl")
    wire = openssl_hello("agree.example")
    hello = read(wire)
    record = dpkt_ssl.TLSRecord(wire)
    theirs = dpkt_ssl.TLSHandshake(record.data).data
    assert theirs.random == hello.random
    assert theirs.session_id == hello.session_id
    assert [suite.code for suite in theirs.ciphersuites] == list(hello.ciphers)
    assert [tuple(e) for e in theirs.extensions] == [tuple(e) for e in hello.extensions or ()]
    pytest.importorskip("scapy")
    from scapy.layers.tls.handshake import TLSClientHello

    packet = TLSClientHello(build_message(hello))
    assert list(packet.ciphers) == list(hello.ciphers)
    assert [e.type for e in packet.ext] == [e.type for e in hello.extensions or ()]
    assert packet.ext[0].servernames[0].servername == b"agree.example"


# ---- names


def hello_with_names(body: bytes) -> ClientHello:
    return read(build(with_extension(read(WIRE), SERVER_NAME, body)))


def test_two_names_and_another_type() -> None:
    hello = hello_with_names(server_name_body([ServerName(7, b"x"), ServerName(0, b"a.example"), ServerName(0, b"b.example")]))
    assert hello.server_names == (ServerName(7, b"x"), ServerName(0, b"a.example"), ServerName(0, b"b.example"))
    assert hello.server_name == "a.example"


@pytest.mark.parametrize(
    ("body", "name"),
    [(b"", None), (b"\0\0", None), (b"\0\x05\0\0\x09abc", None), (b"\0\x03\0\0\0", ""), (b"\xff\xff\0\0\x03abc", "abc")],
    ids=["empty body", "empty list", "overrunning name", "empty name", "wrong list length"],
)
def test_malformed_name_lists(body: bytes, name: str | None) -> None:
    assert hello_with_names(body).server_name == name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"example.com", "example.com"),
        ("bücher.example".encode(), "bücher.example"),
        (b"b\xfccher.example", "b\\xfccher.example"),
        (b"a\0b\x1b[31m\r\n", "a\\x00b\\x1b[31m\\x0d\\x0a"),
        ("a\u202eb\u200b".encode(), "a\\xe2\\x80\\xaeb\\xe2\\x80\\x8b"),
        (b"back\\slash", "back\\x5cslash"),
    ],
)
def test_names_are_shown_safely(raw: bytes, shown: str) -> None:
    assert printable_name(raw) == shown


@given(st.binary(max_size=80))
def test_shown_names_are_printable_and_can_be_turned_back(raw: bytes) -> None:
    shown = printable_name(raw)
    assert shown.isprintable()
    assert raw_name(shown) == raw


# ---- encrypted hellos, padding


@pytest.mark.parametrize(("number", "word"), [(0xFE0D, "ech"), (0xFFCE, "esni")])
def test_encrypted_names_are_noticed(number: int, word: str) -> None:
    assert read(build(with_extension(read(WIRE), number, b"\0" * 40))).ech == word


def test_padding_length() -> None:
    assert read(build(with_extension(read(WIRE), 21, bytes(17)))).padding == 17


# ---- byte exactness


extensions = st.lists(st.builds(Extension, st.integers(0, 65535), st.binary(max_size=40)), max_size=8).map(tuple)
hellos = st.builds(
    ClientHello,
    legacy_version=st.integers(0x0300, 0x0304),
    random=st.binary(min_size=32, max_size=32),
    session_id=st.binary(max_size=32),
    ciphers=st.lists(st.integers(0, 65535), max_size=20).map(tuple),
    compression=st.binary(max_size=3),
    extensions=st.none() | extensions,
)


@given(hellos)
def test_parse_of_build_is_the_same(hello: ClientHello) -> None:
    message = build_message(hello)
    assert parse_message(message) == hello
    framed = replace(hello, records=(Record(22, 0x0301, len(message)),))
    assert parse(build(framed)) == framed


@given(hellos, st.lists(st.integers(1, 60), max_size=6), st.binary(max_size=9))
def test_build_of_parse_keeps_records_and_what_follows_in_them(hello: ClientHello, sizes: list[int], extra: bytes) -> None:
    wire = to_records(build_message(hello) + extra, sizes=sizes)
    again = read(wire + b"\x17\x03\x03")
    assert build(again) == wire[: again.end]


@given(st.integers(6, len(WIRE) - 1))
def test_cut_hellos_are_kept_as_far_as_they_go(cut: int) -> None:
    hello = read(WIRE[:cut])
    assert build(hello) == WIRE[:cut]
    assert not hello.complete
    assert hello.end == len(WIRE)
    assert hello.server_name in (None, "example.com")


def test_a_cut_behind_the_message_keeps_what_follows_it_in_its_record() -> None:
    stream = to_records(WIRE[5:] + b"more of the record")[:-4]
    hello = read(stream)
    assert (build(hello), hello.complete, hello.extra, hello.end) == (stream, False, b"more of the re", len(stream) + 4)
    assert hello.server_name == "example.com"


def test_a_cut_behind_the_name_still_gives_it() -> None:
    at = WIRE.index(b"example.com") + len(b"example.com")
    assert read(WIRE[:at]).server_name == "example.com"
    assert read(WIRE[: at - 1]).server_name is None


@given(st.binary(min_size=1, max_size=200))
def test_any_message_body_is_kept(body: bytes) -> None:
    """Rubbish behind a ClientHello's type byte."""
    wire = to_records(b"\x01" + len(body).to_bytes(3, "big") + body)
    hello = read(wire)
    assert build(hello) == wire
    use(hello)


@given(st.data())
def test_damaged_hellos_never_raise_and_stay_exact(data: st.DataObject) -> None:
    damaged = bytearray(WIRE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    hello = parse(bytes(damaged))
    if hello is not None:
        use(hello)
        if hello.complete:
            assert build(hello) == bytes(damaged)[: hello.end]


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(data: bytes) -> None:
    for hello in (parse(data), parse(b"\x16\x03\x01" + data), parse_message(data), parse_message(b"\x01\0" + data)):
        if hello is not None:
            use(hello)
            build(hello)


def use(hello: ClientHello) -> None:
    for name in ("server_names", "server_name", "alpn", "supported_versions", "groups", "key_shares", "signature_algorithms",
                 "point_formats", "ech", "padding", "record_version"):  # fmt: skip
        getattr(hello, name)
    ja4(hello)
    ja3(hello)


def test_wrong_block_length_is_a_problem_and_kept() -> None:
    hello = read(WIRE)
    wrong = build(replace(hello, declared_extensions=7))
    again = read(wrong)
    assert build(again) == wrong
    assert again.stopped_at == "extensions"
    assert again.problems


def test_other_streams_are_none() -> None:
    assert parse(b"GET / HTTP/1.1\r\n\r\n") is None
    assert parse(b"") is None
    assert parse_message(b"\x02\0\0\0") is None


def test_duplicate_extensions_and_order_are_kept() -> None:
    hello = ClientHello(extensions=(Extension(5, b"a"), Extension(0, b""), Extension(5, b"b")), records=(Record(22, 0x0301, 0),))
    assert [e.type for e in read(build(hello)).extensions or ()] == [5, 0, 5]
    assert read(build(hello)).extension(5) == b"a"
