"""What the Great Firewall's triple looks like where there is neither an IP ID nor a don't-fragment bit: the technique can be told, the device
cannot."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="ipv6-early-resets")
    tape.connection(name="allowed.example", client="2001:db8::10", server="2001:db8:1::20").works()
    talk = tape.connection(name="blocked.example", begin=1000, client="2001:db8::10", server="2001:db8:1::20").handshake().hello()
    talk.forged("RA", after=6.4, ttl=166, ipid=0, window=1541, count=3, gap=0.1)
    talk.acknowledge(43.4).answer(700)
    tape.connection(name="another.example", begin=18_000, client="2001:db8::10", server="2001:db8:1::20").works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
