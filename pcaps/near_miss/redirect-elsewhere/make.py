"""A device that answers as those of South Korea do, with one field perturbed: the host is warning.or.kr.example."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="redirect-elsewhere")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("PA", after=3, ttl=60, ipid=0x2222, window=8192, payload=b"HTTP/1.1 302 Found\r\nLocation: http://warning.or.kr.example/\r\n\r\n")
    talk.acknowledge(47).says(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n<html>hello</html>\r\n", after=1)
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
