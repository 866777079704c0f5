"""Fifty seconds after the handshake the first packet of data gets a bare reset from the router one hop away."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    no_socket(begin().handshake().wait(50_000).hello(), 1, ttl=64)


def make(folder: Path) -> None:
    tell(folder, "nat-forgot-the-connection", story, lasts=60_000)


if __name__ == "__main__":
    make(Path(__file__).parent)
