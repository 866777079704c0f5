"""RFC 9293 section 3.5.3 lets a reset carry data that explains it; here a server says so in words, with all its marks."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().acknowledge()
    talk._send(talk.them, "RA", ack=talk.us.next, payload=b"no such virtual host")


def make(folder: Path) -> None:
    tell(folder, "reset-with-cause", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
