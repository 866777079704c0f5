"""Suricata's reject: a reset+ack whose window is a copy of the hello's, without options (libnet; src/respond-reject-libnet11.c)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="suricata-reject")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=1.1, ttl=62, ipid=0x6AB1, window=502)
    talk.acknowledge(49).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
