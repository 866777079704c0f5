"""A hello that names no server is never acknowledged; hellos that name one work before and after."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="nameless-dropped")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(begin=1000).handshake().hello(nameless=True)
    talk.hello_again(300, 600, 1200, 2400, 4800)
    tape.connection(name="another.example", begin=20000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
