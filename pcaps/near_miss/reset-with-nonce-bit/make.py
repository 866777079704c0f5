"""A genuine reset+ack whose former nonce bit is set (RFC 3540, historic): one bit that routers have been seen to leave set."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-with-nonce-bit")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("RAN", after=50.3, ttl=talk.them.ttl, ipid=0, df=True, ack=talk.us.next)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
