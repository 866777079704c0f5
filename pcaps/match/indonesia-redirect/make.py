"""A redirect in the server's name 3 ms after the request; the server's own answer comes one round trip later for the same bytes."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="indonesia-redirect")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("PA", after=3, ttl=60, ipid=0x2222, window=8192, payload=b"HTTP/1.0 302 Moved\r\nContent-Length: 0\r\nLocation: http://lamanlabuh.aduankonten.id/\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\r\n")  # noqa: E501
    talk.acknowledge(47).says(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n<html>hello</html>\r\n", after=1)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
