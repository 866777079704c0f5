"""Plaintext HTTP heads, also such as no library would write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpiprobe.tls.http import parse_request, parse_response


def test_a_plain_request() -> None:
    stream = b"GET /page HTTP/1.1\r\nHost: www.example.com:8080\r\nAccept: */*\r\n\r\nrest"
    head = parse_request(stream)
    assert head is not None
    assert (head.method, head.target, head.version) == (b"GET", b"/page", b"HTTP/1.1")
    assert (head.host, head.hosts) == ("www.example.com", (b"www.example.com:8080",))
    assert (head.complete, stream[head.end :]) == (True, b"rest")


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\nhOsT:a.example\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a.example\n\n",
        b"\r\nGET   /\tHTTP/1.1\r\nHost :  a.example \r\n\r\n",
        b"GeT / HTTP/1.1\r\nHost:\ta.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n a.example\r\n\r\n",
        b"GET http://a.example/x HTTP/1.1\r\n\r\n",
        b"CONNECT a.example:443 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example",
    ],
    ids=["case", "bare LF", "spaces", "method case", "folded", "absolute", "connect", "cut"],
)
def test_odd_requests(stream: bytes) -> None:
    head = parse_request(stream)
    assert head is not None
    assert head.host == "a.example"


def test_two_hosts_are_both_kept_and_the_first_is_the_host() -> None:
    head = parse_request(b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n")
    assert head is not None
    assert (head.host, head.hosts) == ("a.example", (b"a.example", b"b.example"))


def test_ipv6_host() -> None:
    head = parse_request(b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n")
    assert head is not None
    assert head.host == "2001:db8::1"


def test_no_headers_at_all() -> None:
    head = parse_request(b"GET / HTTP/1.0\r\n\r\nx")
    assert head is not None
    assert (head.complete, head.host, head.end) == (True, None, 18)


def test_other_protocols_are_none() -> None:
    for stream in (b"", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x02\x00", b"EHLO mail.example\r\n", b"GE"):
        assert parse_request(stream) is None


def test_a_block_page() -> None:
    head = parse_response(
        b"HTTP/1.1 302 Found\r\nLocation: http://warning.example/?a=1\r\nContent-Type: text/html\r\nServer: box\r\n\r\n<html>blocked</html>"
    )
    assert head is not None
    assert (head.status, head.reason, head.location) == (302, b"Found", "http://warning.example/?a=1")
    assert (head.content_type, head.server, head.body, head.complete) == ("text/html", "box", b"<html>blocked</html>", True)


def test_a_status_line_alone() -> None:
    head = parse_response(b"HTTP/1.1 403")
    assert head is not None
    assert (head.status, head.reason, head.complete) == (403, b"", False)


@given(st.binary(max_size=200))
def test_any_bytes_never_raise(data: bytes) -> None:
    for stream in (data, b"GET / HTTP/1.1\r\n" + data, b"GET " + data):
        head = parse_request(stream)
        if head is not None:
            assert head.host is None or head.host.isprintable()
            assert 0 <= head.end <= len(stream)
    for stream in (data, b"HTTP/1.1 200" + data):
        answer = parse_response(stream)
        if answer is not None:
            assert answer.location is None or answer.location.isprintable()
