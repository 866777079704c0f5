"""Pages, a redirect and an error page of servers over plain HTTP, with all their own marks."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="plain-http")
    for i, answer in enumerate((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
                                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\n\r\n<html>Nein.</html>\n")):
        talk = tape.connection(name=f"page{i}.example", server_port=80, begin=1000 * i).handshake().http().acknowledge()
        talk.says(answer, after=1.0).close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
