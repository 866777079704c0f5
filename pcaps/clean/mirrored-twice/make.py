"""A mirror port shows each packet twice."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="mirrored-twice")
    tape.connection(name="one.example").works()
    tape.connection(name="two.example", begin=1000).works()
    tape.write(folder / "test.pcap", copies=2)


if __name__ == "__main__":
    make(Path(__file__).parent)
