"""Two connections with a blocked name: in each one bare reset with a random window, IP ID and TTL, the don't-fragment bit clear, and the
answer of the server after it (values of captures of 2025)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-bare")
    tape.connection(name="allowed.example").works()
    for begin, ipid, window, ttl in ((1000, 19772, 41579, 90), (2000, 41875, 899, 71)):
        talk = tape.connection(name="blocked.example", begin=begin).handshake().hello()
        talk.forged("R", after=4, ttl=ttl, ipid=ipid, window=window)
        talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
