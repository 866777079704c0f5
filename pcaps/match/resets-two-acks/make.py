"""Two early reset+acks a tenth of a millisecond apart, at one sequence number; the first acknowledges the hello, the second half of it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="resets-two-acks")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=4, ttl=60, ipid=0x1111)
    talk.forged("RA", after=0.1, ttl=60, ipid=0x2222, ack=talk.us.next - 250)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
