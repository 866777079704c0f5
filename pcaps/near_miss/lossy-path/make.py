"""A lossy path: hellos and answers are sent again, and everything works in the end."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="lossy-path")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="lossy.example", begin=1000).handshake().hello().hello_again(210, 430).acknowledge().answer()
    talk.request().response().close()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
