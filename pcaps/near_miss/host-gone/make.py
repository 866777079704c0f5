"""A host goes away in mid-connection: after seconds the router next to it says host unreachable."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="host-gone")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="gone.example", server="203.0.113.5", begin=1000).handshake().hello().hello_again(200, 420, 830, 1660)
    talk.icmp(3, 1, after=120, source="203.0.113.1", ttl=53)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
