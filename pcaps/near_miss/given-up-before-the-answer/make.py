"""The client resets 20 ms after its SYN; the SYN/ACK comes to a socket that is gone."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import syn_ack
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    syn_ack(begin().syn().client_reset(20), 30).client_reset(0.04)


def make(folder: Path) -> None:
    tell(folder, "given-up-before-the-answer", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
