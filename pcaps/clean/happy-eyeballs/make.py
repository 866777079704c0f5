"""A client opens two connections at a time, over IPv6 and over IPv4, uses the first that answers and closes the other without having said
a word (RFC 8305)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="happy-eyeballs")
    tape.connection(name="one.example", client="2001:db8::10", server="2001:db8:1::20").works()
    loser = tape.connection(name="one.example", begin=30).handshake()
    loser.client_fin().server_fin(50)
    tape.connection(name="two.example", begin=3000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
