"""A forged 403 whose close carries five zero bytes. That of Iran carries six."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="iran-page-five-zeros")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("PA", after=3, ttl=187, ipid=0x2211, window=65535, payload=b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<html></html>")
    talk.forged("FA", after=0.1, ttl=187, ipid=0x3322, seq=talk.them.next + 59, ack=talk.us.next + 1, payload=bytes(5))
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
