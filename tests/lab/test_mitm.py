"""Interception: the forged certificate reaches the client, pages pass through both TLS sessions, other names see the server's own certificate."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dpiprobe.lab import segment
from dpiprobe.lab.boxes import make
from dpiprobe.lab.endpoint import Address, Endpoint
from dpiprobe.lab.segment import Segment
from dpiprobe.lab.session import Lab
from dpiprobe.tls.craft import client_hello
from dpiprobe.tls.server import read_server
from tests.lab.scene import packets
from tests.lab.test_box import CLIENT, HELLO, SERVER

LOOK = """
import json, os, socket, ssl, sys
from cryptography import x509
context = ssl._create_unverified_context()
for name in sys.argv[1:]:
    with context.wrap_socket(socket.create_connection((os.environ["DPIPROBE_LAB_SERVER"], 443), timeout=10), server_hostname=name) as tls:
        version = tls.version()
        certificate = x509.load_der_x509_certificate(tls.getpeercert(True))
        tls.sendall(b"GET /bytes/50000 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        size = 0
        while data := tls.recv(65536):
            size += len(data)
    print(json.dumps({"issuer": certificate.issuer.rfc4514_string(), "size": size, "version": version}))
"""


@pytest.mark.usefixtures("lab_here")
@pytest.mark.parametrize(("tls", "loss"), [("1.3", 0.0), ("1.2", 0.02)])
def test_the_box_opens_the_blocked_name_and_leaves_others_alone(tls: str, loss: float, tmp_path: Path) -> None:
    with Lab({"mitm": {"issuer": "Nosy CA", "tls": tls}}, seed=5, loss=loss) as lab:
        with lab.capture(tmp_path) as capture:
            lines = lab.python_in("client", LOOK, "allowed.example", "blocked.example", timeout=60).splitlines()
        allowed, blocked = map(json.loads, lines)
        assert allowed["issuer"] == "CN=dpiprobe lab server"
        assert blocked["issuer"] == "CN=Nosy CA"
        assert blocked["version"] == f"TLSv{tls}"
        assert min(allowed["size"], blocked["size"]) > 50_000
        assert [event["kind"] for event in lab.truth()] == ["intercept"]
    answers = [p for p in packets(capture.files["client"]) if p.flags == "SA"]
    assert {p.ttl for p in answers} == {63}, "the box terminates every connection"


def talk(names: str, hello: bytes) -> tuple[bytes, list[dict[str, object]]]:
    """What a client on the virtual clock gets from a box that only shows its certificate."""
    device = make({"mitm": {"issuer": "Nosy CA", "names": names}}, ["blocked.example"], [], random.Random(1), real_tls=False)
    client = Endpoint(Address(CLIENT, 40000), Address(SERVER, 443), random.Random(2))
    client.connect(0)
    client.send(0, hello)
    for now in range(0, 200_000_000, 10_000_000):
        sent, client.out = client.out, []
        for packet in sent:
            for emit in device.packet(now, "client", packet):
                seen = segment.parse(emit.packet)
                if emit.to == "client" and isinstance(seen, Segment):
                    client.segment(now, seen)
    return client.inbox, device.events


def test_on_the_virtual_clock_it_shows_a_tls_1_2_certificate() -> None:
    said, events = talk("blocked", HELLO)
    answer = read_server(said)
    assert b"Nosy CA" in answer.certificates[0]
    assert [event["kind"] for event in events] == ["intercept"]
    assert talk("blocked", HELLO)[0] == said, "the same certificate every time"
    assert talk("blocked", client_hello("free.example", b"1")) == (b"", [])
    assert b"Nosy CA" in talk("all", client_hello("free.example", b"1"))[0]
