"""A server's own 403, with timestamps and all."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="genuine-403-page")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="closed.example", server_port=80, begin=1000).handshake().http()
    talk.acknowledge().says(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 15\r\n\r\n<html>no</html>", after=1.0, flags="FPA").client_fin()
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
