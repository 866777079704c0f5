"""A router answers each copy of a hello with ICMP port unreachable, as netfilter does by default; the server never hears the hello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="hello-port-unreachable")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    for pause in (2, 300, 600, 1200, 2400):
        talk.icmp(3, 3, after=2, source="192.0.2.254", ttl=63).hello_again(pause)
    talk.icmp(3, 3, after=2, source="192.0.2.254", ttl=63)
    tape.connection(name="another.example", begin=20000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
