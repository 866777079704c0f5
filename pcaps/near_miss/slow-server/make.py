"""A server that thinks for four seconds, and then answers."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="slow-server")
    tape.connection(name="allowed.example").works()
    tape.connection(name="slow.example", begin=1000).handshake().hello().acknowledge().answer(after=4000).request().response().close()
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
