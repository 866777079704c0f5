"""Sandvine PacketLogic's redirect: 307 in a closing segment, IP ID 13330, window 32120 (Citizen Lab, 2018)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="packetlogic-redirect")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://elsewhere.invalid/\r\nConnection: close\r\n\r\n"
    talk.forged("FA", after=2.8, ttl=58, ipid=13330, window=32120, payload=page, believed=True)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
