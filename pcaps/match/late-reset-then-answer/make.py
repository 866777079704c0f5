"""A reset in the name of the server arrives as late as its answer would (a box near the server), at the byte the server owes next; the
server answers all the same 30 ms later."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="late-reset-then-answer")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=46, ttl=57, ipid=0x5A31, window=0)
    talk.acknowledge(30).answer()
    tape.connection(name="another.example", begin=3000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
