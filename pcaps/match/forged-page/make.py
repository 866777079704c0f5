"""A 403 page in a closing segment without options where the connection has timestamps."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import OK_PAGE, Tape


def make(folder: Path) -> None:
    tape = Tape(seed="forged-page")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<html>no</html>"
    talk.forged("FPA", after=2.4, ttl=60, ipid=0x3AA1, window=8192, payload=page, believed=True)
    talk.acknowledge(47).says(OK_PAGE, after=1.0)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
