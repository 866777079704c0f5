"""A hello in two segments: the first is acknowledged, the second never, however often it is sent again. Names before and after work with
two segments too."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="completing-segment-dropped")
    tape.connection(name="allowed.example").works()
    tape.connection(name="allowed.example", begin=500).handshake().hello(segment=200).acknowledge().answer().request().response().close()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello(segment=200)
    talk.acknowledge(less=len(talk._hello)).hello_again(300, 600, 1200, 2400, 4800)
    tape.connection(name="third.example", begin=15_000).handshake().hello(segment=200).acknowledge().answer().request().response().close()
    tape.connection(name="another.example", begin=20000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
