"""A close that says Object not found, with IP ID 13331. PacketLogic has 13330."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="packetlogic-close-other-ipid")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("FA", after=4, ttl=60, ipid=13331, window=32120, payload=b"Object not found\r\n")
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
