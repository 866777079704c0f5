"""A capture that begins in the middle of connections."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="mid-stream")
    tape.connection(name="one.example").works()
    tape.connection(name="two.example", begin=1000).works()
    tape.frames = [frame for i, frame in enumerate(tape.frames) if i % 16 >= 6]
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
