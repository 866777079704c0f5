"""The hello is acknowledged, and a millisecond later a reset+ack comes with another TTL, another IP ID, without options and with the
don't-fragment bit clear: the balancer's, not the machine's."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = begin().handshake().hello().acknowledge()
    talk.forged("RA", after=1, ttl=59, ipid=0x9999)


def make(folder: Path) -> None:
    tell(folder, "reset-by-load-balancer", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
