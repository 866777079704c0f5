"""A close with random IP ID that carries the text "Middlebox v 1.0", instead of an answer."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="uzbekistan-middlebox")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("FA", after=4, ttl=60, ipid=0x7A31, window=8192, payload=b"Middlebox v 1.0\r\n")
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
