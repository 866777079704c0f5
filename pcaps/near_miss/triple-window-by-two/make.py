"""The device of gfw-443-triple-to-syn-ack with one field perturbed: windows 3293, 3295, 3297."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="triple-window-by-two")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake()
    for i in range(3):
        talk.forged("RA", after=0.1, ttl=101 + i, ipid=0x3000 + 77 * i, window=3293 + 2 * i, df=True)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
