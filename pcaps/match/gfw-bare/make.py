"""A bare reset (no ACK flag, acknowledgement field 0, pseudo-random window, DF clear) followed by the triple, from two devices beside one
another; the server's answer still comes (UPB, FOCI 2025: 7 flows; gfw.report, S&P 2025)."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="gfw-bare")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=5.1, ttl=87, ipid=19772, window=41579)
    talk.acknowledge(45).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
