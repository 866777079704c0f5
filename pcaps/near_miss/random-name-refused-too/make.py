"""The name in question and a random name of equal length are both reset, with the server's marks, while the name that is served there works."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    begin().handshake().hello().acknowledge(45).server_reset(0)
    begin("xqk.example", begin=2000).handshake().hello().acknowledge(45).server_reset(0)


def make(folder: Path) -> None:
    tell(folder, "random-name-refused-too", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
