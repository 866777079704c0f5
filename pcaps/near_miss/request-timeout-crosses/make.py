"""HTTP 408 with FIN leaves the server while the late request is on its way; it acknowledges nothing of it."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin(server_port=80).handshake().wait(15000).http().wait(4)
    talk._send(talk.them, "FPA", ack=talk._hello_seq, payload=b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
    talk.client_fin().acknowledge()


def make(folder: Path) -> None:
    tell(folder, "request-timeout-crosses", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
