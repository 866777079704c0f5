"""The server sends acknowledgements that carry nothing: challenge ACKs (RFC 5961 section 5), window updates."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    begin().handshake().hello().acknowledge().answer(700).acknowledge(3).acknowledge(3).request().response().close()


def make(folder: Path) -> None:
    tell(folder, "challenge-acks", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
