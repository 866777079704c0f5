"""Every hello of recorded captures is read and written back to the bit; names and JA3 are what tshark reads from made ones."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.fingerprint import ja3, ja3_string, ja4
from dpiprobe.tls.hello import build, parse
from tests.tls.clients import openssl_hello

dpkt = pytest.importorskip("dpkt")

CORPUS = os.environ.get("DPIPROBE_CORPUS")


def payloads(path: Path) -> Iterator[bytes]:
    """TCP payloads of an Ethernet capture as dpkt reads them, so that this test leans on nothing of ours but the parser."""
    raw = path.read_bytes()
    reader = (dpkt.pcapng.Reader if raw[:4] == b"\x0a\x0d\x0d\x0a" else dpkt.pcap.Reader)(io.BytesIO(raw))
    for _, frame in reader:
        try:
            segment = dpkt.ethernet.Ethernet(frame).data.data if reader.datalink() == 1 else dpkt.ip.IP(frame).data
        except (dpkt.UnpackError, AttributeError, IndexError):
            continue
        if isinstance(segment, dpkt.tcp.TCP) and segment.data:
            yield bytes(segment.data)


@pytest.mark.skipif(CORPUS is None, reason="DPIPROBE_CORPUS is not set")
def test_recorded_hellos_survive_the_round_trip() -> None:
    whole = cut = 0
    for path in sorted(Path(CORPUS or "").rglob("*.pcap*")):
        try:
            for payload in payloads(path):
                hello = parse(payload)
                if hello is None:
                    continue
                ja4(hello)
                if hello.complete:
                    assert build(hello) == payload[: hello.end], path
                    whole += 1
                else:
                    cut += 1
                    assert hello.end > len(payload) or hello.problems, path
        except (ValueError, dpkt.Error, OSError, EOFError):  # not a capture that dpkt reads
            continue
    assert whole > 100, f"only {whole} whole and {cut} cut hellos were found"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_same(tmp_path: Path) -> None:
    hellos = [
        client_hello("one.example", b"1"),
        client_hello("two.example", b"2", alpn=BROWSER_ALPN, post_quantum=True),
        client_hello(None, b"3", alpn=[b"\xab\xcd"]),
        openssl_hello("real.example"),
    ]
    with (tmp_path / "hellos.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=101)
        for i, wire in enumerate(hellos):
            segment = dpkt.tcp.TCP(sport=40_000 + i, dport=443, seq=1, ack=1, flags=dpkt.tcp.TH_ACK, data=wire)
            writer.writepkt(bytes(dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=6, data=segment)), ts=i)
    fields = ["-e", "tls.handshake.extensions_server_name", "-e", "tls.handshake.ja3_full", "-e", "tls.handshake.ja3"]
    command = ["tshark", "-r", str(tmp_path / "hellos.pcap"), "-Y", "tls.handshake.type==1", "-T", "fields", *fields]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    read = [parse(wire) for wire in hellos]
    assert lines == [f"{hello.server_name or ''}\t{ja3_string(hello)}\t{ja3(hello)}" for hello in read if hello]
