"""A genuine reset of a large CDN's edge: bare RST, DF set, ID 0, window 0, and six zero bytes inside the IP length (46), which the
Iranian injector has too; but no ACK flag, and one full round trip after the hello."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="cloudflare-reset")
    tape.connection(name="allowed.example").handshake().hello().acknowledge().answer().request().response().close()
    talk = tape.connection(name="unknown.example", begin=1000).handshake().hello()
    talk.forged("R", after=50.4, ttl=talk.them.ttl, ipid=0, df=True, payload=bytes(6))
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
