"""Ten seconds after the handshake the server resets; the hello was sent 5 ms before that arrived."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().wait(9990)
    before = talk.us.next
    talk.hello().wait(5)
    talk._send(talk.them, "RA", ack=before)


def make(folder: Path) -> None:
    tell(folder, "idle-reset-meets-hello", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
