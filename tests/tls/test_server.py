"""First bytes of servers: real ones (OpenSSL in memory), forged ones, cut ones."""

from __future__ import annotations

import ssl
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.tls.alert import build_alert
from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.record import to_records
from dpiprobe.tls.server import HELLO_RETRY_RANDOM, read_server, self_issued
from tests.tls.clients import answer_to, openssl_hello, server_context


@pytest.fixture(scope="module")
def context() -> ssl.SSLContext:
    return server_context()


def test_tls13(context: ssl.SSLContext) -> None:
    answer = read_server(answer_to(openssl_hello(), context))
    assert (answer.kind, answer.state, answer.version) == ("server_hello", "complete", 0x0304)
    assert answer.cipher in (0x1301, 0x1302, 0x1303)
    assert (answer.encrypted, answer.certificates, answer.group) == (True, (), 0x001D)


def test_tls12_shows_its_certificate(context: ssl.SSLContext) -> None:
    context.set_alpn_protocols(["http/1.1"])
    answer = read_server(answer_to(openssl_hello(maximum_version=ssl.TLSVersion.TLSv1_2), context))
    assert (answer.kind, answer.state, answer.version, answer.alpn) == ("server_hello", "complete", 0x0303, b"http/1.1")
    assert len(answer.certificates) == 1
    assert answer.certificate_sha256 == (sha256(answer.certificates[0]).hexdigest(),)
    from cryptography import x509

    assert x509.load_der_x509_certificate(answer.certificates[0]).serial_number == 7
    assert answer.self_issued is True


def test_issued_by_another() -> None:
    """The smallest DER that has the shape of a certificate: version, serial, algorithm, issuer, validity, subject."""
    tbs = b"\xa0\x03\x02\x01\x02" + b"\x02\x01\x05" + b"\x30\x00" + b"\x30\x01a" + b"\x30\x00" + b"\x30\x01b"
    tbs = bytes((0x30, len(tbs))) + tbs
    assert self_issued(bytes((0x30, len(tbs))) + tbs) is False
    assert self_issued(b"\x30\x03\x02\x01\x05") is None


def test_hello_retry_request() -> None:
    body = b"\x03\x03" + HELLO_RETRY_RANDOM + b"\0" + b"\x13\x01\0" + bytes.fromhex("000c002b00020304003300020018")
    answer = read_server(to_records(b"\x02" + len(body).to_bytes(3, "big") + body, 0x0303))
    assert (answer.kind, answer.version, answer.group) == ("hello_retry", 0x0304, 0x0018)
    assert HELLO_RETRY_RANDOM.hex().startswith("cf21ad74e59a6111be1d8c021e65b891")  # as printed in RFC 8446 section 4.1.3


def test_the_server_hello_after_a_retry_is_the_answer(context: ssl.SSLContext) -> None:
    body = b"\x03\x03" + HELLO_RETRY_RANDOM + b"\0" + b"\x13\x01\0" + bytes.fromhex("000c002b00020304003300020018")
    retry = to_records(b"\x02" + len(body).to_bytes(3, "big") + body, 0x0303)
    reply = answer_to(openssl_hello(), context)
    assert read_server(retry).state == "need_more"
    answer = read_server(retry + bytes.fromhex("140303000101") + reply)
    assert (answer.kind, answer.state, answer.encrypted) == ("server_hello", "complete", True)


def test_an_alert() -> None:
    answer = read_server(build_alert(112))
    assert (answer.kind, answer.state) == ("alert", "complete")
    assert answer.alert is not None
    assert answer.alert.name == "unrecognized_name"


def test_a_real_refusal(context: ssl.SSLContext) -> None:
    old = server_context()
    old.minimum_version = ssl.TLSVersion.TLSv1_3
    answer = read_server(answer_to(openssl_hello(maximum_version=ssl.TLSVersion.TLSv1_2), old))
    assert answer.alert is not None
    assert answer.alert.name == "protocol_version"


def test_an_alert_after_the_server_hello_keeps_both(context: ssl.SSLContext) -> None:
    reply = answer_to(client_hello("example.com", b"s"), context)
    hello_end = 5 + int.from_bytes(reply[3:5], "big")
    answer = read_server(reply[:hello_end] + build_alert(40))
    assert answer.kind == "server_hello"
    assert answer.alert is not None


def test_a_page_instead_of_tls() -> None:
    answer = read_server(b"HTTP/1.1 403 Forbidden\r\nServer: x\r\n\r\nblocked")
    assert (answer.kind, answer.state) == ("http", "complete")
    assert answer.http is not None
    assert (answer.http.status, answer.http.body) == (403, b"blocked")


def test_something_else() -> None:
    assert read_server(b"SSH-2.0-OpenSSH\r\n").kind == "other"
    assert read_server(b"\x17\x03\x03\x00\x10" + bytes(16)).kind == "other"


def test_too_little_to_tell() -> None:
    for prefix in (b"", b"\x16", b"\x16\x03\x03", b"\x16\x03\x03\x00\x7a\x02\x00", b"HT", b"HTTP/1.1"):
        answer = read_server(prefix)
        assert (answer.kind, answer.state) == (None, "need_more"), prefix


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_every_prefix_of_a_real_answer_tells_only_what_the_whole_tells(context: ssl.SSLContext, maximum: ssl.TLSVersion) -> None:
    reply = answer_to(openssl_hello(maximum_version=maximum), context)
    whole = read_server(reply)
    for cut in range(len(reply)):
        part = read_server(reply[:cut])
        assert part.kind in (None, whole.kind)
        assert part.cipher in (None, whole.cipher)
        assert part.certificates in ((), whole.certificates)
        assert part.alert is None
        if part.state == "complete":
            assert (part.kind, part.version, part.cipher) == (whole.kind, whole.version, whole.cipher)


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(data: bytes) -> None:
    for stream in (data, b"\x16\x03\x03" + data, b"\x16\x03\x03\x00\x60\x02\x00\x00\x50\x03\x03" + data, to_records(b"\x0b" + data)):
        answer = read_server(stream)
        assert answer.state in ("complete", "need_more", "invalid")
        _ = answer.self_issued, answer.certificate_sha256
    self_issued(data)
    self_issued(b"\x30" + data)
