"""Servers as users write them, names that do not resolve, and the way out."""

from __future__ import annotations

import socket

import pytest

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.probe.route import resolve, route_to, split_server


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("www.example.org", "www.example.org", 443),
        ("www.example.org:8443", "www.example.org", 8443),
        ("192.0.2.1", "192.0.2.1", 443),
        ("192.0.2.1:80", "192.0.2.1", 80),
        ("2001:db8::1", "2001:db8::1", 443),
        ("[2001:db8::1]", "2001:db8::1", 443),
        ("[2001:db8::1]:8443", "2001:db8::1", 8443),
    ],
)
def test_a_server_with_and_without_port(text: str, host: str, port: int) -> None:
    assert split_server(text, 443) == (host, port)


@pytest.mark.parametrize("text", ["", ":443", "192.0.2.1:http", "192.0.2.1:0", "192.0.2.1:70000", "[2001:db8::1", "[::1]443", "https://example.org", "a b"])
def test_what_is_no_server_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(UsageError, match=";"):
        split_server(text, 443)


def test_an_address_needs_no_resolver() -> None:
    target = resolve("[2001:0DB8::0001]:8443")
    assert (target.address, target.port, target.endpoint) == ("2001:db8::1", 8443, "[2001:db8::1]:8443")


def raising(code: int) -> object:
    def getaddrinfo(*_: object) -> None:
        raise socket.gaierror(code, "resolver's words")

    return getaddrinfo


def test_a_name_that_does_not_exist_is_the_callers_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", raising(socket.EAI_NONAME))
    with pytest.raises(UsageError, match="does not resolve; check the spelling"):
        resolve("no-such-name.invalid")


def test_a_resolver_that_is_silent_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", raising(socket.EAI_AGAIN))
    with pytest.raises(EnvironmentError_, match="give the server's address instead"):
        resolve("www.example.org")


def test_the_way_to_loopback_is_lo() -> None:
    route = route_to(resolve("127.0.0.1"))
    assert (route.interface, route.source) == ("lo", "127.0.0.1")


def test_an_interface_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="lo"):
        route_to(resolve("127.0.0.1"), "no-such-interface")
