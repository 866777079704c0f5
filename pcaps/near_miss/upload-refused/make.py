"""HTTP 413 and a close while the client still sends; what arrives after that gets bare resets."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin(server_port=80).handshake()
    talk._own("PA", b"POST / HTTP/1.1\r\nHost: odd.example\r\nContent-Length: 90000\r\n\r\n")
    for _ in range(3):
        talk._own("A", b"q" * 1400)
    talk.says(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\n", flags="FPA")._own("A", b"q" * 1400)
    no_socket(no_socket(talk, 50), 0.1)


def make(folder: Path) -> None:
    tell(folder, "upload-refused", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
