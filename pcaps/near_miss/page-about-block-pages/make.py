"""A page of the server's own with the addresses of four countries' notices in its text, escaped frames included."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="page-about-block-pages")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="wiki.example", server_port=80, begin=1000).handshake().http().acknowledge()
    text = (b"<html>See <a href='http://warning.or.kr/'>Korea</a>, http://lamanlabuh.aduankonten.id/, http://notice.myanmarnet.com/; they send "
            b"&lt;iframe src=\"http://www.airtel.in/dot/\"&gt; or &lt;iframe src=\"http://10.10.34.36/\"&gt;</html>")
    talk.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text, after=1.0).close()
    tape.connection(name="another.example", begin=8000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
