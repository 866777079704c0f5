"""China's port 443 block of 2025-08-20 (gfw.report): each SYN/ACK sets off three reset+acks one byte into the stream, windows 3293 to 3295,
TTLs counting with them. The client never comes to send a hello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-443-syn-ack")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake()
    for i in range(3):
        talk.forged("RA", after=0.1, ttl=101 + i, ipid=0x3000 + 77 * i, window=3293 + i, df=True)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
