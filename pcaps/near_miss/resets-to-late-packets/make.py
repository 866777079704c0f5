"""Late segments of the client meet a socket that is gone: bare resets whose sequence number is each segment's acknowledgement."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="resets-to-late-packets")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="allowed.example", begin=1000).works()
    for _ in range(3):
        talk.request(40).forged("R", after=50, ttl=talk.them.ttl, ipid=0, df=True)
    tape.connection(name="another.example", begin=6000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
