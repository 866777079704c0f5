"""The first SYN was lost; the handshake took 1050 ms, the path 50 ms. The server's reset comes 50 ms after the hello, at a twentieth of the
handshake's time."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import syn_ack
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().syn().wait(1000).syn()
    syn_ack(talk, 50).wait(0.04)._own("A").hello().acknowledge(50).server_reset(0)


def make(folder: Path) -> None:
    tell(folder, "reset-after-a-slow-handshake", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
