"""A server ends a connection after a minute of silence with a reset that carries its timestamps."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="idle-timeout")
    tape.connection(name="allowed.example").works()

    talk = tape.connection(name="idle.example", begin=1000).handshake().hello().acknowledge().answer().request().response()
    talk.wait(60_000).server_reset(0)
    tape.connection(name="another.example", begin=70_000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
