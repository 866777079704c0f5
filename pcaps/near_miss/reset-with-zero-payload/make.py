"""A reset that carries ten zero bytes: payload in a reset is rare and allowed (RFC 9293 section 3.5.3), and zeros are padding."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reset-with-zero-payload")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=50.3, ttl=talk.them.ttl, ipid=0, df=True, payload=bytes(10))
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
