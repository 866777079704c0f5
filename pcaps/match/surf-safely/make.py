"""The page of a Pakistani filter, with its text, in a segment that closes, and a reset after it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="surf-safely")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"<html><head><title>Surf Safely!</title></head><body>Surf Safely! This website is not accessible.</body></html>"
    talk.forged("FA", after=3.1, ttl=120, ipid=0x0A01, window=16384, payload=page)
    talk.forged("R", after=0.1, ttl=56, ipid=0x0A02, seq=talk.them.next + len(page) + 1, believed=True)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
