"""Headers only: no hello and no answer can be read; lengths are IP's."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello()
    talk.acknowledge().server_reset(1)


def make(folder: Path) -> None:
    tell(folder, "snap-length-60", story, snap=60, v6=False)


if __name__ == "__main__":
    make(Path(__file__).parent)
