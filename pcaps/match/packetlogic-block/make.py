"""Sandvine PacketLogic's plain answer "Object not found" in a closing segment, IP ID 13330."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="packetlogic-block")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("FA", after=2.8, ttl=58, ipid=13330, window=32120, payload=b"Object not found\r\n", believed=True)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
