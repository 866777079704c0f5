"""TLS servers of three makes on loopback, each telling over TLS what it agreed on."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

GO_SERVER = """package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
)

func main() {
	pair, err := tls.LoadX509KeyPair(os.Args[1], os.Args[1])
	if err != nil {
		panic(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, NextProtos: []string{"h2", "http/1.1"}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			server := tls.Server(connection, config)
			if err := server.Handshake(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			fmt.Fprintf(server, "%s\\n", server.ConnectionState().ServerName)
			one := make([]byte, 64)
			server.Read(one)
		}()
	}
}
"""


def write_certificate(path: Path) -> None:
    """A self-signed P-256 certificate and its key."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)  # RSA: every recorded client of every age has a suite for it
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
        .not_valid_before(start).not_valid_after(start + datetime.timedelta(days=9999)).sign(key, hashes.SHA256())
    )  # fmt: skip
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )


class OpensslServer:
    """The OpenSSL of Python's ssl module. Tells the server name it saw once the handshake is finished."""

    def __init__(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with contextlib.suppress(ssl.SSLError):
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
        self._names: dict[int, str] = {}
        context.sni_callback = self._named
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def _named(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        self._names[id(connection)] = name or ""

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                accepted.settimeout(5)
                with contextlib.suppress(OSError), accepted:
                    server = self._context.wrap_socket(accepted, server_side=True)
                    with server:
                        server.sendall(self._names.pop(id(server), "").encode() + b"\n")
                        server.recv(64)


@contextlib.contextmanager
def gnutls_server(certificate: Path) -> Iterator[int]:
    """gnutls-serv; it sends back what it is sent. Skips where it is not installed."""
    if shutil.which("gnutls-serv") is None:
        pytest.skip("gnutls-serv is not installed (Debian: gnutls-bin)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    priority = "NORMAL:+VERS-ALL:+SHA1:%COMPAT"
    child = subprocess.Popen(
        ["gnutls-serv", "--echo", "-p", str(port), "--x509certfile", str(certificate), "--x509keyfile", str(certificate), "--priority", priority],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port, child)
        yield port
    finally:
        child.kill()
        child.wait()


def build_go_server(go: str, folder: Path) -> Path:
    """The Go server as a program; skips where it cannot be built (no toolchain, no cache)."""
    (folder / "main.go").write_text(GO_SERVER, encoding="utf-8")
    program = folder / "server"
    environment = {"PATH": str(Path(go).parent), "HOME": str(folder), "GOCACHE": str(folder / "cache"), "GOTOOLCHAIN": "local", "GOFLAGS": "",
                   "GOPROXY": "off"}  # fmt: skip
    made = subprocess.run([go, "build", "-o", str(program), "main.go"], cwd=folder, env=environment, check=False, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"the Go server does not build here: {made.stderr.strip().splitlines()[-1:]}")
    return program


@contextlib.contextmanager
def go_server(program: Path, certificate: Path) -> Iterator[int]:
    """crypto/tls of Go. Tells the server name it saw once the handshake is finished."""
    child = subprocess.Popen([program, certificate], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert child.stdout is not None
        yield int(child.stdout.readline())
    finally:
        child.kill()
        child.wait()


def _wait_for(port: int, child: subprocess.Popen[bytes]) -> None:
    import time

    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if child.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail("the server did not start")
