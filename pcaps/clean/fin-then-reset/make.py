"""A server closes, and its kernel answers the close of the client, which still had something to say, with a bare reset (boxes of the lab,
point 2)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="fin-then-reset")
    tape.connection(name="allowed.example").works()

    talk = tape.connection(name="closing.example", begin=1000).handshake().hello().acknowledge().answer().request().response()
    talk.server_fin(2)
    talk.forged("R", after=50, ttl=talk.them.ttl, ipid=0, df=True, seq=talk.them.next, believed=False)
    tape.connection(name="another.example", begin=3000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
