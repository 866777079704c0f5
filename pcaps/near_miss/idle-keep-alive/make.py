"""A connection that is kept open and idle for a minute, with keep-alives, and then closed."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="idle-keep-alive")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="idle.example", begin=1000).handshake().hello().acknowledge().answer().request().response()
    for _ in range(3):
        talk.wait(15_000).keep_alive()
    talk.close()
    tape.connection(name="another.example", begin=60000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
