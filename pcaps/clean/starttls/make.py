"""A mail server greets, agrees to STARTTLS (RFC 3207), and only then the hello comes."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin(server_port=25).handshake().says(b"220 mx.example ESMTP\r\n")
    talk._own("PA", b"EHLO client.example\r\n").says(b"250-mx.example\r\n250 STARTTLS\r\n")._own("PA", b"STARTTLS\r\n").says(b"220 go ahead\r\n")
    talk.hello().acknowledge().answer(700).close()


def make(folder: Path) -> None:
    tell(folder, "starttls", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
