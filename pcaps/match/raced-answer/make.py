"""Two different answers for the same bytes: a forged one first, the server's after it (Fox-IT on QUANTUMINSERT, 2015)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import OK_PAGE, Tape


def make(folder: Path) -> None:
    tape = Tape(seed="raced-answer")
    tape.connection(name="allowed.example", server_port=80).works(http=True)
    talk = tape.connection(name="blocked.example", server_port=80, begin=1000).handshake().http()
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n<html>other</html>"
    talk.forged("PA", after=2.4, ttl=60, ipid=0x3AA1, window=8192, payload=page)
    talk.says(OK_PAGE, after=47.6, acknowledged=False)
    tape.connection(name="another.example", server_port=80, begin=4000).works(http=True)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
