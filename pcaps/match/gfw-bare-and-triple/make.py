"""A bare reset with a random window, and 4 ms later three identical reset+acks: two injectors of the Great Firewall in one connection."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-bare-and-triple")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=3.2, ttl=90, ipid=19772, window=41579)
    talk.forged("RA", after=4, ttl=166, ipid=0x4242, window=1541, df=True, count=3, gap=0.1)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
