"""A path of 1400 bytes whose router says nothing: the hello of the longer kind is one packet of 1450 and vanishes, every time; shorter ones
pass."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    begin().handshake().hello(extension=(0x0015, bytes(850))).hello_again(300, 600, 1200, 2400, 4800)


def make(folder: Path) -> None:
    tell(folder, "packet-over-the-mtu", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
