"""A download that stops after sixty kilobytes and is gone for good, once: an outage of the path or the server."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="stall-after-60kb")
    tape.connection(name="allowed.example").works()
    for begin in (0, 2000, 30_000, 32_000):
        big = tape.connection(name="allowed.example", begin=begin + 100).handshake().hello().acknowledge().answer(3000).request()
        for _ in range(8):
            big.response(1300)
        for _ in range(12):
            big.response(8000)
        big.close()
    talk = tape.connection(name="blocked.example", begin=5000).handshake().hello().acknowledge().answer(3000).request()
    for _ in range(7):
        talk.response(8000)
    talk.request(60)
    for _ in range(5):
        talk.wait(3000).again()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
