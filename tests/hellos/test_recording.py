"""`make hellos`: a program's first flight is caught on loopback, what varies is told, and the file reads back."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dpiprobe.tls import clients
from dpiprobe.tls.clients.template import read_client
from dpiprobe.tls.hello import parse
from tests.conftest import ROOT
from tests.hellos.listen import Heard, Listener
from tests.hellos.programs import PROGRAMS
from tests.hellos.template import hello_in, record_of, what_varies
from tests.tls.clients import openssl_hello

FACTS = {
    "name": "x", "program": "x", "version": "1", "library": "x", "library_version": None, "kind": "tool", "imitates": None, "transport": "tcp",
    "os": "Debian", "date": "2026-01-01", "settings": "", "server_name": "www.example.com", "command": [], "install": "", "record": "make hellos HELLOS=x",
}  # fmt: skip


def say(port: int, *lines: bytes) -> threading.Thread:
    """Connect and send these, one after the other, waiting for an answer in between."""

    def run() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            for i, line in enumerate(lines):
                if i:
                    connection.recv(4096)
                connection.sendall(line)
            connection.recv(4096)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("proxied", [False, True])
def test_the_listener_hears_the_hello_of_whoever_asks_for_the_name(proxied: bool) -> None:
    hello = openssl_hello("www.example.com")
    listener = Listener(0)
    try:
        say(listener.port, openssl_hello("other.example"))  # something else in the background
        say(listener.port, *([b"CONNECT www.example.com:443 HTTP/1.1\r\n\r\n"] if proxied else []), hello)
        heard = listener.tcp("www.example.com", 5)
    finally:
        listener.close()
    assert heard == Heard(hello)


def test_silence_and_nonsense_are_nothing() -> None:
    listener = Listener(0)
    try:
        say(listener.port, b"GET / HTTP/1.0\r\n\r\n")
        assert listener.tcp("www.example.com", 0.3) is None
        assert listener.quic("www.example.com", 0.1) is None
    finally:
        listener.close()


def test_quic_datagrams_are_gathered_until_the_hello_is_whole() -> None:
    pytest.importorskip("cryptography")
    datagrams = clients.client("chromium-quic").datagrams
    listener = Listener(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", listener.port))
        heard = listener.quic("www.example.com", 5)
    listener.close()
    assert heard is not None and heard.datagrams == list(datagrams)


def test_what_openssl_draws_anew_is_told() -> None:
    hellos = [found for _ in range(3) if (found := parse(openssl_hello("www.example.com"))) is not None]
    assert what_varies(hellos) == ["random", "session id", "key shares"]
    older = [parse(openssl_hello("www.example.com", maximum_version=ssl.TLSVersion.TLSv1_2)) for _ in range(3)]
    assert what_varies([found for found in older if found is not None]) == ["random"]


def test_a_written_file_reads_back() -> None:
    heard = [Heard(openssl_hello("www.example.com")) for _ in range(3)]
    others = {name: Heard(openssl_hello(name)) for name in ("a.example", "b" * 60 + ".example")}
    client = read_client(record_of(FACTS, heard, others))
    assert client.stream == heard[0].stream
    assert client.hello == hello_in(heard[0])
    assert client.pads in (True, None)  # Python's ssl asks OpenSSL for it; None where a post-quantum share makes every hello longer
    assert set(client.other_names) == set(others)


def test_every_row_has_its_own_name_and_every_recorded_client_its_row() -> None:
    ids = [program.id for program in PROGRAMS]
    assert len(set(ids)) == len(ids)
    assert set(clients.names()) <= set(ids)
    assert all(program.install.startswith(("apt-get install ", "pip install ")) for program in PROGRAMS)


def test_the_list_says_what_is_missing_and_how_to_install_it() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.hellos", "--list"], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert len(lines) == len(PROGRAMS)
    assert all("installed" in line or "missing: " in line for line in lines)


def test_a_real_program_is_recorded_in_namespaces_of_its_own(tmp_path: Path) -> None:
    if shutil.which("openssl") is None or shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("openssl, unshare or ip is not installed")
    if subprocess.run(["unshare", "--user", "--map-root-user", "--net", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    done = subprocess.run([sys.executable, "-m", "tests.hellos", "openssl", "--out", str(tmp_path)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads((tmp_path / "openssl.json").read_text(encoding="utf-8"))
    assert read_client((tmp_path / "openssl.json").read_text(encoding="utf-8")).hello.server_name == "www.example.com"
    assert made["varies"] == ["random", "session id", "key shares"]
