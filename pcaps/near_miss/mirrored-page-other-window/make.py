"""A forged redirect with the IP ID of the request and a window of its own. The mirroring device copies both."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="mirrored-page-other-window")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    talk.forged("FPA", after=4, ttl=60, ipid=talk.us.ipid, window=1234, payload=b"HTTP/1.1 302 Found\r\nLocation: http://x.invalid/\r\n\r\n")
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
