"""A captive portal answers every name alike with a redirect to itself."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="captive-portal-all-names")
    for index, name in enumerate(("one.example", "two.example", "three.example")):
        talk = tape.connection(name=name, server=f"198.51.100.{50 + index}", rtt=2, hops=0, begin=1000 * index).handshake().hello().acknowledge()
        talk.says(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n", after=0.5, flags="FPA").client_fin()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
