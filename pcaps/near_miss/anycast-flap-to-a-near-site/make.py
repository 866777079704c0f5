"""Anycast moves between handshake (50 ms away) and hello (5 ms away): the near site answers with the bare reset of a missing socket."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    no_socket(begin().handshake().hello(), 5, ttl=60)


def make(folder: Path) -> None:
    tell(folder, "anycast-flap-to-a-near-site", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
