"""Connections without TCP timestamps, as Windows opens them: nothing can be missing there."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="no-timestamps")
    for i, name in enumerate(("one.example", "two.example")):
        tape.connection(name=name, begin=1000 * i, timestamps=False).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
