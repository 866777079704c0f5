"""A server that accepts, acknowledges the hello and then hangs, for one name only: the end of the hello was acknowledged, so it reached
the server, and nobody on the way is to blame. The client gives up after ten seconds."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="hung-server")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    tape.connection(name="slow.example", begin=1000).handshake().hello().acknowledge().wait(10_000).close()
    tape.connection(name="another.example", begin=15_000).handshake().hello().acknowledge().answer().request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
