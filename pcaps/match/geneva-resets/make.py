"""Five resets built with scapy's defaults: IP ID 1, window 8192, DF clear, an acknowledgement number though no ACK flag."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="geneva-resets")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=12, ttl=62, ipid=1, window=8192, count=3, gap=10, ack=talk.us.next)
    talk.acknowledge(20).answer(1500)
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
