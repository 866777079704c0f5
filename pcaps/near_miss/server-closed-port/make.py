"""One name is reset by the server itself; a moment later its service ends and the port is closed, for good."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-closed-port")
    tape.connection(name="allowed.example").works()
    tape.connection(name="unknown.example", begin=1000).handshake().hello().server_reset()
    for begin in (3000, 10_000, 900_000):
        later = tape.connection(name="allowed.example", begin=begin).syn()
        later.forged("RA", after=50, ttl=later.them.ttl, ipid=0, df=True, seq=0)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
