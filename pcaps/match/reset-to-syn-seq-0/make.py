"""A SYN is answered by a bare reset with sequence number 0, and a moment later by one with a valid number (Belarus 2016)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-to-syn-seq-0")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=9001, begin=1000).syn()
    talk.forged("R", after=2, ttl=125, ipid=0x0101, seq=0)
    talk.forged("R", after=4, ttl=125, ipid=0x0102)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
