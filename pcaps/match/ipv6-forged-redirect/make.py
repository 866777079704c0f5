"""It closes, lacks the timestamps that the connection agreed on, and comes before the server can answer."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="ipv6-forged-redirect")
    tape.connection(name="allowed.example", client="2001:db8::10", server="2001:db8:1::20").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000, client="2001:db8::10", server="2001:db8:1::20").handshake().http()
    talk.forged("FPA", after=3, ttl=60, ipid=0, window=8192, payload=b"HTTP/1.1 302 Found\r\nLocation: http://notice.example/\r\n\r\n", believed=True)
    tape.connection(name="another.example", begin=18_000, client="2001:db8::10", server="2001:db8:1::20").works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
