"""Airtel's notice as collected in ooni/pipeline 406: a page that only frames http://www.airtel.in/dot/."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="india-airtel-page")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("FPA", after=3, ttl=60, ipid=0x2222, window=8192, payload=b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<meta name="viewport" content="width=device-width" /><iframe src="http://www.airtel.in/dot/" width="100%" height="100%"></iframe>', believed=True)  # noqa: E501
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
