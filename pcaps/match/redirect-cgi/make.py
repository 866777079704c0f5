"""A 302 to redirect.cgi with IP ID 0, window 123 and the don't-fragment bit clear, as a transparent filter sends it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="redirect-cgi")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("PA", after=4, ttl=47, ipid=0, window=123, payload=b"HTTP/1.1 302 Found\r\nLocation: http://filter.invalid/redirect.cgi?u=x&c=y\r\n\r\n")
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
