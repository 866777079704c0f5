"""A server acknowledges the hello and aborts 2 ms later, with all its marks."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-acks-then-resets")
    tape.connection(name="allowed.example").works()
    tape.connection(name="unknown.example", begin=1000).handshake().hello().acknowledge().server_reset(2)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
