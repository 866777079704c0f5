"""Two connections with a blocked name: in each one bare reset, both with the window 4128. That of the Great Firewall is random."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="bare-reset-fixed-window")
    tape.connection(name="allowed.example").works()
    for begin, ipid, ttl in ((1000, 19772, 90), (2000, 41875, 71)):
        talk = tape.connection(name="blocked.example", begin=begin).handshake().hello()
        talk.forged("R", after=4, ttl=ttl, ipid=ipid, window=4128)
        talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
