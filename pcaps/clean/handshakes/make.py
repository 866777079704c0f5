"""Three names at one server and one at another, all of which simply work, one of them over IPv6."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="handshakes")
    for index, name in enumerate(("one.example", "two.example", "three.example")):
        tape.connection(name=name, begin=500 * index).handshake().hello().acknowledge().answer().request().response().close()
    talk = tape.connection(name="six.example", client="2001:db8::10", server="2001:db8:1::20", begin=2000)
    talk.handshake().hello().acknowledge().answer().request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
