"""TCP Fast Open, and a reset+ack with the server's marks right after the SYN/ACK."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import fast_open
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    fast_open(begin()).server_reset(0.2)


def make(folder: Path) -> None:
    tell(folder, "fast-open-refused", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
