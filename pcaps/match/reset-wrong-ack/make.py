"""As zapret's readme says of boxes in Russia: the acknowledgement number is wrong; here it is 100 beyond the hello's end."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-wrong-ack")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=50, ttl=52, ipid=0x7777, ack=talk.us.next + 100, believed=True)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
