"""One reset+ack with the don't-fragment bit clear and an IP ID between 39190 and 39219, initial TTL 255 (S&P 2025, third injector), and
the answer of the server after it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-iii")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RA", after=6.4, ttl=248, ipid=39201, window=900)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
