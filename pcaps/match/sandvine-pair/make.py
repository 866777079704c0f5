"""A pair of resets, the second 12503 bytes ahead (Weaver and others, 2009: Comcast)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="sandvine-pair")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    base = talk.them.next
    for ahead in (0, 12503):
        talk.forged("R", after=3 if not ahead else 0.05, ttl=60, ipid=0x2200 + ahead % 7, seq=base + ahead, believed=True)
    talk.acknowledge(46).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
