"""The recorder was started late: the first packet of the connection is a bare reset of the server's host."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin()
    at = len(talk.tape.frames)
    talk.handshake().hello()
    del talk.tape.frames[at:]
    no_socket(talk, 50)


def make(folder: Path) -> None:
    tell(folder, "hello-not-recorded", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
