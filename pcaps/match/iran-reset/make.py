"""One reset+ack with window 0, DF clear, and six zero bytes inside the IP length (46), 3 to 5 ms after the hello where the round trip
is 80 ms, and nothing of the server afterwards (UPB, FOCI 2025: 14 of 14 flows)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="iran-reset")
    tape.connection(name="allowed.example", rtt=80).handshake().hello().acknowledge().answer().request().response().close()
    talk = tape.connection(name="blocked.example", rtt=80, begin=1000).handshake().hello()
    talk.forged("RA", after=3.9, ttl=187, ipid=0x5D31, payload=bytes(6))
    tape.connection(name="other.example", rtt=80, begin=2000).handshake().hello().acknowledge().answer().request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
