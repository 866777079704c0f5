"""A recorded hello with another name and key shares of our own is one that real servers accept and finish."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpiprobe.tls import clients
from dpiprobe.tls.clients.handshake import ClientHandshake
from dpiprobe.tls.clients.shares import X25519MLKEM768, make_pair, with_own_shares
from tests.tls.recorded.servers import OpensslServer, build_go_server, gnutls_server, go_server, write_certificate

pytest.importorskip("cryptography")
NAME = "another-name.example.org"
TCP = [name for name in clients.names() if clients.client(name).transport == "tcp"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    write_certificate(path)
    return path


@pytest.fixture(scope="module")
def openssl(certificate: Path) -> Iterator[int]:
    server = OpensslServer(certificate)
    yield server.port
    server.close()


@pytest.fixture(scope="module")
def gnutls(certificate: Path) -> Iterator[int]:
    with gnutls_server(certificate) as port:
        yield port


@pytest.fixture(scope="module")
def golang(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    go = os.environ.get("DPIPROBE_GO") or shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed (Debian: golang-go; or DPIPROBE_GO=/path/to/go)")
    with go_server(build_go_server(go, tmp_path_factory.mktemp("go")), certificate) as port:
        yield port


def converse(client: str, port: int, *, say: bytes = b"") -> tuple[ClientHandshake, bytes]:
    """The handshake of this client's hello against a server, and the first application data of the server."""
    hello, shares = with_own_shares(clients.hello_of(client, NAME), b"seed")
    handshake = ClientHandshake(hello, shares)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(handshake.open())
        while not handshake.done:
            connection.sendall(handshake.receive(connection.recv(65536)))
        if handshake.completed and say:
            connection.sendall(handshake.write(say))
        while handshake.completed and not handshake.application.endswith(b"\n") and (data := connection.recv(65536)):
            handshake.receive(data)
    return handshake, handshake.application


@pytest.mark.parametrize("client", TCP)
def test_openssl_finishes_the_handshake(client: str, openssl: int) -> None:
    handshake, said = converse(client, openssl)
    assert (handshake.error, handshake.completed, said) == (None, True, NAME.encode() + b"\n")
    assert handshake.certificates


@pytest.mark.parametrize("client", TCP)
def test_gnutls_finishes_the_handshake(client: str, gnutls: int) -> None:
    handshake, said = converse(client, gnutls, say=b"what was said\n")
    assert (handshake.error, handshake.completed, said) == (None, True, b"what was said\n")


@pytest.mark.parametrize("client", TCP)
def test_go_finishes_the_handshake(client: str, golang: int) -> None:
    handshake, said = converse(client, golang)
    assert (handshake.error, handshake.completed, said) == (None, True, NAME.encode() + b"\n")


def test_the_same_seed_gives_the_same_hello_and_another_gives_another() -> None:
    hello = clients.hello_of("chromium", NAME)
    assert with_own_shares(hello, b"1")[0] == with_own_shares(hello, b"1")[0]
    assert with_own_shares(hello, b"1")[0].key_shares != with_own_shares(hello, b"2")[0].key_shares


def test_own_shares_change_neither_lengths_nor_groups() -> None:
    for name in clients.names():
        hello = clients.hello_of(name, NAME)
        own, _ = with_own_shares(hello, b"seed")
        assert [(s.group, len(s.key)) for s in own.key_shares] == [(s.group, len(s.key)) for s in hello.key_shares], name
        assert own.ciphers == hello.ciphers
        assert [(e.type, len(e.data)) for e in own.extensions or ()] == [(e.type, len(e.data)) for e in hello.extensions or ()], name


def test_a_server_that_sends_nonsense_is_told_of_in_words() -> None:
    hello, shares = with_own_shares(clients.hello_of("openssl", NAME), b"seed")
    for answer, word in ((b"HTTP/1.1 400 Bad Request\r\n\r\n", "something else than TLS"), (b"\x15\x03\x03\0\x02\x02\x28", "handshake_failure"),
                         (b"", "closed"), (b"\x16\x03\x03\0\x04\x02\0\0\0", "malformed")):  # fmt: skip
        handshake = ClientHandshake(hello, shares)
        handshake.receive(answer)
        assert handshake.done and not handshake.completed
        assert word in (handshake.error or "")


def test_a_forged_record_does_not_pass(certificate: Path) -> None:
    """The server's flight with one byte of its encrypted part changed."""
    server = OpensslServer(certificate)
    hello, shares = with_own_shares(clients.hello_of("openssl", NAME), b"seed")
    handshake = ClientHandshake(hello, shares)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(handshake.open())
        flight = bytearray(connection.recv(65536))
        flight[-20] ^= 1
        handshake.receive(bytes(flight))
    server.close()
    assert handshake.error == "a record of the server does not decrypt"


def test_the_post_quantum_group_is_agreed_where_the_server_has_it(golang: int) -> None:
    if make_pair(X25519MLKEM768, b"") is None:
        pytest.skip("this cryptography has no ML-KEM")
    handshake, _ = converse("chromium", golang)
    if handshake.group != X25519MLKEM768:
        pytest.skip(f"this Go has no X25519MLKEM768; it chose {handshake.group:#06x}")
