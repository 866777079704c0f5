"""Two resets 12504 bytes apart. The mistake of 2008 made it 12503."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="pair-12504")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=4, ttl=60, ipid=0x1111)
    talk.forged("R", after=0.05, ttl=60, ipid=0x1234, seq=talk.them.next + 12504)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
