"""A traceroute with hellos: sent with a TTL of 5, each copy answered by time-exceeded from a router on the way."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Connection
from dpiprobe.cases.told import Begin, tell


def _exceeded(talk: Connection) -> None:
    v6 = ":" in talk.client
    talk.icmp(*((3, 0) if v6 else (11, 0)), after=12, source="2001:db8:2::1" if v6 else "203.0.113.1", ttl=60)


def story(begin: Begin) -> None:
    talk = begin().handshake()
    talk.us.ttl = 5
    talk.hello()
    for pause in (300, 600, 1200, 2400):
        _exceeded(talk)
        talk.hello_again(pause)
    _exceeded(talk)


def make(folder: Path) -> None:
    tell(folder, "ttl-limited-probes", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
