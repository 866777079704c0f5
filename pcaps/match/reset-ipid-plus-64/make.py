"""The server acknowledges half of a long hello; the early reset after it has the IP ID of that acknowledgement plus 64."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-ipid-plus-64")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello(segment=200)
    talk.wait(40).acknowledge(10, less=len(talk._hello))
    second = talk.hello_again(1)
    second.forged("RA", after=4, ttl=60, ipid=talk.them.ipid + 64)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
