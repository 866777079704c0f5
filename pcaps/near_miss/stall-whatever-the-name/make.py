"""A path that cannot carry more (a broken tunnel, a limit per connection): every name of the address stalls at the same place."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    for i, name in enumerate(("odd.example", "allowed.example", "another.example")):
        talk = begin(name, begin=300 * i).handshake().hello().acknowledge().answer(16_000)
        talk.request().wait(300).again().wait(600).again().wait(1200).again().wait(2400).again()


def make(folder: Path) -> None:
    tell(folder, "stall-whatever-the-name", story, controls=False, lasts=9000)


if __name__ == "__main__":
    make(Path(__file__).parent)
