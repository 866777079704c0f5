"""A bare reset with IP ID 1, window 8193 and an acknowledgement field. scapy writes 8192 where nothing else is said."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="scapy-other-window")
    tape.connection(name="allowed.example").works()
    talk = tape.connection(name="blocked.example", begin=1000).handshake().hello()
    talk.forged("R", after=4, ttl=60, ipid=1, window=8193, ack=talk.us.next - 514)
    talk.acknowledge(43).answer()
    tape.connection(name="another.example", begin=4000).works()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
