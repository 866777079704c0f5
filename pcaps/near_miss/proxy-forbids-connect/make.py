"""CONNECT to a proxy of the user's own network, answered 403; the proxy is the server of this connection."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin(server_port=3128).handshake()._own("PA", b"CONNECT odd.example:443 HTTP/1.1\r\nHost: odd.example:443\r\n\r\n")
    talk.says(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n", flags="FPA").client_fin().acknowledge()


def make(folder: Path) -> None:
    tell(folder, "proxy-forbids-connect", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
