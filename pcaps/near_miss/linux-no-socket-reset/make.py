"""The bare reset of a Linux host to a segment for a socket that is gone: no ACK flag, ID 0, window 0, DF set, one round trip after the
hello (an anycast flap, or a server that restarted)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="linux-no-socket-reset")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=50.2, ttl=talk.them.ttl, ipid=0, df=True)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
