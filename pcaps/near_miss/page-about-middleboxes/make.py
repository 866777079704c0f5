"""A server sends a page of its own that speaks of Middlebox v 1.0, with all its own marks."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="page-about-middleboxes")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="wiki.example", server_port=80, begin=1000).handshake().http().acknowledge()
    talk.says(b"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n<html>What is the Middlebox v 1.0 ?</html>\r\n", after=1.0).close()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
