"""A redirect in plain HTTP in answer to a ClientHello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="redirect-on-tls")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    page = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\n\r\n"
    talk.forged("FPA", after=2.4, ttl=60, ipid=0x3AA1, window=8192, payload=page, believed=True)
    talk.acknowledge(47).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
