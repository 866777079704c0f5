"""Whatever a server sends, the client that goes on from a recorded hello ends with a sentence, never with an exception."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpiprobe.tls import clients
from dpiprobe.tls.clients.handshake import ClientHandshake
from dpiprobe.tls.clients.shares import with_own_shares
from dpiprobe.tls.record import HANDSHAKE
from tests.tls.recorded.servers import write_certificate

pytest.importorskip("cryptography")
CLIENTS = ("python", "python-tls12", "chromium", "go-old")


def client(name: str) -> ClientHandshake:
    return ClientHandshake(*with_own_shares(clients.hello_of(name, "a.example"), b"seed"))


@cache
def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        write_certificate(Path(folder) / "server.pem")
        made.load_cert_chain(Path(folder) / "server.pem")
    return made


@cache
def flight(name: str) -> bytes:
    """OpenSSL's answer to this client's hello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context().wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(client(name).open())
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    return outgoing.read()


@settings(deadline=None)  # the first example loads libraries
@given(st.sampled_from(CLIENTS), st.binary(max_size=300), st.booleans())
def test_random_bytes(name: str, data: bytes, framed: bool) -> None:
    one = client(name)
    one.receive(bytes((HANDSHAKE, 3, 3)) + len(data).to_bytes(2, "big") + data if framed else data)
    assert not one.completed


@settings(deadline=None)  # the first example loads libraries
@given(st.sampled_from(CLIENTS), st.data())
def test_a_real_flight_with_some_bytes_changed(name: str, data: st.DataObject) -> None:
    answer = bytearray(flight(name))
    for _ in range(data.draw(st.integers(1, 4))):
        answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.integers(0, 255))
    one = client(name)
    one.receive(bytes(answer))
    one.receive(b"")
    assert one.done or one.completed
    assert one.completed or one.error


@settings(deadline=None)  # the first example loads libraries
@given(st.sampled_from(CLIENTS), st.data())
def test_a_real_flight_in_any_pieces(name: str, data: st.DataObject) -> None:
    answer = flight(name)
    one, whole = client(name), client(name)
    sent = b""
    at = 0
    while at < len(answer):
        size = data.draw(st.integers(1, 900))
        sent += one.receive(answer[at : at + size])
        at += size
    assert sent == whole.receive(answer)
    assert (one.error, one.cipher, one.group) == (None, whole.cipher, whole.group)
