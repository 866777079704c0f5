"""An early reset answers the SYN, yet with a window: not what netfilter sends."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="syn-reset-window")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=8443, begin=1000).syn()
    talk.forged("RA", after=2, ttl=63, ipid=77, window=512, seq=0)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
