"""The hello travels in the SYN with a Fast Open cookie (RFC 7413), the server answers at once: the hello's end is acknowledged by the SYN/ACK."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import fast_open
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    fast_open(begin()).answer(1300, after=0).request().response().close()


def make(folder: Path) -> None:
    tell(folder, "tcp-fast-open", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
