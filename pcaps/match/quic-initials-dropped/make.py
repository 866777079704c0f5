"""Three QUIC conversations whose Initials are never answered, between others of the same client to the same address that are."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.quic import conversation


def make(folder: Path) -> None:
    tape = Tape(seed="quic-initials-dropped")
    for i in range(3):
        conversation(tape, "allowed.example", i * 200, 40_000 + i, copies=(0.0,), answered_after=50)
        conversation(tape, "another.example", 200_000 + i * 200, 40_100 + i, copies=(0.0,), answered_after=50)
    for i in range(3):
        conversation(tape, "blocked.example", 10_000 + i * 60_000, 50_000 + i)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
