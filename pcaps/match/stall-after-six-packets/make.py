"""A connection that is answered and, a handful of packets later, dead in both directions: what the client sends is never acknowledged.
Downloads of another name run to the end."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="stall-after-six-packets")
    tape.connection(name="allowed.example").works()
    for begin in (0, 2000, 30_000, 32_000):
        big = tape.connection(name="allowed.example", begin=begin + 100).handshake().hello().acknowledge().answer(3000).request()
        for _ in range(8):
            big.response(1300)
        for _ in range(5):
            big.response(8000)
        big.close()
    talk = tape.connection(name="blocked.example", begin=5000).handshake().hello().acknowledge().answer(1200).request()
    for _ in range(1):
        talk.response(600)
    talk.request(60)
    for _ in range(5):
        talk.wait(3000).again()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
