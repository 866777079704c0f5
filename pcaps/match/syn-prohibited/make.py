"""A router near the client answers the SYN with "communication administratively prohibited"."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="syn-prohibited")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server="203.0.113.9", begin=1000).syn()
    talk.icmp(3, 13, after=2, source="192.0.2.254", ttl=63)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
