"""A server that speaks plain HTTP on the port: 400 Bad Request to a ClientHello, for every name alike."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="http-server-on-tls-port")
    for index, name in enumerate(("one.example", "two.example", "three.example")):
        talk = tape.connection(name=name, server="198.51.100.40", begin=1000 * index).handshake().hello().acknowledge()
        talk.says(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", after=1.0, flags="FPA").client_fin()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
