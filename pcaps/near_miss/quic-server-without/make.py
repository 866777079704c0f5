"""A server without QUIC: it answers TLS over TCP for the same client, and nothing over UDP."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.quic import conversation


def make(folder: Path) -> None:
    tape = Tape(seed="quic-server-without")
    tape.connection(name="allowed.example").works()
    for i in range(3):
        conversation(tape, "odd.example", 10_000 + i * 60_000, 50_000 + i)
    tape.connection(name="odd.example", begin=200_000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
