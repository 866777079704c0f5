"""A forged 301 with IP ID 0x99b4. The Great Firewall has 0x99b3 in it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-redirect-other-ipid")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("FPA", after=4, ttl=60, ipid=0x99B4, window=8192, payload=b"HTTP/1.1 301 Found\r\nLocation: http://x.invalid/\r\nConnection: close\r\n\r\n")
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
