"""A reset for the name, and for a minute no SYN to the same server is answered any more; then it works again."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="residual-silence")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=4, ttl=187, ipid=0x1A2B, payload=bytes(6))
    for begin in (3000, 10_000):
        tape.connection(name="allowed.example", begin=begin).syn().wait(1000).syn().wait(2000).syn()
    tape.connection(name="another.example", begin=200000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
