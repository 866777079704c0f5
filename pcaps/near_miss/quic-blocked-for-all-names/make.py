"""A network without UDP: the Initials of every name stay unanswered."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.quic import conversation


def make(folder: Path) -> None:
    tape = Tape(seed="quic-blocked-for-all-names")
    for i in range(3):
        conversation(tape, "allowed.example", i * 20_000, 40_000 + i)
        conversation(tape, "blocked.example", 10_000 + i * 20_000, 50_000 + i)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
