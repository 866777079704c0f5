"""Sixteen kilobytes, and then nothing any more; downloads with another name at the same server go on to the end (net4people/bbs 490)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="stall-after-16kb")
    for begin in (0, 2000, 30_000, 32_000):
        big = tape.connection(name="allowed.example", begin=begin).handshake().hello().acknowledge().answer(3000).request()
        for _ in range(8):
            big.response(1300)
        for _ in range(5):
            big.response(8000)
        big.close()
    talk = tape.connection(name="blocked.example", begin=5000).handshake().hello().acknowledge().answer(3000).request()
    for _ in range(9):
        talk.response(1300)
    talk.request(60)
    for _ in range(5):
        talk.wait(3000).again()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
