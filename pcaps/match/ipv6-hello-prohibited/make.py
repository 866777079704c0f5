"""ICMPv6 destination unreachable, administratively prohibited (RFC 4443), quotes the hello, three times."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="ipv6-hello-prohibited")
    tape.connection(name="allowed.example", client="2001:db8::10", server="2001:db8:1::20").works()
    talk = tape.connection(name="blocked.example", begin=1000, client="2001:db8::10", server="2001:db8:1::20").handshake().hello()
    for pause in (300, 600, 1200):
        talk.icmp(1, 1, after=3, source="2001:db8:2::1", ttl=63)
        talk.hello_again(pause)
    tape.connection(name="another.example", begin=18_000, client="2001:db8::10", server="2001:db8:1::20").works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
