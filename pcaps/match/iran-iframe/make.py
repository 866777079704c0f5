"""Iran's notice as quoted in net4people/bbs 226: a page that only frames http://10.10.34.36."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="iran-iframe")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("FPA", after=3, ttl=60, ipid=0x2222, window=8192, payload=b'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html><body><iframe src="http://10.10.34.36/?type=x&policy=MainPolicy " style="width: 100%"></iframe></body></html>', believed=True)  # noqa: E501
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
