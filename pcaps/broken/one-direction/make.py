"""A capture that shows only what the client sends."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="one-direction")
    tape.connection(name="one.example").works()
    tape.connection(name="two.example", begin=1000).works()
    tape.frames = [frame for frame in tape.frames if frame[3]]
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
