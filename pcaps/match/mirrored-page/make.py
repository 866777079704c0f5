"""A redirect whose IP ID and window are copies of the request's, and the genuine page after it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import OK_PAGE, Tape


def make(folder: Path) -> None:
    tape = Tape(seed="mirrored-page")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\nConnection: close\r\n\r\n"
    talk.forged("FPA", after=2.5, ttl=59, ipid=talk.us.ipid, window=502, payload=page, believed=False)
    talk.says(OK_PAGE, after=47.2, acknowledged=False)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
