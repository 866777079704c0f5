"""It answered, sent half a page, and aborts: a crashed worker."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().acknowledge().answer(700).request().response(600)
    talk.server_reset(0)


def make(folder: Path) -> None:
    tell(folder, "server-resets-half-way", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
