"""Nothing comes from anybody in that time: another address is not reached either."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().hello_again(300, 600, 1200, 2400).wait(1000).client_fin()
    other = "2001:db8:7::7" if ":" in talk.server else "203.0.113.77"
    talk = begin("elsewhere.example", begin=1500, server=other).syn()
    talk.wait(1000).syn().wait(2000).syn()


def make(folder: Path) -> None:
    tell(folder, "outage-at-the-hello", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
