"""The SYN/ACK comes with TTL 52, all data with TTL 57: in ordinary traffic 28 % of resets have another TTL than the data (Weaver et al. 2009,
appendix C)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake()
    talk.them.ttl = 57
    talk.hello().acknowledge().answer(700).request().response().close()


def make(folder: Path) -> None:
    tell(folder, "load-balancer-ttl", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
