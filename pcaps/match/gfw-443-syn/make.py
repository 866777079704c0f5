"""On 20 August 2025, 00:34 to 01:48 Beijing time, every SYN to port 443 was answered by three reset+acks whose window and TTL step by one
(gfw.report, net4people/bbs 511)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-443-syn")
    talk = tape.connection(name="blocked.example", begin=1000).syn()
    for step in range(3):
        talk.forged("RA", after=4 if step == 0 else 0.05, ttl=100 + step, ipid=0x3100 + step, window=1980 + step, df=True, seq=0)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
