"""Mutual TLS: the client's second flight is long (certificate, signature), and the connection goes on."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    begin().handshake().hello().acknowledge().answer(900).request(2400).response().close()


def make(folder: Path) -> None:
    tell(folder, "client-certificate", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
