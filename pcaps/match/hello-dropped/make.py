"""Silence: the hello with one name is never acknowledged, in seven copies over 25 s, while hellos alike but for the name were answered
at the same address before and after (the backoff of Linux: 0.2 s doubling, RFC 6298)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="hello-drop")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    tape.connection(name="blocked.example", begin=1000).handshake().hello().hello_again(200, 420, 830, 1660, 3330, 6700, 13200)
    tape.connection(name="another.example", begin=30000).handshake().hello().acknowledge().answer().request().response().close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
