"""Names that simply work over IPv6, where packets have no IP ID and no don't-fragment bit."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="ipv6-handshakes")
    for i, name in enumerate(("one.example", "two.example", "three.example")):
        tape.connection(name=name, begin=1000 * i, client="2001:db8::10", server="2001:db8:1::20").works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
