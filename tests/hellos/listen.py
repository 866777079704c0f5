"""A listening socket that takes the ClientHello of whoever connects, and says no more.

Alone responsible for getting the first flight off a connection of our own: TCP (directly, or behind an HTTP CONNECT) and UDP (QUIC).

Rules of this file: loopback only; every wait is bounded; what was heard is returned as bytes, nothing is judged.
"""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass, field

from dpiprobe.tls.quic_initial import client_hello_of
from dpiprobe.tls.record import Complete, Invalid, read_client_hello

LOOPBACK = "127.0.0.1"
PATIENCE = 5.0  # seconds that a client which has connected may take for its hello
QUIC_PATIENCE = 1.5  # seconds after the first datagram: a client repeats its Initial after about one (RFC 9002 section 6.2.2: 999 ms)


@dataclass(slots=True)
class Heard:
    """One first flight. `stream`: bytes of a TCP connection up to the end of the hello · `datagrams`: of a QUIC conversation, in order."""

    stream: bytes = b""
    datagrams: list[bytes] = field(default_factory=list)


class Listener:
    """Listens on a TCP port and the UDP port of the same number."""

    def __init__(self, port: int) -> None:
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind((LOOPBACK, port))
        self._tcp.listen(64)
        self.port = int(self._tcp.getsockname()[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((LOOPBACK, self.port))

    def close(self) -> None:
        """Stop listening."""
        self._tcp.close()
        self._udp.close()

    def forget(self) -> None:
        """Drop what an earlier program still sends."""
        for bound in (self._tcp, self._udp):
            bound.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._tcp.accept()[0].close()
        with contextlib.suppress(BlockingIOError):
            while True:
                self._udp.recv(65536)

    def tcp(self, name: str, seconds: float) -> Heard | None:
        """The first hello over TCP that asks for `name`; None where none comes in time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._tcp.settimeout(left)
            try:
                connection, _ = self._tcp.accept()
            except TimeoutError:
                return None
            with connection:
                stream = _hello(connection)
            if stream is not None and name.encode() in stream:
                return Heard(stream)
        return None

    def quic(self, name: str, seconds: float) -> Heard | None:
        """The datagrams of the first QUIC conversation that asks for `name`, until its hello is whole."""
        until = time.monotonic() + seconds
        conversations: dict[tuple[str, int], list[bytes]] = {}
        while (left := until - time.monotonic()) > 0:
            self._udp.settimeout(left)
            try:
                datagram, peer = self._udp.recvfrom(65536)
            except TimeoutError:
                return None
            datagrams = conversations.setdefault(peer, [])
            datagrams.append(datagram)
            message = client_hello_of(datagrams) or b""
            if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big") and name.encode() in message:
                return Heard(datagrams=datagrams)
        return None


def _hello(connection: socket.socket) -> bytes | None:
    """The client's bytes up to the end of its hello; an HTTP CONNECT before it is granted."""
    connection.settimeout(PATIENCE)
    stream = b""
    try:
        while True:
            data = connection.recv(65536)
            if not data:
                return None
            stream += data
            if stream.startswith(b"CONNECT ") and b"\r\n\r\n" in stream:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                stream = b""
                continue
            answer = read_client_hello(stream)
            if isinstance(answer, Complete):
                return stream[: answer.end]
            if isinstance(answer, Invalid) and not stream.startswith(b"CONN"):
                return None
    except (TimeoutError, ConnectionError):
        return None
