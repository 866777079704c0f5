"""SYN cookies without options: the SYN/ACK carries neither timestamps nor window scale, the first hello is lost in the crowd, the second is
answered."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin(timestamps=False).handshake().hello().hello_again(300, 600)
    talk.acknowledge().answer(700).close()


def make(folder: Path) -> None:
    tell(folder, "syn-cookies", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
