"""The server's answer is sent twice, byte for byte the same."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="retransmitted-answer")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="allowed.example", begin=1000).handshake().hello().acknowledge()
    first = talk.them.next
    talk.answer(1200)
    talk.them.next = first
    talk.answer(1200, after=200).request().response().close()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
