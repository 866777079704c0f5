"""A SYN is lost, its second copy arrives: the handshake seems to take more than a second, and everything after it is quick."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="lost-syn")
    tape.connection(name="allowed.example").works()

    talk = tape.connection(name="slow-start.example", begin=1000).syn().wait(1000)
    talk.handshake().hello().acknowledge().answer().request().response().close()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
