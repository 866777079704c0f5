"""An early bare reset with window 0 and the don't-fragment bit set, yet with IP ID 7. netfilter has 0."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="reject-with-ipid")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=4, ttl=63, ipid=7, df=True)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
