"""A server aborts on the name at once: its reset is the only packet that acknowledges the hello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-aborts-on-name")
    tape.connection(name="allowed.example").works()
    tape.connection(name="unknown.example", begin=1000).handshake().hello().server_reset(50.1)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
