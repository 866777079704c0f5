"""One name is reset by the server itself; a moment later the whole host is gone and answers nothing, for good."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="server-went-down")
    tape.connection(name="allowed.example").works()
    tape.connection(name="unknown.example", begin=1000).handshake().hello().server_reset()
    for begin in (3000, 10_000, 200_000, 900_000):
        tape.connection(name="allowed.example", begin=begin).syn().wait(1000).syn().wait(2000).syn()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
