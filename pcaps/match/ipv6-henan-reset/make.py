"""The payload tells the device without an IP ID."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="ipv6-henan-reset")
    tape.connection(name="allowed.example", client="2001:db8::10", server="2001:db8:1::20").works()
    talk = tape.connection(name="blocked.example", begin=1000, client="2001:db8::10", server="2001:db8:1::20").handshake().hello()
    talk.forged("RA", after=2.6, ttl=58, ipid=0, payload=bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]))
    talk.acknowledge(47.4).answer(700)
    tape.connection(name="another.example", begin=18_000, client="2001:db8::10", server="2001:db8:1::20").works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
