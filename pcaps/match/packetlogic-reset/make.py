"""Sandvine PacketLogic: a reset+ack with IP ID 13330 and window 32120 (Citizen Lab, Bad Traffic, 2018)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="packetlogic-reset")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=2.8, ttl=58, ipid=13330, window=32120, tos=40)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
