"""Small TLS servers on loopback, each with one habit. They serve until the test ends, on a thread."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Habit = Callable[[socket.socket], None]


def certificate(name: str = "served.example") -> bytes:
    """A self-signed certificate and its key, PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM) + private


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        pem.write_bytes(certificate())
        context.load_cert_chain(pem)
    return context


def serves(body: bytes = b"hello", refuse: str = "") -> Habit:
    """Completes TLS and answers one request; resets connections whose ClientHello holds the name `refuse`."""
    context = server_context()

    def habit(connection: socket.socket) -> None:
        hello = connection.recv(4096, socket.MSG_PEEK)
        if refuse and refuse.encode() in hello:
            reset(connection)
            return
        with contextlib.suppress(OSError, ssl.SSLError), context.wrap_socket(connection, server_side=True) as tls:
            if tls.recv(4096).startswith(b"GET /"):
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return habit


def closes(connection: socket.socket) -> None:
    """Reads the hello and closes."""
    connection.recv(4096)


def is_mute(connection: socket.socket) -> None:
    """Acknowledges and says nothing until the client goes."""
    while connection.recv(4096):
        pass


def reset(connection: socket.socket) -> None:
    """Reads the hello and resets."""
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def serving(habit: Habit, address: str = "127.0.0.1") -> Iterator[int]:
    """The port on which a server with this habit listens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listening:
        listening.settimeout(0.1)
        over = threading.Event()

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(20)
                habit(connection)

        def accept() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()
