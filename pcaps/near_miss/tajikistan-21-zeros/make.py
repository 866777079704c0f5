"""A reset+ack that carries 21 zero bytes. That of Tajikistan carries 22."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="tajikistan-21-zeros")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=4, ttl=54, ipid=0x5511, payload=bytes(21))
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
