"""A reset for the name, and for a minute every SYN to the same server is reset; then it works again."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="residual-resets")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=4, ttl=47, ipid=0x1A2B, window=229, df=True)
    talk.acknowledge(46).answer(1500)
    for begin in (3000, 10_000):
        later = tape.connection(name="allowed.example", begin=begin).syn()
        later.forged("RA", after=4, ttl=47, ipid=0x1A2C, window=229, df=True, seq=0)
    tape.connection(name="another.example", begin=200000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
