"""A hello is lost once; its second copy, 300 ms later, is answered."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="lost-hello")
    tape.connection(name="allowed.example").works()

    talk = tape.connection(name="lossy.example", begin=1000).handshake().hello().hello_again(300)
    talk.acknowledge().answer().request().response().close()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
