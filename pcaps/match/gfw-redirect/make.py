"""A redirect with IP ID 0x99b3 in answer to a request, and the genuine page after it (Chai and others)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import OK_PAGE, Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-redirect")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"HTTP/1.1 301 Moved Permanently\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n"
    talk.forged("PA", after=3, ttl=115, ipid=0x99B3, window=8192, payload=page)
    talk.acknowledge(46.6).says(OK_PAGE, after=1.0)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
