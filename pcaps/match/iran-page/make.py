"""Iran's 403 page for plain HTTP, then a FIN with six zero bytes; DF clear, no options (Tai and others, 2025)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="iran-page")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<html></html>"
    base = talk.them.next
    talk.forged("PA", after=3.4, ttl=187, ipid=0x1122, window=65535, payload=page)
    talk.forged("FA", after=0.1, ttl=187, ipid=0x1123, seq=base + len(page), payload=bytes(6), believed=True)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
