"""Squid's error page for denied access answers a request early and without timestamps."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="squid-page")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"HTTP/1.1 403 Forbidden\r\nServer: squid\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n<html>denied</html>"
    talk.forged("FPA", after=4, ttl=63, ipid=0x3131, window=501, df=True, payload=page)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
