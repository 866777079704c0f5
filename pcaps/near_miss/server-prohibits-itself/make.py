"""ICMP administratively prohibited from the server's own address, one round trip after the hello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello()
    v6 = ":" in talk.client
    talk.icmp(*((1, 1) if v6 else (3, 10)), after=50, source=talk.server, ttl=talk.them.ttl)
    talk.hello_again(300, 600, 1200)


def make(folder: Path) -> None:
    tell(folder, "server-prohibits-itself", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
