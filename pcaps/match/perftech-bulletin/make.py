"""A forged redirect with window 1 and the don't-fragment bit clear."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="perftech-bulletin")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("FPA", after=4, ttl=60, ipid=0x3131, window=1, payload=b"HTTP/1.1 302 Found\r\nLocation: http://bulletin.invalid/\r\n\r\n")
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
