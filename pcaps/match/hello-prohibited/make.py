"""A router two hops away answers the hello with "communication administratively prohibited" (RFC 1812 section 5.2.7.1)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="hello-prohibited")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.icmp(3, 13, after=3, source="192.0.2.254", ttl=63)
    talk.hello_again(200)
    talk.icmp(3, 13, after=3, source="192.0.2.254", ttl=63)
    talk.hello_again(420, 830, 1660)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
